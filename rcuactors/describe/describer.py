"""Goes through a trace once, and keeps figures.

In constant memory: whatever grows with the trace is bounded (figures.py, flight.py), so ten gigabytes take the memory
of ten megabytes. The rig's BEGIN starts all figures anew: what comes before is its preparation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import attrs

from ..traces.events import (
    AddressesTold,
    BlockFreed,
    Broken,
    BulkCallback,
    BulkFreed,
    Call,
    Entered,
    Event,
    Gap,
    GracePeriod,
    HrtimerStarted,
    Item,
    Mark,
    Missing,
    ObjectCallback,
    ObjectFreed,
    PageAsked,
    PageFreed,
    PageGot,
    Returned,
    StateTold,
    TimerStarted,
    Unknown,
    WorkEnded,
    WorkQueued,
    WorkStarted,
)
from ..traces.freers import ENTRIES, Freer, Inside
from ..traces.krc import KrcState
from .callers import Callers, Waits
from .flight import Flight, Sort
from .owners import Owners
from .pages import Pages, Refills
from .work import Work

_MOST_NAMES: Final = 1000
_EXAMPLES: Final = 5
_WORKS: Final = frozenset({"fill_page_cache_func", "kfree_rcu_monitor", "kfree_rcu_work"})
_ASKERS: Final = frozenset({"fill_page_cache_func", "kvfree_call_rcu"})


@attrs.define
class Oddities:
    """What was missing, broken or not understood."""

    gaps: list[Gap] = attrs.field(factory=list)
    gap_count: int = 0
    lost: int = 0
    missing: Counter[Missing] = attrs.field(factory=Counter)
    unknown: Counter[str] = attrs.field(factory=Counter)
    """Lines that are not understood, by the event's name; '' where there is none."""
    broken: list[Broken] = attrs.field(factory=list)
    broken_count: int = 0
    doubtful: Broken | Unknown | None = None

    def take(self, item: Item) -> None:
        """Take in what is no event. A line that is broken where the file is cut is no oddity."""
        if isinstance(item, Gap):
            if item.missing is not Missing.CUT:
                self.settle()
            self.doubtful = None
            self.gap_count += 1
            self.lost += item.events or 0
            self.missing[item.missing] += 1
            if len(self.gaps) < _EXAMPLES:
                self.gaps.append(item)
            return
        self.settle()
        if isinstance(item, (Broken, Unknown)):
            self.doubtful = item

    def settle(self) -> None:
        """The line before was not the last of a cut file."""
        item, self.doubtful = self.doubtful, None
        if isinstance(item, Broken):
            self.broken_count += 1
            if len(self.broken) < _EXAMPLES:
                self.broken.append(item)
        elif isinstance(item, Unknown):
            name = item.event if item.event in self.unknown or len(self.unknown) < _MOST_NAMES else "(others)"
            self.unknown[name] += 1


@attrs.define
class Describer:
    """The figures of one trace, fed item by item."""

    lines: int = 0
    """The last line's number."""
    events: Counter[type[Event]] = attrs.field(factory=Counter)
    begin_ns: int | None = None
    end_ns: int = 0
    calls_before_begin: int = 0
    odd: Oddities = attrs.field(factory=Oddities)
    states: dict[int, KrcState] = attrs.field(factory=dict)
    """The last snapshot of each CPU."""
    first_states: dict[int, KrcState] = attrs.field(factory=dict)
    callers: Callers = attrs.field(factory=Callers)
    waits: Waits = attrs.field(factory=Waits)
    flight: Flight = attrs.field(factory=Flight)
    pages: Pages = attrs.field(factory=Pages)
    refills: Refills = attrs.field(factory=Refills)
    work: Work = attrs.field(factory=Work)
    fell_back: Counter[Sort | None] = attrs.field(factory=Counter)
    """Objects freed from the list, by whose call it was; None where that is not known."""
    list_told: bool = False
    """Frees of single objects are recorded."""
    _owners: Owners = attrs.field(factory=Owners)
    _inside: Inside = attrs.field(factory=Inside)
    _unnamed_on: Counter[int] = attrs.field(factory=Counter)
    """Objects of the list whose pointers are hidden, by the CPU whose list it was."""
    _callbacks: bool = False
    _last_channel: str = ""
    _bulk: dict[int, int] = attrs.field(factory=dict)
    """The size of the block that a task's tracepoint has told of: a probe on the bulk free tells it once more."""
    _barriers: dict[int, int] = attrs.field(factory=dict)
    _handlers: dict[type[Event], Callable[[Any], None]] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._handlers = {
            Call: self._call,
            Mark: self._mark,
            AddressesTold: self._addresses,
            StateTold: self._state,
            GracePeriod: self._grace_period,
            BlockFreed: self._block,
            BulkCallback: self._bulk_callback,
            BulkFreed: self._bulk_freed,
            ObjectCallback: self._object_callback,
            ObjectFreed: self._object_freed,
            HrtimerStarted: self._hrtimer,
            TimerStarted: self._timer,
            PageAsked: self._page_asked,
            PageGot: self._page_got,
            PageFreed: self._page_freed,
            WorkQueued: self._work_queued,
            WorkStarted: self._work_started,
            WorkEnded: self._work_ended,
            Entered: self._entered,
            Returned: self._returned,
        }

    @property
    def whole(self) -> bool:
        """Whether every free is recorded, as far as is seen: those of single objects are, or nothing is left over."""
        return self.list_told or not self.flight.backlog.now

    def take(self, item: Item) -> None:
        """Take in one item."""
        self.lines = item.number
        if not isinstance(item, Event):
            self.odd.take(item)
            return
        if self.odd.doubtful is not None:
            self.odd.settle()
        self.events[type(item)] += 1
        if self.begin_ns is None:
            self.begin_ns = item.time_ns
        self.end_ns = item.time_ns
        waiter = self.waits.inside(item)
        if waiter is not None and self.waits.note(waiter, item):
            self._in_line(waiter.call, item)
        handler = self._handlers.get(type(item))
        if handler is not None:
            handler(item)

    def end(self) -> None:
        """The trace is over, or nobody wants to read on."""
        self.odd.settle()
        self.flight.settle_all()
        self.callers.end()
        self._settle_unnamed()
        self.waits.end()

    # Callers.

    def _call(self, call: Call) -> None:
        sort = self.callers.called(call)
        self.work.called()
        self.flight.called(call, sort)
        if call.one_argument:
            self.waits.called(call)

    def _in_line(self, call: Call, event: Event) -> None:
        self.work.free("in_line", event.time_ns, 1, None)
        self.flight.freed(event.time_ns, call.address)

    def _mark(self, mark: Mark) -> None:
        """The rig has prepared all, and begins: figures count from here."""
        if not mark.text.startswith("BEGIN"):
            return
        self.calls_before_begin += self.callers.total
        self.begin_ns = mark.time_ns
        self.callers, self.waits, self.flight = Callers(), Waits(), Flight()
        self.pages, self.refills, self.work = Pages(), Refills(), Work()
        self.fell_back.clear()
        self._unnamed_on.clear()
        self.states.clear()
        self.first_states.clear()

    def _addresses(self, told: AddressesTold) -> None:
        self._owners.told(told.addresses)

    def _state(self, told: StateTold) -> None:
        self.states[told.state.cpu] = told.state
        self.first_states.setdefault(told.state.cpu, told.state)

    # Frees.

    def _owner(self, event: Event) -> int:
        return self._owners.works_on(event.pid, event.cpu)

    def _freer(self, event: Event) -> Freer | None:
        return self._inside.freer(event.pid)

    def _block(self, event: BlockFreed) -> None:
        self._owners.starts(event.pid, event.krcp)

    def _bulk_callback(self, event: BulkCallback) -> None:
        self._bulk[event.pid] = event.nr_records
        self._free_block(event, event.nr_records)

    def _bulk_freed(self, event: BulkFreed) -> None:
        # A named cache is somebody else's bulk free; and what a tracepoint has told of counts once.
        if event.cache == 0 and self._bulk.pop(event.pid, None) != event.size:
            self._free_block(event, event.size)

    def _free_block(self, event: Event, objects: int) -> None:
        self.work.bulk_sizes.add(objects)
        self.work.free("slab_blocks", event.time_ns, objects, self._freer(event))
        self.flight.freed_block(event.pid, self._owner(event), event.time_ns, objects)

    def _object_callback(self, event: ObjectCallback) -> None:
        # The tracepoint prints the offset of the rcu_head for an object of the list and 0 for one of a vmalloc block.
        self._callbacks = self.list_told = True
        channel = "list" if event.offset else "vmalloc_blocks"
        self.work.free(channel, event.time_ns, 1, self._freer(event))
        address = None if event.head is None else event.head - event.offset
        if self.flight.knows(address):
            self._told(channel, self.flight.freed(event.time_ns, address))
        else:
            vmalloc = channel == "vmalloc_blocks"
            owner = self._owner(event)
            self.flight.freed_unnamed(event.pid, owner, event.time_ns, vmalloc=vmalloc)
            self._unnamed_on[owner] += not vmalloc
            self._told(channel, None)

    def _object_freed(self, event: ObjectFreed) -> None:
        # kvfree() of a vmalloc object calls vfree() in turn: the first of the two takes the object out of the flight,
        # so a vfree() that still finds it there came straight from a vmalloc block.
        self.list_told |= event.function == "kvfree"
        if not self.flight.knows(event.address):
            return
        found, sort = self.flight.named(event.pid, event.address, event.time_ns)
        if found:
            if sort is not None and self.fell_back[None] and self._last_channel == "list":
                self._unnamed_on[sort.cpu] -= 1
                self._belongs(sort, 1)
        elif not self._callbacks:
            channel = "list" if event.function == "kvfree" else "vmalloc_blocks"
            self.work.free(channel, event.time_ns, 1, self._freer(event))
            self._told(channel, self.flight.freed(event.time_ns, event.address))

    def _belongs(self, sort: Sort, objects: int) -> None:
        """Objects of the list of which it was not known whose they were."""
        self.fell_back[None] -= objects
        self.fell_back[sort] += objects

    def _settle_unnamed(self) -> None:
        """Where all calls on a CPU were of one sort, so are the objects of its list."""
        for cpu, objects in self._unnamed_on.items():
            sorts = [sort for sort in self.callers.sorts if sort.cpu == cpu]
            if len(sorts) == 1 and 0 < objects <= self.fell_back[None]:
                self._belongs(sorts[0], objects)

    def _told(self, channel: str, sort: Sort | None) -> None:
        self._last_channel = channel
        if channel == "list":
            self.fell_back[sort] += 1

    def _grace_period(self, event: GracePeriod) -> None:
        self.work.period(event.step, event.time_ns)

    # Refills and pages.

    def _hrtimer(self, event: HrtimerStarted) -> None:
        if event.function == "schedule_page_work_fn":
            self._owners.seen(event.cpu, event.timer)
            self.refills.asked(event.cpu, event.time_ns, by_timer=True)

    def _timer(self, event: TimerStarted) -> None:
        if self._owners.is_refill_timer(event.timer):
            self.refills.asked(self._owners.of(event.timer) or 0, event.time_ns, by_timer=False)

    def _page_asked(self, _event: PageAsked) -> None:
        self.pages.asked += 1

    def _page_got(self, event: PageGot) -> None:
        waiter = self.waits.was_inside(event)
        ours = event.to in _ASKERS or (not event.to and (waiter or self.refills.is_running(event.pid)))
        if ours:
            self.pages.take(event.time_ns, event.page, by_caller=event.to == "kvfree_call_rcu" or waiter)

    def _page_freed(self, event: PageFreed) -> None:
        self.pages.give_back(event.time_ns, event.page)

    def _work_queued(self, event: WorkQueued) -> None:
        if event.function == "fill_page_cache_func":
            cpu = self._owners.of(event.work)
            self.refills.queued(event.cpu if cpu is None else cpu, event.time_ns)

    # Works and functions.

    def _work_started(self, event: WorkStarted) -> None:
        if event.function in _WORKS:
            self._owners.starts(event.pid, event.work)

    def _work_ended(self, event: WorkEnded) -> None:
        self.flight.settle(event.pid)
        self._owners.ends(event.pid)

    def _entered(self, event: Entered) -> None:
        function = event.function
        if function in ENTRIES:
            self._inside.entered(event.pid, function)
        if function == "fill_page_cache_func":
            self.refills.begins(event, self._owner(event))
        elif function == "kfree_rcu_monitor":
            self.work.monitor_runs += 1
            self.work.monitor_by_shrinker += self._inside.freer(event.pid) is Freer.SHRINKER
        elif function == "kfree_rcu_work":
            self.flight.settle(event.pid)
            self.work.work_runs += 1
        elif function == "kfree_rcu_shrink_count":
            self.work.shrinker_counts += 1
        elif function == "kfree_rcu_shrink_scan":
            self.work.shrinker_scans += 1
        elif function == "kvfree_rcu_barrier":
            self._barriers[event.pid] = event.time_ns

    def _returned(self, event: Returned) -> None:
        function = event.function
        self._inside.left(event.pid, function)
        if function == "fill_page_cache_func":
            self.refills.ends(event)
        elif function in ("kfree_rcu_work", "kfree_rcu_monitor"):
            self.flight.settle(event.pid)
        elif function == "kfree_rcu_shrink_scan":
            self.work.shrinker_freed += max(event.value or 0, 0)
        elif function == "kvfree_rcu_barrier" and event.pid in self._barriers:
            self.work.barriers.add(max(event.time_ns - self._barriers.pop(event.pid), 0))
