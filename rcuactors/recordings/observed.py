"""What the real kernel did with the objects: counts, and the sizes of the bulk frees.

These are the numbers that a replay is held against. Kernels differ in what they can tell: with RCU
tracepoints every freed object is an event of its own; PREEMPT_RT (recorded without them) has kprobes on the
freeing functions instead, which others call too, so only pointers that were queued before are counted there;
a stock kernel shows neither. Recordings with real addresses tell whose timer is started; those of 6.12 have a kprobe on
each block and on each attempt to queue a batch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import attrs

from ..traces.events import (
    BlockFreed,
    BulkCallback,
    BulkFreed,
    Call,
    Entered,
    Event,
    GracePeriod,
    HrtimerStarted,
    ObjectCallback,
    ObjectFreed,
    PageAsked,
    PageGot,
    Returned,
    TimerStarted,
    WorkQueued,
)
from ..traces.freers import ENTRIES, FreedBlock, Freer, Inside
from ..traces.krc import KrcAddresses, whose_timers

_ASKERS: Final = frozenset({"fill_page_cache_func", "kvfree_call_rcu"})
"""Others take pages by the same function while it is probed (page tables of vmalloc, a new process): these count."""
_WORKS: Final = frozenset({"fill_page_cache_func", "kfree_rcu_monitor", "kfree_rcu_work"})


@attrs.frozen
class Observed:
    """What followed the calls.

    Grace periods are those between the first call and the last free, as the summaries count them: others are
    the rig's. `rcu_visible` is False where the recorded kernel shows no RCU events (stock): then the grace
    periods and the two per-object counts are 0 because nobody looked, not because nothing happened.

    Pages are those for blocks: all of them, and of these the ones that the caller took itself (one-argument
    form). For each page that a caller failed to get it waited for a grace period and freed its object itself,
    which left no event.

    `blocks` are in the order in which they were freed, the delays (jiffies) in that in which the timers were started;
    None where the recorded kernel does not tell. `queued_on` counts the works by `function@workqueue`.
    """

    refill_timer_starts: int
    refill_work_runs: int
    monitor_runs: int
    reclaim_work_runs: int
    grace_periods_started: int
    grace_periods_ended: int
    bulk_sizes: tuple[int, ...]
    list_freed: int
    vmalloc_freed: int
    pages_allocated: int
    pages_failed: int
    caller_pages_allocated: int
    caller_pages_failed: int
    rcu_visible: bool
    objects_visible: bool = True
    """The per-object events were on; without them (a recording with "lightevents") the two per-object counts are 0."""
    blocks: tuple[FreedBlock, ...] | None = None
    list_freed_by: dict[Freer | None, int] = attrs.field(factory=dict)
    monitor_runs_by_shrinker: int = 0
    batches_queued: int | None = None
    monitor_delays: tuple[int, ...] | None = None
    refill_delays: tuple[int, ...] | None = None
    queued_on: dict[str, int] = attrs.field(factory=dict)


@attrs.define
class Tally:
    """The running counts, fed event by event."""

    _addresses: dict[int, KrcAddresses] = attrs.field(factory=dict)
    """Filled in by whoever reads the marks."""
    _handlers: dict[type[Event], Callable[[Any], None]] = attrs.field(init=False)
    _events: Counter[str] = attrs.field(factory=Counter, init=False)
    """Entries by the function."""
    _derived: Counter[str] = attrs.field(factory=Counter, init=False)
    _queued: set[int] = attrs.field(factory=set, init=False)
    _called: bool = attrs.field(default=False, init=False)
    _periods: tuple[int, int] = attrs.field(default=(0, 0), init=False)
    _periods_at_last_free: tuple[int, int] | None = attrs.field(default=None, init=False)
    _bulk_by_tracepoint: list[int] = attrs.field(factory=list, init=False)
    _bulk_by_probe: list[int] = attrs.field(factory=list, init=False)
    _inside: Inside = attrs.field(factory=Inside, init=False)
    _blocks: list[FreedBlock] = attrs.field(factory=list, init=False)
    _list_freed_by: Counter[Freer | None] = attrs.field(factory=Counter, init=False)
    _delays: list[tuple[int, int]] = attrs.field(factory=list, init=False)
    _queued_on: Counter[str] = attrs.field(factory=Counter, init=False)
    _tracepoints: bool = attrs.field(default=False, init=False)
    _probes: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self._handlers = {
            GracePeriod: self._grace_period,
            BulkCallback: self._bulk_callback,
            BulkFreed: self._bulk_probe,
            ObjectCallback: self._object_callback,
            ObjectFreed: self._object_probe,
            HrtimerStarted: self._hrtimer_start,
            PageAsked: self._page_asked,
            PageGot: self._page_returned,
            BlockFreed: self._block,
            TimerStarted: self._delayed,
            WorkQueued: self._queued_work,
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
        events, derived = self._events, self._derived
        started, ended = self._periods_at_last_free or self._periods
        prefix = "callback" if self._tracepoints else "probe"
        # Without a probe on the return (workload) there is no telling failures from successes: every try is a
        # page.
        pages = derived["pages"] if derived["pages_returned"] else derived["pages_asked"]
        return Observed(
            refill_timer_starts=derived["refill_timer"],
            refill_work_runs=events["fill_page_cache_func"],
            monitor_runs=events["kfree_rcu_monitor"],
            reclaim_work_runs=events["kfree_rcu_work"],
            grace_periods_started=started,
            grace_periods_ended=ended,
            bulk_sizes=tuple(self._bulk_by_tracepoint or self._bulk_by_probe),
            list_freed=derived[f"{prefix}_list"],
            vmalloc_freed=derived[f"{prefix}_vmalloc"],
            pages_allocated=pages,
            pages_failed=derived["pages_failed"],
            caller_pages_allocated=derived["caller_pages"],
            caller_pages_failed=derived["caller_pages_failed"],
            rcu_visible=self._tracepoints or self._probes,
            objects_visible=objects_visible,
            list_freed_by=dict(self._list_freed_by),
            monitor_runs_by_shrinker=derived["monitor_by_shrinker"],
            queued_on=dict(sorted(self._queued_on.items())),
            **self._told_by_addresses(),
        )

    def _told_by_addresses(self) -> dict[str, Any]:
        """What only recordings with real addresses tell: there is nothing of it, or it is not known."""
        if not self._addresses:
            return {}
        monitors, refills = whose_timers(self._addresses)
        told: dict[str, Any] = {
            "monitor_delays": tuple(delay for timer, delay in self._delays if timer in monitors),
            "refill_delays": tuple(delay for timer, delay in self._delays if timer in refills),
        }
        # Kprobes of 6.12: a monitor run asks for a batch, and a freed block is one.
        if "kvfree_rcu_queue_batch" in self._events or not self._events["kfree_rcu_monitor"]:
            told["batches_queued"] = self._derived["batches_queued"]
        if self._blocks or not self._bulk_by_tracepoint + self._bulk_by_probe:
            told["blocks"] = tuple(self._blocks)
        return told

    def _freed(self) -> None:
        self._periods_at_last_free = self._periods

    def _grace_period(self, event: GracePeriod) -> None:
        if event.gp_seq is None:
            self._probes = True
        else:
            self._tracepoints = True
        # "start" and "end" are the whole system's; cpustart, cpuend and fqsstart are steps inside one.
        if self._called and event.step in ("start", "end"):
            starts, ends = self._periods
            self._periods = (starts + 1, ends) if event.step == "start" else (starts, ends + 1)

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

    def _hrtimer_start(self, event: HrtimerStarted) -> None:
        self._derived["refill_timer"] += event.function == "schedule_page_work_fn"

    def _page_asked(self, _event: PageAsked) -> None:
        self._derived["pages_asked"] += 1

    def _page_returned(self, event: PageGot) -> None:
        self._derived["pages_returned"] += 1
        if event.to in _ASKERS:
            outcome = "pages" if event.page else "pages_failed"
            self._derived[outcome] += 1
            if event.to == "kvfree_call_rcu":
                self._derived[f"caller_{outcome}"] += 1

    def _entered(self, event: Entered) -> None:
        self._events[event.function] += 1
        if event.function not in ENTRIES:
            return
        self._inside.entered(event.pid, event.function)
        if event.function == "kfree_rcu_monitor" and self._inside.freer(event.pid) is Freer.SHRINKER:
            self._derived["monitor_by_shrinker"] += 1

    def _left(self, event: Returned) -> None:
        self._inside.left(event.pid, event.function)
        if event.function == "kvfree_rcu_queue_batch" and event.value:
            self._derived["batches_queued"] += 1

    def _block(self, event: BlockFreed) -> None:
        self._blocks.append(FreedBlock(event.channel == 1, event.nr_records, self._inside.freer(event.pid)))

    def _delayed(self, event: TimerStarted) -> None:
        if event.function == "delayed_work_timer_fn" and event.timer is not None:
            self._delays.append((event.timer, event.timeout))

    def _queued_work(self, event: WorkQueued) -> None:
        if event.function in _WORKS:
            self._queued_on[f"{event.function}@{event.workqueue}"] += 1
