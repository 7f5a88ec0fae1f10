"""What of a recording the comparison looks at: lines with their context, and what is known from the lines around them.

A *context* is what code runs in: a task, or the hardirqs or softirqs of a CPU. In each of them, what is done comes in
the order of its lines. The lines before and after one in its context, by which a hidden step is bounded, are found here
once for the whole recording; so is what was known of jiffies, and which grace periods there were.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterable
from typing import Final

import attrs

from ..recordings.calls import parse_call
from ..recordings.forms import BY_OFFSET, Form, form_of
from ..recordings.ftrace import TraceLine, parse_line
from ..recordings.krc import KrcState, parse_state

Ctx = tuple[str, int]

_WORKS: Final = {
    "kfree_rcu_monitor": "monitor",
    "fill_page_cache_func": "page",
    "kfree_rcu_work": "krw",
}
_TIMER: Final = re.compile(
    r"timer=(\S+) function=delayed_work_timer_fn expires=(\d+) \[timeout=(\d+)\].* cpu=(\d+)", re.ASCII
)
_EXPIRED: Final = re.compile(r"timer=(\S+) function=(\S+) now=(\d+)", re.ASCII)
_HRTIMER: Final = re.compile(r"hrtimer=(\S+) function=schedule_page_work_fn ", re.ASCII)
_QUEUED: Final = re.compile(r"work struct=(\S+) function=(\S+) workqueue=(\S+) req_cpu=\d+ cpu=(-?\d+)", re.ASCII)
_EXECUTED: Final = re.compile(r"work struct (\S+): function (\S+)", re.ASCII)
_ADDR: Final = re.compile(r" addr=0x([0-9a-f]+)", re.ASCII)
_PAGE: Final = re.compile(r"\((\w+)\+.* ret=0x([0-9a-f]{1,16})$", re.ASCII)
_GFP: Final = re.compile(r" gfp=0x([0-9a-f]+) order=(\d+)$", re.ASCII)
_BULK: Final = re.compile(r" bulk=(\S+) nr_records=(?:0x)?(\d+)$", re.ASCII)
_SIZE: Final = re.compile(r" s=(\S+) size=(\d+)$", re.ASCII)
_RHP: Final = re.compile(r" rhp=(\S+) func=(-?\d+)$", re.ASCII)
_BLOCK: Final = re.compile(r" bnode=0x([0-9a-f]+) idx=([01]) nr=(\d+)$", re.ASCII)
_KRCP: Final = re.compile(r" krcp=0x([0-9a-f]+)", re.ASCII)
_RET: Final = re.compile(r" ret=(?:0x)?(-?[0-9a-f]+)$", re.ASCII)
_GP: Final = re.compile(r"\S+ (-?\d+) (start|end|cpustart|cpuend|newreq)$", re.ASCII)
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
_HASHED: Final = "(____ptrval____)"


@attrs.define(eq=False)
class Line:
    """One line. `told` is what was read out of its text, by the event; `number` counts from 1 in the file."""

    at: int
    number: int
    ctx: Ctx
    cpu: int
    irqs_off: bool
    event: str
    text: str
    raw: TraceLine
    told: dict[str, object] = attrs.field(factory=dict)
    before: int = -1
    """The line before it in its context, or -1."""
    after: int = -1


def _pointer(text: str) -> int | None:
    """A pointer, None where it is hashed."""
    if text == _HASHED:
        return None
    try:
        return int(text.removeprefix("0x"), 16)
    except ValueError:
        return None


def _told(line: TraceLine) -> dict[str, object] | None:  # noqa: PLR0911, PLR0912, C901 - one branch an event
    """What the line says to whoever compares; None where it says nothing about kvfree_rcu()."""
    event, text = line.event, line.text
    if event == "timer_start":
        if (m := _TIMER.match(text)) is not None:
            return {"timer": _pointer(m[1]), "expires": int(m[2]), "delay": int(m[3]), "base": int(m[4])}
    elif event == "timer_expire_entry":
        if (m := _EXPIRED.match(text)) is not None:
            return {"timer": _pointer(m[1]), "function": m[2], "now": int(m[3])}
    elif event in ("hrtimer_start", "hrtimer_expire_entry"):
        if (m := _HRTIMER.match(text)) is not None:
            return {"timer": _pointer(m[1])}
    elif event == "workqueue_queue_work":
        if (m := _QUEUED.match(text)) is not None and m[2] in _WORKS:
            return {"work": _pointer(m[1]), "role": _WORKS[m[2]], "workqueue": m[3], "on": int(m[4])}
    elif event in ("workqueue_execute_start", "workqueue_execute_end"):
        if (m := _EXECUTED.match(text)) is not None and m[2] in _WORKS:
            return {"work": _pointer(m[1]), "role": _WORKS[m[2]]}
    elif event in ("free_pages", "vfree", "kvfree"):
        if (m := _ADDR.search(text)) is not None:
            return {"address": int(m[1], 16)}
    elif event == "get_free_pages":
        if (m := _GFP.search(text)) is not None:
            return {"gfp": int(m[1], 16)}
    elif event == "get_free_pages_ret":
        if (m := _PAGE.search(text)) is not None:
            return {"by": m[1], "page": int(m[2], 16)}
    elif event == "rcu_invoke_kfree_bulk_callback":
        if (m := _BULK.search(text)) is not None:
            return {"bulk": _pointer(m[1]), "size": int(m[2])}
    elif event == "kmem_cache_free_bulk":
        if (m := _SIZE.search(text)) is not None and m[1] in ("0x0", "0", "(null)"):
            return {"size": int(m[2])}
    elif event == "rcu_invoke_kvfree_callback":
        if (m := _RHP.search(text)) is not None:
            return {"rhp": _pointer(m[1]), "offset": int(m[2])}
    elif event == "kvfree_rcu_bulk":
        if (m := _BLOCK.search(text)) is not None:
            krcp = _KRCP.search(text)
            return {"page": int(m[1], 16), "channel": int(m[2]), "size": int(m[3]), "krcp": krcp and int(krcp[1], 16)}
    elif event == "kvfree_rcu_queue_batch":
        if (m := _KRCP.search(text)) is not None:
            return {"krcp": int(m[1], 16)}
    elif event in ("kvfree_rcu_queue_batch_ret", "shrink_scan_ret"):
        if (m := _RET.search(text)) is not None:
            return {"returned": int(m[1], 16) if "0x" in m[0] else int(m[1])}
    elif event == "rcu_grace_period":
        if (m := _GP.search(text)) is not None:
            return {"seq": int(m[1]), "edge": m[2]}
    elif event in ("rcu_gp_init", "rcu_gp_cleanup"):
        return {"seq": 0, "edge": "start" if event == "rcu_gp_init" else "end"}
    elif event == "runp":
        if (m := _SHRINK.search(text)) is not None:
            return {"nr_to_scan": int(m[1]), "count": int(m[2]), "freed": int(m[3])}
        return {"statement": text} if text.startswith("STMT") else None
    elif event in _PLAIN:
        return {}
    return None


_PLAIN: Final = frozenset(
    {
        "fill_page_cache_func",
        "fill_page_cache_ret",
        "kfree_rcu_monitor",
        "kfree_rcu_monitor_ret",
        "kfree_rcu_work",
        "kfree_rcu_work_ret",
        "kvfree_rcu_list",
        "kvfree_rcu_barrier",
        "kvfree_rcu_barrier_ret",
        "shrink_count",
        "shrink_scan",
        "synchronize_rcu",
    }
)
"""Probes on functions of which their being called, or coming back, is all that is looked at."""

_PREEMPTED_IN: Final = ("rcu_grace_period", "sched_", "rcu_")
"""Events of whoever is on the CPU: a task that is switched out writes them in the middle of anything."""


def _context(line: TraceLine) -> Ctx:
    """What the line was written in. On PREEMPT_RT (7 columns) softirqs are served by threads, which are contexts."""
    wide = len(line.flags) == 7
    mark = line.flags[3 if wide else 2]
    if mark in "hHzZ":
        return ("hardirq", line.cpu)
    if mark == "s" and not wide:
        return ("softirq", line.cpu)
    return ("idle", line.cpu) if line.pid == 0 else ("task", line.pid)


@attrs.define(eq=False)
class Told:
    """A recording as it is compared."""

    header: dict[str, str]
    lines: list[Line]
    addresses: dict[int, tuple[int, str]]
    """Whose a timer or a work is by its address: the CPU, and its part. Empty where addresses are hashed."""
    form: Form
    events: frozenset[str]
    nr_cpus: int
    calls: int
    ends_early: str
    """Why it is looked at no further than its last line; "" if it is whole."""
    known: list[tuple[int, int]] = attrs.field(factory=list)
    """(at, jiffies), in order."""
    periods: list[tuple[int, int]] = attrs.field(factory=list)
    """(at of the start, at of the end) of whole grace periods."""
    pages: dict[int, int] = attrs.field(factory=dict)
    """The last line that shows a page by its address, by the page's frame number."""
    trouble: list[tuple[int, str]] = attrs.field(factory=list)
    """(at, what) a line that contradicts another."""

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


def read(text: Iterable[str]) -> Told:
    """Take in a recording."""
    reader = _Reader()
    for number, line in enumerate(text, start=1):
        if not reader.feed(number, line):
            break
    return reader.finish()


@attrs.define(eq=False)
class _Reader:
    header: dict[str, str] = attrs.field(factory=dict)
    lines: list[Line] = attrs.field(factory=list)
    addresses: dict[int, tuple[int, str]] = attrs.field(factory=dict)
    events: set[str] = attrs.field(factory=set)
    last: dict[Ctx, int] = attrs.field(factory=dict)
    statements: dict[int, tuple[str, ...]] = attrs.field(factory=dict)
    nr_cpus: int = 0
    calls: int = 0
    ends_early: str = ""
    form: Form | None = None
    last_ns: int = 0

    def feed(self, number: int, text: str) -> bool:
        """Take in one line; False at the end of what can be compared."""
        if text.startswith("#"):
            self._comment(text.rstrip("\n"))
            return not self.ends_early
        if text.startswith("CPU:") and "LOST" in text:
            self.ends_early = f"line {number}: events were lost"
            return False
        parsed = parse_line(text)
        if parsed is not None:
            self._event(number, parsed)
        return True

    def _comment(self, line: str) -> None:
        if line.startswith("# TRUNCATED"):
            self.ends_early = "the file was cut"
        name, found, rest = line.removeprefix("# ").partition(": ")
        if found and name in ("run", "script", "pre", "kernel", "params"):
            self.header[name] = rest
        elif line.startswith("# Linux "):
            self.header["kernel"] = line.removeprefix("# ")
        elif line.startswith("# console="):
            self.header["params"] = line.removeprefix("# ")
        elif line.startswith("# entries-in-buffer") and "#P:" in line:
            self.nr_cpus = max(self.nr_cpus, int(line.rpartition("#P:")[2].split()[0]))
        if "kernel" in self.header and self.form is None:
            self.form = form_of(self.header["kernel"])

    def _event(self, number: int, line: TraceLine) -> None:
        at = len(self.lines)
        self.nr_cpus = max(self.nr_cpus, line.cpu + 1)
        self.events.add(line.event)
        told = self._of(line)
        ctx = _context(line)
        if told is None and line.event.startswith(_PREEMPTED_IN):
            return
        made = Line(at, number, ctx, line.cpu, line.flags[0] in "dD", line.event, line.text, line, told or {})
        if told is None:
            made.event = ""
        if line.event != "rcu_grace_period" or (told is not None and line.comm.startswith("rcu_")):
            before = made.before = self.last.get(ctx, -1)
            if before >= 0:
                self.lines[before].after = at
            self.last[ctx] = at
        self.lines.append(made)

    def _of(self, line: TraceLine) -> dict[str, object] | None:
        if line.event == "kvfree_call_rcu":
            call = parse_call(line, self.statements.get(line.pid, ()), self.form or BY_OFFSET)
            self.calls += call is not None
            return None if call is None else {"call": call}
        if line.event == "state":
            state = parse_state(line) if line.text.startswith("KRC ") else None
            return None if state is None else {"state": state}
        if line.event == "kvt_write":
            if (m := _ADDRESSES.fullmatch(line.text)) is not None:
                for name, address in _ADDRESS.findall(m[2]):
                    if name in _PARTS:
                        self.addresses[int(address, 16)] = (int(m[1]), _PARTS[name])
            return {}
        if line.event == "runp" and line.text.startswith("STMT "):
            self.statements[line.pid] = tuple(line.text.split()[2:])
        return _told(line)

    def finish(self) -> Told:
        """All of it, with what is known from it as a whole."""
        told = Told(
            self.header,
            self.lines,
            self.addresses,
            self.form or BY_OFFSET,
            frozenset(self.events),
            self.nr_cpus,
            self.calls,
            self.ends_early,
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
            if line.event == "timer_expire_entry" and not _is_ours(told, line):
                line.event = ""
            elif told.addresses and pointer is not None and pointer not in told.addresses:
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
    if queued.event != "workqueue_queue_work":
        return False
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
    for line in told.lines:
        if line.event not in ("rcu_grace_period", "rcu_gp_init", "rcu_gp_cleanup"):
            continue
        seq, edge = int(str(line.told["seq"])), line.told["edge"]
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
                told.periods.append((line.at if line.event == "rcu_gp_cleanup" else began[0], line.at))
            ended, began = seq, None


def state_of(line: Line) -> KrcState | None:
    """The snapshot that the line tells."""
    state = line.told.get("state")
    return state if isinstance(state, KrcState) else None
