"""What the real kernel did with the objects: counts, and the sizes of the bulk frees.

These are the numbers that a replay is held against. Kernels differ in what they can tell: with RCU
tracepoints every freed object is an event of its own; PREEMPT_RT (recorded without them) has kprobes on the
freeing functions instead, which others call too, so only pointers that were queued before are counted there;
a stock kernel shows neither. Recordings of 6.12 have a kprobe on each block. Whether what was decided follows the
kernel's rules is asked elsewhere (conform/): here are only outcomes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import attrs

from ..traces.events import (
    BlockFreed,
    BulkCallback,
    BulkFreed,
    Call,
    Entered,
    Event,
    GracePeriod,
    ObjectCallback,
    ObjectFreed,
    PageGot,
    Returned,
)
from ..traces.freers import ENTRIES, FreedBlock, Freer, Inside
from ..traces.krc import KrcAddresses


@attrs.frozen
class Observed:
    """What followed the calls.

    Grace periods are those between the first call and the last free, as the summaries count them: others are
    the rig's. `rcu_visible` is False where the recorded kernel shows no RCU events (stock): then the grace
    periods and the two per-object counts are 0 because nobody looked, not because nothing happened.

    For each page that a caller of the one-argument form failed to get it waited for a grace period and freed its
    object itself, which left no event.

    `blocks` are None where the recorded kernel does not tell of them one by one.
    """

    grace_periods_ended: int
    bulk_sizes: tuple[int, ...]
    list_freed: int
    vmalloc_freed: int
    caller_pages_failed: int
    rcu_visible: bool
    objects_visible: bool = True
    """The per-object events were on; without them (a recording with "lightevents") the two per-object counts are 0."""
    blocks: tuple[FreedBlock, ...] | None = None
    list_freed_by: dict[Freer | None, int] = attrs.field(factory=dict)


@attrs.define
class Tally:
    """The running counts, fed event by event."""

    _addresses: dict[int, KrcAddresses] = attrs.field(factory=dict)
    """Filled in by whoever reads the marks."""
    _handlers: dict[type[Event], Callable[[Any], None]] = attrs.field(init=False)
    _derived: Counter[str] = attrs.field(factory=Counter, init=False)
    _queued: set[int] = attrs.field(factory=set, init=False)
    _called: bool = attrs.field(default=False, init=False)
    _periods: int = attrs.field(default=0, init=False)
    _periods_at_last_free: int | None = attrs.field(default=None, init=False)
    _bulk_by_tracepoint: list[int] = attrs.field(factory=list, init=False)
    _bulk_by_probe: list[int] = attrs.field(factory=list, init=False)
    _inside: Inside = attrs.field(factory=Inside, init=False)
    _blocks: list[FreedBlock] = attrs.field(factory=list, init=False)
    _list_freed_by: Counter[Freer | None] = attrs.field(factory=Counter, init=False)
    _tracepoints: bool = attrs.field(default=False, init=False)
    _probes: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self._handlers = {
            GracePeriod: self._grace_period,
            BulkCallback: self._bulk_callback,
            BulkFreed: self._bulk_probe,
            ObjectCallback: self._object_callback,
            ObjectFreed: self._object_probe,
            PageGot: self._page_returned,
            BlockFreed: self._block,
            Entered: self._entered,
            Returned: self._left,
        }

    def begun(self) -> None:
        """Calls begin that are not told one by one: grace periods count from here."""
        self._called = True

    def queued(self, call: Call) -> None:
        """Take in one call: grace periods count from the first, and an object is known when it is freed."""
        self._called = True
        self._queued.add(call.address)

    def count(self, event: Event) -> None:
        """Take in any other event."""
        handler = self._handlers.get(type(event))
        if handler is not None:
            handler(event)

    def total(self, *, objects_visible: bool = True) -> Observed:
        """The counts so far. `objects_visible`: calls and frees of single objects were recorded."""
        derived = self._derived
        ended = self._periods if self._periods_at_last_free is None else self._periods_at_last_free
        prefix = "callback" if self._tracepoints else "probe"
        return Observed(
            grace_periods_ended=ended,
            bulk_sizes=tuple(self._bulk_by_tracepoint or self._bulk_by_probe),
            list_freed=derived[f"{prefix}_list"],
            vmalloc_freed=derived[f"{prefix}_vmalloc"],
            caller_pages_failed=derived["caller_pages_failed"],
            rcu_visible=self._tracepoints or self._probes,
            objects_visible=objects_visible,
            list_freed_by=dict(self._list_freed_by),
            blocks=self._blocks_told(),
        )

    def _blocks_told(self) -> tuple[FreedBlock, ...] | None:
        """Kprobes of 6.12 tell of each block; if there is none of them, nothing was in blocks or it is not known."""
        told = self._addresses and (self._blocks or not self._bulk_by_tracepoint + self._bulk_by_probe)
        return tuple(self._blocks) if told else None

    def _freed(self) -> None:
        self._periods_at_last_free = self._periods

    def _grace_period(self, event: GracePeriod) -> None:
        if event.gp_seq is None:
            self._probes = True
        else:
            self._tracepoints = True
        # "end" is the whole system's; cpuend and fqsend are steps inside one.
        self._periods += self._called and event.step == "end"

    def _bulk_callback(self, event: BulkCallback) -> None:
        self._tracepoints = True
        self._bulk_by_tracepoint.append(event.nr_records)
        self._freed()

    def _bulk_probe(self, event: BulkFreed) -> None:
        # A named cache is somebody else's bulk free; objects of unknown caches are kvfree_rcu's.
        if event.cache == 0:
            self._bulk_by_probe.append(event.size)
            self._freed()

    def _object_callback(self, event: ObjectCallback) -> None:
        # The tracepoint prints the offset of the rcu_head for an object of the list and 0 for one of a
        # vmalloc block. An rcu_head at offset 0 on the list would look the same; the recordings have none
        # that is not vmalloc.
        self._tracepoints = True
        self._derived["callback_vmalloc" if event.offset == 0 else "callback_list"] += 1
        if event.offset:
            self._list_freed_by[self._inside.freer(event.pid)] += 1
        self._freed()

    def _object_probe(self, event: ObjectFreed) -> None:
        # kvfree() of a vmalloc object calls vfree() in turn: the first of the two takes the pointer out of
        # the set, so a vfree() that still finds it there came straight from a vmalloc block.
        if event.address in self._queued:
            self._queued.discard(event.address)
            self._derived["probe_list" if event.function == "kvfree" else "probe_vmalloc"] += 1
            if event.function == "kvfree" and not self._tracepoints:
                self._list_freed_by[self._inside.freer(event.pid)] += 1
            if not self._tracepoints:
                self._freed()

    def _page_returned(self, event: PageGot) -> None:
        self._derived["caller_pages_failed"] += event.to == "kvfree_call_rcu" and not event.page

    def _entered(self, event: Entered) -> None:
        if event.function in ENTRIES:
            self._inside.entered(event.pid, event.function)

    def _left(self, event: Returned) -> None:
        self._inside.left(event.pid, event.function)

    def _block(self, event: BlockFreed) -> None:
        self._blocks.append(FreedBlock(event.channel == 1, event.nr_records, self._inside.freer(event.pid)))
