"""What kvfree_rcu() counts about itself, and the distribution of latencies from call to free.

The histogram has buckets of at most one part in 64, so that a run of any length takes little memory; an array of
objects in the order of their calls is added with a few bisections instead of one step an object.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

import attrs

from ..context.context import Context

T = TypeVar("T")

_PRECISION_BITS: Final = 6
_SIZES_KEPT: Final = 1000


def _bucket(value: int) -> int:
    """The smallest value of the bucket that `value` falls in."""
    shift = max(value.bit_length() - _PRECISION_BITS - 1, 0)
    return value >> shift << shift


@attrs.frozen(kw_only=True)
class LatencyStatistics:
    """How long objects waited from kvfree_rcu() to their free; the percentiles to one part in 64, None without any.

    * `count` (objects): that were measured.
    * `p50` (ns): half of them did not wait longer.
    * `p90` (ns): 90 % did not.
    * `p99` (ns): 99 % did not.
    * `max` (ns): the longest wait, exact.
    """

    count: int
    p50: int | None
    p90: int | None
    p99: int | None
    max: int | None


class Latencies:
    """A histogram of virtual nanoseconds."""

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self.count = 0
        self.maximum = 0

    @property
    def buckets(self) -> dict[int, int]:
        """How many latencies fell into each bucket, which is named by its smallest value in ns; in order."""
        return dict(sorted(self._buckets.items()))

    def statistics(self) -> LatencyStatistics:
        """Its figures, as they are now."""
        return LatencyStatistics(
            count=self.count,
            p50=self.percentile(50),
            p90=self.percentile(90),
            p99=self.percentile(99),
            max=self.maximum if self.count else None,
        )

    def add(self, latency_ns: int) -> None:
        """One latency."""
        self._buckets[_bucket(latency_ns)] += 1
        self.count += 1
        self.maximum = max(self.maximum, latency_ns)

    def add_sorted(self, now: int, items: Sequence[T], start_of: Callable[[T], int]) -> None:
        """The latencies `now - start_of(item)` of items in the order of their start."""
        self.count += len(items)
        index, end = 0, len(items)
        while index < end:
            latency = now - start_of(items[index])
            self.maximum = max(self.maximum, latency)
            low = _bucket(latency)
            after = bisect_right(items, now - low, lo=index, key=start_of)
            after = max(after, index + 1)
            self._buckets[low] += after - index
            index = after

    def percentile(self, percent: float) -> int | None:
        """The latency that so many percent do not exceed, to one part in 64; None without any."""
        if not self.count:
            return None
        wanted = self.count * percent / 100
        seen = 0
        for low in sorted(self._buckets):
            seen += self._buckets[low]
            if seen >= wanted:
                return min(low, self.maximum)
        return self.maximum


@attrs.frozen(kw_only=True)
class CallStatistics:
    """Calls of kvfree_rcu(), by the word for the caller's context, as violations have it.

    * `two_argument` (calls by context): of the form that has an rcu_head.
    * `one_argument` (calls by context): of the form that may sleep.
    """

    two_argument: Mapping[str, int]
    one_argument: Mapping[str, int]


@attrs.frozen(kw_only=True)
class RefillStatistics:
    """The refills of the CPUs' page caches.

    * `asked` (times): a refill was asked for.
    * `done` (times): the refill's work ran to its end.
    * `in_progress` (CPUs): a refill is on its way.
    * `put_off` (CPUs): the next refill waits, since the shrinker has looked.
    * `pages` (pages): put into caches: by refills, and at boot by the versions that fill them then.
    * `pages_refused` (pages): that a refill had taken and gave back, since the cache was full by then.
    """

    asked: int
    done: int
    in_progress: int
    put_off: int
    pages: int
    pages_refused: int


@attrs.frozen(kw_only=True)
class ArmingStatistics:
    """Arming the monitor.

    * `armed` (CPUs): that expect the monitor to run.
    """

    armed: int


@attrs.frozen(kw_only=True)
class MonitorStatistics:
    """The monitor.

    * `runs` (times): kfree_rcu_monitor() ran.
    * `drained` (times): of these, it found something ready and freed it by itself.
    * `drained_objects` (objects): that it freed so.
    """

    runs: int
    drained: int
    drained_objects: int


@attrs.frozen(kw_only=True)
class DrainStatistics:
    """Draining: what frees what has waited for a grace period.

    * `busy` (batches): that wait for a grace period, or to be freed after it.
    * `waiting` (objects): in these.
    * `work_runs` (times): kfree_rcu_work() ran, each after a grace period.
    * `bulk_frees` (calls by size): of kfree_bulk().
    * `bulk_sizes` (objects each): the first 1,000 sizes, in the order of the calls.
    * `bulk_objects` (objects): freed by kfree_bulk().
    * `vmalloc_freed` (areas): of vmalloc memory freed from blocks.
    * `list_freed` (objects): freed from the rcu_head list.
    * `leaked` (objects): not freed, since their grace period was not over.
    """

    busy: int
    waiting: int
    work_runs: int
    bulk_frees: Mapping[int, int]
    bulk_sizes: tuple[int, ...]
    bulk_objects: int
    vmalloc_freed: int
    list_freed: int
    leaked: int


@attrs.frozen(kw_only=True)
class WasteStatistics:
    """What was done for nothing, or told wrong. None of it harms anybody: it is no violation.

    * `pages_refused` (pages): that a refill had taken and gave back, since the cache was full by then (60888b77a06e).
    * `refills_for_nothing` (times): a refill woke a worker and there was nothing to fill (021a5ff84743, 60888b77a06e).
    * `monitor_runs_for_nothing` (times): kfree_rcu_monitor() ran and nothing was queued.
    * `no_caches_emptied` (times): the shrinker took the lock of a cache that is switched off (6b706e5603c4).
    * `counts_too_low` (times): the shrinker was told of fewer objects than were queued (4c33464ae85e).
    * `pages_for_another_cpu` (pages): that a caller got for one CPU's block and put where it had moved to meanwhile
      (309a43165077).
    * `monitors_put_off` (times): the monitor was armed for KFREE_DRAIN_JIFFIES, though by then a block's worth of
      objects waited, for which a jiffy was wanted (a23da88c6c80). It stays so until the next call.
    * `refills_put_off_again` (times): a refill was put off, though the one that the shrinker has put off was just done.
    """

    pages_refused: int
    refills_for_nothing: int
    monitor_runs_for_nothing: int
    no_caches_emptied: int
    counts_too_low: int
    pages_for_another_cpu: int
    monitors_put_off: int
    refills_put_off_again: int


@attrs.frozen(kw_only=True)
class KvfreeStatistics:
    """kvfree_rcu() and its parts.

    * `queued` (objects): that wait for a batch, on all CPUs.
    * `cached_pages` (pages): in the CPUs' caches.
    * `calls` (CallStatistics): of kvfree_rcu().
    * `cache_hits` (pages): taken from the CPU's page cache for a new block.
    * `cache_misses` (times): a block was needed and the cache was empty.
    * `caller_pages` (pages): taken from the page allocator in the context of the caller.
    * `blocks` (blocks): of pointers that were begun.
    * `fallbacks_list` (objects): that found no block and were linked by their rcu_head.
    * `fallbacks_synchronize` (calls): of the one-argument form that found no block and waited for a grace period.
    * `inline_freed` (objects): freed by such a caller after that.
    * `refill` (RefillStatistics): of the page caches.
    * `arming` (ArmingStatistics): of the monitor.
    * `monitor` (MonitorStatistics): which starts batches.
    * `drain` (DrainStatistics): of batches.
    * `waste` (WasteStatistics): what was done for nothing.
    * `latencies` (LatencyStatistics): from the call to the free.
    """

    queued: int
    cached_pages: int
    calls: CallStatistics
    cache_hits: int
    cache_misses: int
    caller_pages: int
    blocks: int
    fallbacks_list: int
    fallbacks_synchronize: int
    inline_freed: int
    refill: RefillStatistics
    arming: ArmingStatistics
    monitor: MonitorStatistics
    drain: DrainStatistics
    waste: WasteStatistics
    latencies: LatencyStatistics


@attrs.define(eq=False)
class Figures:
    """Counters of one run.

    Calls are counted by preempt_count << 3 | interrupts off << 2 | softirq thread << 1 | one-argument.
    """

    calls: defaultdict[int, int] = attrs.field(factory=lambda: defaultdict(int))
    cache_hits: int = 0
    cache_misses: int = 0
    refills_asked: int = 0
    refills_done: int = 0
    refill_pages: int = 0
    refill_pages_refused: int = 0
    caller_pages: int = 0
    blocks: int = 0
    bulk_frees: Counter[int] = attrs.field(factory=Counter)
    bulk_sizes: list[int] = attrs.field(factory=list)
    bulk_objects: int = 0
    vmalloc_freed: int = 0
    list_freed: int = 0
    inline_freed: int = 0
    fallbacks_list: int = 0
    fallbacks_synchronize: int = 0
    monitor_runs: int = 0
    monitor_runs_for_nothing: int = 0
    refills_for_nothing: int = 0
    no_caches_emptied: int = 0
    counts_too_low: int = 0
    pages_for_another_cpu: int = 0
    monitors_put_off: int = 0
    refills_put_off_again: int = 0
    drained: int = 0
    drained_objects: int = 0
    leaked: int = 0
    work_runs: int = 0
    latencies: Latencies = attrs.field(factory=Latencies)

    def calls_by_context(self) -> CallStatistics:
        """The calls, by the word for their context."""
        table: tuple[dict[str, int], dict[str, int]] = {}, {}
        for key, calls in sorted(self.calls.items()):
            thread = bool(key & 2)
            ctx = Context(comm="", pid=0, preempt_count=key >> 3, irqs_disabled=bool(key & 4), softirq_thread=thread)
            row = table[key & 1]
            row[ctx.kind()] = row.get(ctx.kind(), 0) + calls
        return CallStatistics(two_argument=table[0], one_argument=table[1])

    def waste(self) -> WasteStatistics:
        """What was done for nothing."""
        return WasteStatistics(
            pages_refused=self.refill_pages_refused,
            refills_for_nothing=self.refills_for_nothing,
            monitor_runs_for_nothing=self.monitor_runs_for_nothing,
            no_caches_emptied=self.no_caches_emptied,
            counts_too_low=self.counts_too_low,
            pages_for_another_cpu=self.pages_for_another_cpu,
            monitors_put_off=self.monitors_put_off,
            refills_put_off_again=self.refills_put_off_again,
        )

    def note_bulk(self, size: int) -> None:
        """A kfree_bulk() of so many objects."""
        self.bulk_frees[size] += 1
        self.bulk_objects += size
        if len(self.bulk_sizes) < _SIZES_KEPT:
            self.bulk_sizes.append(size)
