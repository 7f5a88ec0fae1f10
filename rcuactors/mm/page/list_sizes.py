"""How long a CPU's page list may get, and how many pages go to and from the zone at a time (mm/page_alloc.c), order 0.

* v5.9, v5.11: six batches, and one batch at a time (pageset_set_batch()).
* v6.1, v6.6: pcp->high is the CPU's share of the low watermark, four batches at least (zone_highsize()). A CPU that
  only frees gives back twice as much each time (nr_pcp_free(), pcp->free_factor); a refill is one batch.
* From v6.7 on pcp->high moves by itself between high_min, that share, and high_max, the CPU's share of an eighth of the
  zone (commit 51a755c56dc0 and its series). A CPU that only allocates takes twice as much each time (nr_pcp_alloc(),
  pcp->alloc_factor), at most the batch times 2^CONFIG_PCP_BATCH_SCALE_MAX; a CPU that only frees gives back as many as
  it has freed in a row (pcp->free_count). While the zone is below its high watermark (ZONE_BELOW_HIGH) pcp->high
  shrinks, and lists are not made longer. Read in 6.12.0, 6.12.94 and 6.18.44, which are alike in this.

  Every second an eighth of what it has grown to is taken away again (decay_pcp_high(), vmstat.py).

Not modelled: that stable 6.1 and 6.6 give back 2^CONFIG_PCP_BATCH_SCALE_MAX batches at most, and drain a list in such
parts (the backports of 52166607ecc9 and 55f77df7d715), as v6.12 does here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final, Protocol

import attrs

if TYPE_CHECKING:
    from .page_lists import PageList

PCP_BATCH_SCALE_MAX: Final = 5
"""CONFIG_PCP_BATCH_SCALE_MAX, as mm/Kconfig has it."""

_MIN_PERCPU_PAGELIST_HIGH_FRACTION: Final = 8


@attrs.frozen(kw_only=True)
class ZoneSizes:
    """What the limits of a list are made of, in pages.

    `batchsize` is what zone_batchsize() says, 0 for a small zone, `batch` what is moved at a time, at least 1.
    """

    batchsize: int
    batch: int
    watermark_low: int
    managed: int
    nr_cpus: int


@attrs.define(eq=False)
class ZoneFlags:
    """zone->flags. `below_high` is noted by versions whose lists change with it."""

    reclaim_active: bool = False
    """ZONE_RECLAIM_ACTIVE: kswapd is at work on the zone."""
    below_high: bool = False
    """ZONE_BELOW_HIGH: a request has found no more free than the high watermark."""


class ListSizes(Protocol):
    """The sizes of one zone's lists."""

    notes_below_high: bool
    """Whether requests note ZONE_BELOW_HIGH (get_page_from_freelist())."""
    shared_out: bool
    """Whether the limits are shared out to the CPUs that are online (zone_pcp_update())."""
    high: int
    """pcp->high of a list that nothing has changed."""

    def __init__(self, sizes: ZoneSizes, flags: ZoneFlags) -> None: ...

    def share_out(self, nr_cpus: int) -> None:
        """zone_set_pageset_high_and_batch(): to so many CPUs, from now on."""
        ...

    def note_allocation(self, pages: PageList) -> None:
        """rmqueue_pcplist(): a page is taken off the list."""
        ...

    def to_allocate(self, pages: PageList) -> int:
        """nr_pcp_alloc(): how many pages to fill an empty list with."""
        ...

    def note_free(self, pages: PageList) -> None:
        """free_frozen_page_commit(): a page was put on the list, by whoever must not give any back."""
        ...

    def limit(self, pages: PageList) -> int:
        """free_unref_page_commit(): a page was put on the list, which may now be so long (nr_pcp_high())."""
        ...

    def to_free(self, pages: PageList, limit: int) -> int:
        """nr_pcp_free(): how many pages to give back of a list that has reached its limit."""
        ...

    def has_grown(self, pages: PageList) -> bool:
        """pcp->high is above its minimum, so that it is to decay."""
        ...

    def decay(self, pages: PageList) -> int:
        """decay_pcp_high(): pcp->high gets smaller; how many pages the list has beyond it then."""
        ...


class SixBatches:
    """v5.9 and v5.11."""

    notes_below_high = False
    shared_out = False

    def __init__(self, sizes: ZoneSizes, _flags: ZoneFlags) -> None:
        self._batch = sizes.batch
        # pageset_set_batch() multiplies before 0 becomes 1: so in a zone below 32 MB it is 0, and a page that is freed
        # goes straight back to the zone.
        self.high = 6 * sizes.batchsize

    def share_out(self, nr_cpus: int) -> None:
        """Nothing is: each list gets as much."""

    def note_allocation(self, pages: PageList) -> None:
        """Nothing to note."""

    def to_allocate(self, _pages: PageList) -> int:
        """One batch."""
        return self._batch

    def note_free(self, pages: PageList) -> None:
        """Nothing to note."""

    def limit(self, _pages: PageList) -> int:
        """Always the same."""
        return self.high

    def to_free(self, _pages: PageList, _limit: int) -> int:
        """One batch (free_unref_page_commit())."""
        return self._batch

    def has_grown(self, _pages: PageList) -> bool:
        """It never does."""
        return False

    def decay(self, _pages: PageList) -> int:
        """Nothing does."""
        return 0


class _SharedOut(ABC):
    """The zone's are shared out to the CPUs that are there."""

    shared_out = True

    def __init__(self, sizes: ZoneSizes, flags: ZoneFlags) -> None:
        self._sizes = sizes
        self._batch = sizes.batch
        self._flags = flags
        self.share_out(sizes.nr_cpus)

    @abstractmethod
    def share_out(self, nr_cpus: int) -> None:
        """To so many."""


class DoublingFrees(_SharedOut):
    """v6.1 and v6.6."""

    notes_below_high = False

    def share_out(self, nr_cpus: int) -> None:
        """The low watermark."""
        self.high = _highsize(self._sizes, self._sizes.watermark_low, nr_cpus)

    def note_allocation(self, pages: PageList) -> None:
        """Halves the factor (rmqueue_pcplist())."""
        pages.free_factor >>= 1

    def to_allocate(self, _pages: PageList) -> int:
        """One batch."""
        return self._batch

    def note_free(self, pages: PageList) -> None:
        """Nothing to note."""

    def limit(self, _pages: PageList) -> int:
        """Four batches at most while kswapd works (ZONE_RECLAIM_ACTIVE)."""
        return min(4 * self._batch, self.high) if self._flags.reclaim_active else self.high

    def to_free(self, pages: PageList, limit: int) -> int:
        """Twice as many each time, from one batch to all but one."""
        batch = self._batch
        if limit < batch:
            return 1
        most, wanted = limit - batch, batch << pages.free_factor
        if wanted < most:
            pages.free_factor += 1
        return max(batch, min(wanted, most))

    def has_grown(self, _pages: PageList) -> bool:
        """It never does."""
        return False

    def decay(self, _pages: PageList) -> int:
        """Nothing does."""
        return 0


class TunedHigh(_SharedOut):
    """v6.7 and later."""

    notes_below_high = True

    def share_out(self, nr_cpus: int) -> None:
        """The low watermark, and an eighth of the zone. A list's own pcp->high is held to it when it is looked at."""
        sizes = self._sizes
        self.high = self.high_min = _highsize(sizes, sizes.watermark_low, nr_cpus)
        self.high_max = _highsize(sizes, sizes.managed // _MIN_PERCPU_PAGELIST_HIGH_FRACTION, nr_cpus)

    def _clamped(self, high: int) -> int:
        return min(max(high, self.high_min), self.high_max)

    def note_allocation(self, pages: PageList) -> None:
        """Halves the count of frees in a row."""
        pages.free_count >>= 1

    def to_allocate(self, pages: PageList) -> int:
        """Twice as many each time, as far as the list has room for them, which grows by as much."""
        base = self._batch
        high = pages.high = self._clamped(pages.high)
        if high < base:
            return 1
        batch = base << pages.alloc_factor
        if self.high_min != self.high_max and not self._flags.below_high:
            high = pages.high = min(high + batch, self.high_max)
        most = max(high - pages.count - base, base)
        if batch <= most and pages.alloc_factor < PCP_BATCH_SCALE_MAX:
            pages.alloc_factor += 1
        batch = min(batch, most)
        return max(batch, 2) if batch > 1 else batch

    def note_free(self, pages: PageList) -> None:
        """One more in a row; and halves the factor of the refills."""
        pages.alloc_factor >>= 1
        if pages.free_count < self._batch << PCP_BATCH_SCALE_MAX:
            pages.free_count += 1

    def limit(self, pages: PageList) -> int:
        """pcp->high, which shrinks while the zone is short, and grows to hold what is freed in a row."""
        self.note_free(pages)
        batch, flags, low, count = self._batch, self._flags, self.high_min, len(pages.pages) + pages.others
        high = pages.high = self._clamped(pages.high)
        if not high:
            return 0
        shrunk = max(high - max(pages.free_count, batch), low)
        if flags.reclaim_active:
            pages.high = shrunk
            return min(4 * batch, shrunk)
        if low == self.high_max:
            return high
        if flags.below_high:
            pages.high = shrunk
            return max(count, low)
        if count >= high and high < pages.free_count + batch:
            pages.high = self._clamped(pages.free_count + batch)
        return high

    def to_free(self, pages: PageList, limit: int) -> int:
        """As many as were freed in a row, from one batch to all but one."""
        batch = self._batch
        return 1 if limit < batch else min(max(pages.free_count, batch), limit - batch)

    def has_grown(self, pages: PageList) -> bool:
        """What has not been looked at since the CPUs' shares changed counts as if it had."""
        return pages.high > self.high_min

    def decay(self, pages: PageList) -> int:
        """By an eighth, unless that would leave too many pages to give back at once."""
        if pages.high > self.high_min:
            most = pages.count - (self._batch << PCP_BATCH_SCALE_MAX)
            pages.high = max(most, pages.high - (pages.high >> 3), self.high_min)
        return max(pages.count - pages.high, 0)


def _highsize(sizes: ZoneSizes, pages: int, nr_cpus: int) -> int:
    """zone_highsize(): so many pages shared out to the CPUs, at least four batches each."""
    return max(pages // nr_cpus, 4 * sizes.batch)
