"""What of a recording the comparison looks at: lines with their context, and what is known from the lines around them.

A *context* is what code runs in: a task, or the hardirqs or softirqs of a CPU. In each of them, what is done comes in
the order of its lines. The lines before and after one in its context, by which a hidden step is bounded, are found here
once for the whole recording; so is what was known of jiffies, and which grace periods there were.
"""

from __future__ import annotations

import bisect
import os
import re
from typing import Any, Final

import attrs

from ..errors import BadInput
from ..traces import (
    AddressesTold,
    Broken,
    Call,
    Event,
    ExpeditedPeriod,
    Gap,
    GracePeriod,
    Header,
    Item,
    KrcState,
    Missing,
    Other,
    Statement,
    StateTold,
    Trace,
)
from .facts import Facts, facts_of
from .standins import LONG_AGO

Ctx = tuple[str, int]

_ADDRESSES: Final = re.compile(r"KRCADDR cpu=(\d{1,5}) (.*)", re.ASCII)
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


def _is_of_the_cpu(event: Event) -> bool:
    """A task that is switched out writes such lines in the middle of anything."""
    if isinstance(event, GracePeriod):
        return not event.comm.startswith("rcu_")
    if isinstance(event, ExpeditedPeriod):
        return True
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
    starts: int = -1
    """Behind which line it may begin. -1: at the first state that is told; else what was before is not known."""
    behind: str = ""
    """What is missing before its first line."""
    gap: Gap | None = None
    """What is missing behind its last line."""
    full: bool = False
    """There are more lines behind its last, which were not read yet."""
    tells_periods: bool = True
    """It says when grace periods begin and end."""
    expedites: bool = False
    """Who waits for a grace period waits for an expedited one (rcupdate.rcu_expedited)."""
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
    tells_numbers: bool = True
    """Some line depends on how many objects are queued: a timer's, a shrinker's, one that frees from the list."""
    turns: dict[int, list[Any]] = attrs.field(factory=dict)
    """Of batches' works, where addresses tell nothing: the turns (foresight.Turn) of each CPU's callbacks, in order."""
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

    def as_good_as(self, since: int) -> int:
        """The last line since which a whole grace period takes as long as since another."""
        if since < 0 or not self.tells_periods:
            return since if since < 0 else LONG_AGO
        where = bisect.bisect_right(self.periods, (since, 1 << 62))
        return self.periods[where][0] - 1 if where < len(self.periods) else len(self.lines)

    def period_after(self, since: int) -> int | None:
        """The line at which the first grace period is over that begins after one; None where none is."""
        where = bisect.bisect_right(self.periods, (since, 1 << 62))
        return self.periods[where][1] if where < len(self.periods) else None


def read(trace: Trace, first: int = 0) -> Told:
    """Take in a recording, up to where something is missing; from its line `first` on. Raises BadInput."""
    reader = LineReader(first)
    for item in trace:
        if reader.take(item):
            break
    if not reader.lines:
        raise nothing_from(trace, first)
    return reader.finish(trace.header)


def nothing_from(trace: Trace, first: int) -> BadInput:
    """There is nothing where it was to begin."""
    return BadInput(f"recording {os.fsdecode(trace.path)!r}: holds no event from line {first} on")


@attrs.define(eq=False)
class Known:
    """What the lines before tell of those behind them."""

    addresses: dict[int, tuple[int, str]] = attrs.field(factory=dict)
    events: set[str] = attrs.field(factory=set)
    nr_cpus: int = 0
    jiffies: int = 0
    by_rig: bool = False


@attrs.define(eq=False)
class LineReader:
    """Takes in lines from `first` on, as far as nothing is missing between them."""

    first: int = 0
    known: Known = attrs.field(factory=Known)
    starts: int = -1
    behind: str = ""
    lines: list[Line] = attrs.field(factory=list)
    events: set[str] = attrs.field(factory=set)
    last: dict[Ctx, int] = attrs.field(factory=dict)
    calls: int = 0
    ends_early: str = ""
    broken: str = ""
    gap: Gap | None = None
    full: bool = False

    def take(self, item: Item) -> bool:
        """Take in one item; whether it ends what can be compared with the lines before it."""
        if isinstance(item, Gap):
            return self._missing(item)
        if self.broken:
            return True
        if isinstance(item, Broken):
            self._breaks(item)
        elif isinstance(item, Event):
            self.feed(item)
        return False

    def _breaks(self, item: Broken) -> None:
        """A line that does not say what it ought to say."""
        if (match := _ADDRESSES.search(item.text)) is not None:
            self.addresses_of(int(match[1]), match[2])
        elif self.lines:
            self.broken = f"line {item.number}: {item.event}: {item.wrong}"

    def _missing(self, gap: Gap) -> bool:
        if gap.missing is Missing.CUT:
            self.broken = ""  # its last line was cut in two
        if gap.to_ns is not None:
            self._take_back(gap.to_ns)
        if not self.lines:
            return False
        self.ends_early, self.gap = named(gap), gap
        return True

    def _take_back(self, since_ns: int) -> None:
        """Lines that are later than what comes next were in the wrong place; if all are, that is another run."""
        if self.lines and self.lines[0].raw.time_ns > since_ns:
            return
        while self.lines[1:] and self.lines[-1].raw.time_ns > since_ns:
            last = self.lines.pop()
            self.calls -= isinstance(last.raw, Call)
            if last.before >= 0:
                self.lines[last.before].after = -1

    def addresses_of(self, cpu_id: int, text: str) -> None:
        """Where a CPU's timers and works are."""
        for name, address in _ADDRESS.findall(text):
            if name in _PARTS:
                self.known.addresses[int(address, 16)] = (cpu_id, _PARTS[name])

    def feed(self, event: Event) -> None:
        """Take in one event."""
        about = event.state.cpu if isinstance(event, StateTold) else -1
        self.known.nr_cpus = max(self.known.nr_cpus, event.cpu + 1, about + 1)
        if isinstance(event, AddressesTold):
            where = event.addresses
            self.known.nr_cpus = max(self.known.nr_cpus, where.cpu + 1)
            works = dict(zip(where.batch_works, ("krw0", "krw1"), strict=True))
            works |= {where.monitor_work: "monitor", where.monitor_timer: "monitor", where.refill_work: "page"}
            works |= {where.refill_timer: "page", where.refill_hrtimer: "page"}
            self.known.addresses |= {address: (where.cpu, part) for address, part in works.items()}
        if event.number < self.first:
            return
        facts = facts_of(event)
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
        known = self.known
        known.by_rig |= "state" in self.events or any(isinstance(line.raw, Statement) for line in self.lines)
        known.events |= self.events
        told = Told(
            header,
            self.lines,
            dict(known.addresses),
            frozenset(self.events),
            max(known.nr_cpus, header.nr_cpus),
            self.calls,
            self.ends_early,
            self.broken,
            self.starts,
            self.behind,
            self.gap,
            self.full,
            tells_periods="rcu_grace_period" in known.events,
            by_rig=known.by_rig,
        )
        _attribute(told)
        _see_pages(told)
        _know_jiffies(told, known)
        _know_periods(told)
        return told


def named(gap: Gap) -> str:
    """What is missing, in words."""
    cpu = f" of CPU {gap.cpu}" if gap.cpu is not None else ""
    return f"line {gap.number}: {gap.missing.value}{cpu}"


def _attribute(told: Told) -> None:
    """Whose timers and works lines are about, where that can be told; what is somebody else's says nothing here."""
    monitors = sorted((address, cpu_id) for address, (cpu_id, part) in told.addresses.items() if part == "monitor")
    for line in told.lines:
        if monitors and isinstance(krcp := line.told.get("krcp"), int):
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
            if "work" in line.told and not told.addresses and pointer is not None:
                line.told["name"] = pointer


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


def _know_jiffies(told: Told, known: Known) -> None:
    if known.jiffies:
        told.known.append((0, known.jiffies))
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
