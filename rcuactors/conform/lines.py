"""What of a recording the comparison looks at: lines with their context, and what is known from the lines around them.

A *context* is what code runs in: a task, or the hardirqs or softirqs of a CPU. In each of them, what is done comes in
the order of its lines. The lines before and after one in its context, by which a hidden step is bounded, are found here
once for the whole recording; so is what was known of jiffies, and which grace periods there were.
"""

from __future__ import annotations

import bisect
import re
from typing import Any, Final

import attrs

from ..errors import BadInput
from ..traces import (
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
    Header,
    HrtimerExpired,
    HrtimerStarted,
    KrcState,
    ListFreed,
    Mark,
    Missing,
    ObjectCallback,
    ObjectFreed,
    Other,
    PageAsked,
    PageFreed,
    PageGot,
    Returned,
    Statement,
    StateTold,
    TimerExpired,
    TimerStarted,
    Trace,
    WorkEnded,
    WorkQueued,
    WorkStarted,
)

Ctx = tuple[str, int]
Facts = dict[str, object]

_WORKS: Final = {
    "kfree_rcu_monitor": "monitor",
    "fill_page_cache_func": "page",
    "kfree_rcu_work": "krw",
}
_SHRINK: Final = re.compile(r"SHRINK nr_to_scan=(\d+) count=(\d+) freed=(-?\d+)", re.ASCII)
_ADDRESSES: Final = re.compile(r"KRCADDR cpu=(\d+) (.*)", re.ASCII)
_ADDRESS: Final = re.compile(r"([a-z0-9_]+)=([0-9a-f]{1,16})(?= |$)", re.ASCII)
_PARTS: Final = {
    "monitor_work": "monitor",
    "monitor_timer": "monitor",
    "page_cache_work": "page",
    "page_cache_timer": "page",
    "hrtimer": "page",
    "krw0_work": "krw0",
    "krw1_work": "krw1",
}
_NAMES: Final = {
    "kfree_rcu_shrink_count": "shrink_count",
    "kfree_rcu_shrink_scan": "shrink_scan",
}


@attrs.define(eq=False)
class Line:
    """One line. `told` is what was read out of its text, by the event; `number` counts from 1 in the file."""

    at: int
    number: int
    ctx: Ctx
    cpu: int
    irqs_off: bool
    event: str
    raw: Event
    told: Facts = attrs.field(factory=dict)
    before: int = -1
    """The line before it in its context, or -1."""
    after: int = -1

    @property
    def stays(self) -> bool:
        """Whoever wrote it could not be preempted."""
        flags = self.raw.flags
        return flags[4 if len(flags) == 7 else 3 : 5 if len(flags) == 7 else 4] not in ("", ".")


def _facts(event: Event) -> tuple[str, Facts] | None:
    """What kvfree_rcu()'s own lines say: the event, and what of it is compared; None for what is somebody else's."""
    match event:
        case Call():
            return "kvfree_call_rcu", {"call": event}
        case StateTold(state=state):
            return "state", {"state": state}
        case GracePeriod():
            return _period(event)
        case Entered(function="schedule_page_work_fn") | Returned(function="synchronize_rcu"):
            return None
        case Entered():
            return _NAMES.get(event.function, event.function), {"krcp": event.argument}
        case Returned():
            return f"{_NAMES.get(event.function, event.function)}_ret", {"returned": event.value}
        case Statement():
            return "runp", {"statement": event.words}
        case Mark():
            return _mark(event)
    return _facts_of_timer(event) or _facts_of_page(event) or _facts_of_object(event)


def _facts_of_timer(event: Event) -> tuple[str, Facts] | None:
    """Timers and works."""
    match event:
        case TimerStarted(function="delayed_work_timer_fn"):
            told: Facts = {"timer": event.timer, "expires": event.expires, "delay": event.timeout}
            return "timer_start", {**told, "base": event.on_cpu}
        case TimerExpired():
            return "timer_expire_entry", {"timer": event.timer, "function": event.function, "now": event.now}
        case HrtimerStarted(function="schedule_page_work_fn"):
            return "hrtimer_start", {"timer": event.timer}
        case HrtimerExpired(function="schedule_page_work_fn"):
            return "hrtimer_expire_entry", {"timer": event.timer}
        case WorkQueued(function=function) if function in _WORKS:
            told = {"work": event.work, "role": _WORKS[function]}
            return "workqueue_queue_work", {**told, "workqueue": event.workqueue, "on": event.on_cpu}
        case WorkStarted(function=function) | WorkEnded(function=function) if function in _WORKS:
            name = "workqueue_execute_start" if isinstance(event, WorkStarted) else "workqueue_execute_end"
            return name, {"work": event.work, "role": _WORKS[function]}
    return None


def _facts_of_page(event: Event) -> tuple[str, Facts] | None:
    """Pages, got and given back."""
    match event:
        case PageAsked():
            return "get_free_pages", {"gfp": event.gfp}
        case PageGot():
            return "get_free_pages_ret", {"by": event.to, "page": event.page}
        case PageFreed():
            return "free_pages", {"address": event.page}
    return None


def _facts_of_object(event: Event) -> tuple[str, Facts] | None:
    """Objects freed, one by one and by the block."""
    match event:
        case ObjectFreed():
            return event.function, {"address": event.address}
        case BulkCallback():
            return "rcu_invoke_kfree_bulk_callback", {"bulk": event.records, "size": event.nr_records}
        case BulkFreed(cache=0):
            return "kmem_cache_free_bulk", {"size": event.size}
        case ObjectCallback():
            return "rcu_invoke_kvfree_callback", {"rhp": event.head, "offset": event.offset}
        case BlockFreed():
            told: Facts = {"page": event.block, "channel": event.channel, "size": event.nr_records}
            return "kvfree_rcu_bulk", {**told, "krcp": event.krcp}
        case ListFreed():
            return "kvfree_rcu_list", {"head": event.head}
    return None


def _period(event: GracePeriod) -> tuple[str, Facts] | None:
    if event.step not in ("start", "end", "cpustart", "cpuend", "newreq"):
        return None
    if event.step != "newreq" and not event.comm.startswith("rcu_"):
        return None
    return "rcu_grace_period", {"seq": event.gp_seq, "edge": event.step}


def _mark(event: Mark) -> tuple[str, Facts]:
    match = _SHRINK.search(event.text)
    if match is None:
        return "mark", {}
    return "runp", {"nr_to_scan": int(match[1]), "count": int(match[2]), "freed": int(match[3])}


def _is_of_the_cpu(event: Event) -> bool:
    """A task that is switched out writes such lines in the middle of anything."""
    if isinstance(event, GracePeriod):
        return not event.comm.startswith("rcu_")
    return isinstance(event, Other) and event.event.startswith(("sched_", "rcu_"))


def _context(event: Event) -> Ctx:
    """What the line was written in. On PREEMPT_RT (7 columns) softirqs are served by threads, which are contexts."""
    wide = len(event.flags) == 7
    mark = event.flags[3 if wide else 2 : 4 if wide else 3]
    if mark and mark in "hHzZ":
        return ("hardirq", event.cpu)
    if mark == "s" and not wide:
        return ("softirq", event.cpu)
    return ("idle", event.cpu) if event.pid == 0 else ("task", event.pid)


@attrs.define(eq=False)
class Told:
    """A recording as it is compared."""

    header: Header
    lines: list[Line]
    addresses: dict[int, tuple[int, str]]
    """Whose a timer or a work is by its address: the CPU, and its part. Empty where addresses are hashed."""
    events: frozenset[str]
    nr_cpus: int
    calls: int
    ends_early: str
    """Why it is looked at no further than its last line; "" if it is whole."""
    broken: str = ""
    """The line after those, where it does not say what such a line says."""
    tells_periods: bool = True
    """It says when grace periods begin and end."""
    anonymous: bool = False
    """No line says by its address which object of the slab is freed: those of the same offset are all the same."""
    by_rig: bool = False
    """It says what the rig's script did: then it has all events that the rig asks for."""
    known: list[tuple[int, int]] = attrs.field(factory=list)
    """(at, jiffies), in order."""
    periods: list[tuple[int, int]] = attrs.field(factory=list)
    """(at of the start, at of the end) of whole grace periods."""
    pages: dict[int, int] = attrs.field(factory=dict)
    """The last line that shows a page by its address, by the page's frame number."""
    runs: dict[tuple[int, str], list[tuple[int, int]]] = attrs.field(factory=dict)
    """Of each batch's work, where addresses tell whose it is: (its line, how many objects it frees, -1 if cut)."""
    runs_on: dict[int, list[Any]] = attrs.field(factory=dict)
    """Of batches' works, where addresses tell nothing: the runs (foresight.Run) of each CPU's worker, in order."""
    listed: dict[int, bool] = attrs.field(factory=dict)
    """By the line of a call, where later lines tell: whether the object was linked to the list, or put into a block."""
    trouble: list[tuple[int, str]] = attrs.field(factory=list)
    """(at, what) a line that contradicts another."""

    def moves(self, line: Line) -> list[int]:
        """The CPU that a call's task may have been moved to before it took the lock: where its next line is."""
        if line.after < 0 or line.ctx[0] != "task" or line.irqs_off or line.stays:
            return []
        there = self.lines[line.after].cpu
        return [there] if there != line.cpu else []

    def freed_next(self, whose: tuple[int, str], at: int) -> int | None:
        """How many objects the next run of a batch's work frees; None where that is not told."""
        runs = self.runs.get(whose, [])
        where = bisect.bisect_left(runs, (at, -1))
        return runs[where][1] if where < len(runs) and runs[where][1] >= 0 else None

    def jiffies_before(self, at: int) -> int:
        """The last that was known of jiffies at the line, 0 for nothing."""
        where = bisect.bisect_right(self.known, (at, 1 << 70))
        return self.known[where - 1][1] if where else 0

    def jiffies_after(self, at: int) -> int:
        """What is known next."""
        where = bisect.bisect_left(self.known, (at, -1))
        return self.known[where][1] if where < len(self.known) else 1 << 62

    def period_after(self, since: int) -> int | None:
        """The line at which the first grace period is over that begins after one; None where none is."""
        where = bisect.bisect_right(self.periods, (since, 1 << 62))
        return self.periods[where][1] if where < len(self.periods) else None


def read(trace: Trace, first: int = 0) -> Told:
    """Take in a recording, up to where something is missing; from its line `first` on. Raises BadInput."""
    reader = _Reader(first)
    for item in trace:
        if isinstance(item, Gap):
            if reader.gap(item):
                break
        elif reader.broken:
            break
        elif isinstance(item, Broken):
            reader.breaks(item)
        elif isinstance(item, Event):
            reader.feed(item)
    if not reader.lines:
        raise BadInput(f"recording {str(trace.path)!r}: holds no event from line {first} on")
    return reader.finish(trace.header)


@attrs.define(eq=False)
class _Reader:
    first: int
    lines: list[Line] = attrs.field(factory=list)
    addresses: dict[int, tuple[int, str]] = attrs.field(factory=dict)
    events: set[str] = attrs.field(factory=set)
    last: dict[Ctx, int] = attrs.field(factory=dict)
    nr_cpus: int = 0
    calls: int = 0
    ends_early: str = ""
    broken: str = ""

    def breaks(self, item: Broken) -> None:
        """A line that does not say what it ought to say."""
        if (match := _ADDRESSES.search(item.text)) is not None:
            self.addresses_of(int(match[1]), match[2])
        elif self.lines:
            self.broken = f"line {item.number}: {item.event}: {item.wrong}"

    def gap(self, gap: Gap) -> bool:
        """Something is missing; whether that is the end of what can be compared."""
        if gap.missing is Missing.CUT:
            self.broken = ""  # its last line was cut in two
        if not self.lines:
            return False
        cpu = f" of CPU {gap.cpu}" if gap.cpu is not None else ""
        self.ends_early = f"line {gap.number}: {gap.missing.value}{cpu}"
        return True

    def addresses_of(self, cpu_id: int, text: str) -> None:
        """Where a CPU's timers and works are."""
        for name, address in _ADDRESS.findall(text):
            if name in _PARTS:
                self.addresses[int(address, 16)] = (cpu_id, _PARTS[name])

    def feed(self, event: Event) -> None:
        """Take in one event."""
        self.nr_cpus = max(self.nr_cpus, event.cpu + 1)
        if isinstance(event, AddressesTold):
            where = event.addresses
            works = dict(zip(where.batch_works, ("krw0", "krw1"), strict=True))
            works |= {where.monitor_work: "monitor", where.monitor_timer: "monitor", where.refill_work: "page"}
            works |= {where.refill_timer: "page", where.refill_hrtimer: "page"}
            self.addresses |= {address: (where.cpu, part) for address, part in works.items()}
        if event.number < self.first:
            return
        facts = _facts(event)
        if facts is None and _is_of_the_cpu(event):
            return
        name, told = facts or ("", {})
        at, ctx = len(self.lines), _context(event)
        self.calls += isinstance(event, Call)
        self.events.add(name)
        made = Line(at, event.number, ctx, event.cpu, event.flags[:1] in ("d", "D"), name, event, told)
        if not _is_of_the_cpu(event):
            before = made.before = self.last.get(ctx, -1)
            if before >= 0:
                self.lines[before].after = at
            self.last[ctx] = at
        self.lines.append(made)

    def finish(self, header: Header) -> Told:
        """All of it, with what is known from it as a whole."""
        told = Told(
            header,
            self.lines,
            self.addresses,
            frozenset(self.events),
            max(self.nr_cpus, header.nr_cpus),
            self.calls,
            self.ends_early,
            self.broken,
            tells_periods="rcu_grace_period" in self.events,
            by_rig="state" in self.events or any(isinstance(line.raw, Statement) for line in self.lines),
        )
        _attribute(told)
        _see_pages(told)
        _know_jiffies(told)
        _know_periods(told)
        return told


def _attribute(told: Told) -> None:
    """Whose timers and works lines are about, where that can be told; what is somebody else's says nothing here."""
    monitors = sorted((address, cpu_id) for address, (cpu_id, part) in told.addresses.items() if part == "monitor")
    for line in told.lines:
        if isinstance(krcp := line.told.get("krcp"), int):
            # The structure begins before the works that it holds.
            line.told["cpu"] = next((cpu_id for address, cpu_id in monitors if address > krcp), -1)
        if line.event in ("timer_start", "timer_expire_entry"):
            pointer = line.told["timer"]
            if (line.event == "timer_expire_entry" and not _is_ours(told, line)) or (
                told.addresses and pointer is not None and pointer not in told.addresses
            ):
                line.event = ""
        if line.event in _POINTING:
            pointer = line.told.get("timer", line.told.get("work"))
            line.told["whose"] = told.addresses.get(pointer) if isinstance(pointer, int) else None


_POINTING: Final = frozenset(
    {
        "timer_start",
        "timer_expire_entry",
        "hrtimer_start",
        "hrtimer_expire_entry",
        "workqueue_queue_work",
        "workqueue_execute_start",
    }
)


def _is_ours(told: Told, line: Line) -> bool:
    """A delayed work's timer whose handler goes on to queue one of kvfree_rcu()'s works."""
    if line.told["function"] != "delayed_work_timer_fn" or line.after < 0:
        return False
    queued = told.lines[line.after]
    if queued.event != "workqueue_queue_work" or queued.told["role"] == "krw":
        return False  # a batch's work has no timer
    line.told["role"] = queued.told["role"]
    return True


def _know_jiffies(told: Told) -> None:
    for line in told.lines:
        now: object = line.told.get("now")
        if "delay" in line.told:
            now = int(str(line.told["expires"])) - int(str(line.told["delay"]))
        if isinstance(now, int):
            if told.known and now < told.known[-1][1]:
                told.trouble.append((line.at, f"jiffies go back, from {told.known[-1][1]} to {now}"))
                continue
            told.known.append((line.at, now))


def _see_pages(told: Told) -> None:
    for line in told.lines:
        shown = {"free_pages": "address", "rcu_invoke_kfree_bulk_callback": "bulk", "kvfree_rcu_bulk": "page"}
        address = line.told.get(shown.get(line.event, ""))
        if isinstance(address, int):
            told.pages[address // 4096] = line.at


def _know_periods(told: Told) -> None:
    began: tuple[int, int] | None = None
    ended: int | None = None
    for line in (one for one in told.lines if one.event == "rcu_grace_period"):
        seq, edge = int(str(line.told["seq"] or 0)), line.told["edge"]
        if edge == "start":
            if began is not None:
                told.trouble.append((line.at, "a grace period begins while one runs"))
            if ended is not None and seq and seq != ended + 4:
                told.trouble.append((line.at, f"grace period {seq} follows {ended}"))
            began = (line.at, seq)
        elif edge == "end":
            if began is None and told.periods:
                told.trouble.append((line.at, "a grace period ends that has not begun"))
            if began is not None:
                if seq != began[1]:
                    told.trouble.append((line.at, f"grace period {seq} ends, but {began[1]} had begun"))
                # On PREEMPT_RT the probe is on the function that begins one: it has begun at some time until the next.
                told.periods.append((line.at if line.told["seq"] is None else began[0], line.at))
            ended, began = seq, None


def state_of(line: Line) -> KrcState | None:
    """The snapshot that the line tells."""
    state = line.told.get("state")
    return state if isinstance(state, KrcState) else None
