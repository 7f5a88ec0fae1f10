"""One line of text, of any of the three tools that print traces.

* tracefs (`cat trace`, `trace_pipe`): `COMM-PID [CPU] FLAGS SECONDS.MICROSECONDS: EVENT: TEXT`;
* `trace-cmd report`: the same, the event's name padded, older ones without the flags;
* `perf script`: `COMM PID [CPU] SECONDS.MICROSECONDS: SYSTEM:EVENT: TEXT`, no flags, the pid perhaps as PID/TID.

The flags are one column for each thing that was true of the CPU when the event fired: interrupts or bottom halves off,
a wish to reschedule, inside an interrupt, the preempt count. Kernels differ in how many columns they have, so a column
is found by the width of the word; a trace that draws its columns in the comments at the top is believed (`Columns`).
"""

from __future__ import annotations

import re
from typing import Final

import attrs

_INTERRUPT_COLUMN: Final = {4: 2, 5: 2, 7: 3}
"""Where the hardirq/softirq column stands, by width; the preempt count is always the column after it.

4: before migrate-disable was shown. 5: 5.17 and later. 7: Debian's PREEMPT_RT, with the two "lazy" columns in between.
"""

_INTERRUPTS: Final = {"z": "nmi", "Z": "nmi", "h": "hardirq", "H": "hardirq", "s": "softirq"}
UNKNOWN_CONTEXT: Final = "unknown"
"""The context of a line without flags."""

_FTRACE: Final = re.compile(
    # A comm may hold spaces, dashes and slashes: the shortest one is tried first, and "-PID  [CPU]" must
    # follow it.
    r" *([^ ].{0,31}?)-([0-9]{1,10}) +"
    r"(?:\( *[0-9-]+\) +)?"  # the thread group, printed with the record-tgid option
    r"\[([0-9]{1,5})\] +"
    r"(?:([.#0-9A-Za-z]{4,8}) +)?"
    r"([0-9]{1,10})\.([0-9]{1,9}): +"
    r"(?:[A-Za-z_][A-Za-z0-9_]*:(?=[A-Za-z_]))?"  # the system, where the tool prints it
    r"([^\s:]+):(?: (.*))?",
    re.DOTALL,
)
_PERF: Final = re.compile(
    r" *([^ ].{0,31}?) +(?:[0-9]{1,10}/)?([0-9]{1,10}) +"
    r"\[([0-9]{1,5})\] +"
    r"([.#0-9A-Za-z]{4,8} +)?"
    r"([0-9]{1,10})\.([0-9]{1,9}): +"
    r"(?:[0-9]+ +)?"  # the period, where it was asked for
    r"(?:[A-Za-z_][A-Za-z0-9_]*:(?=[A-Za-z_]))?"
    r"([^\s:]+):(?: (.*))?",
    re.DOTALL,
)
_DRAWN: Final = re.compile(r"#[ |/]*_-+=> *(\S+)")
_STACK: Final = re.compile(r"(?: => |\s+[0-9a-f]{8,16} )\S.*|\s*=> <[0-9a-f]+>.*|.*: <stack trace>")


@attrs.frozen
class TraceLine:
    """One event, as one CPU wrote it down. `flags` is "" where the tool prints none."""

    comm: str
    pid: int
    cpu: int
    flags: str
    time_ns: int
    event: str
    text: str


def parse_line(line: str) -> TraceLine | None:
    """The event that a line tells, or None if it is no line of an event (or a broken one)."""
    found = parse_any(line)
    return None if found is None else found[0]


def parse_any(line: str) -> tuple[TraceLine, bool] | None:
    """The event that a line tells, and whether perf wrote it."""
    line = line.rstrip("\r\n")
    match, by_perf = _FTRACE.fullmatch(line), False
    if match is None:
        match, by_perf = _PERF.fullmatch(line), True
        if match is None:
            return None
    comm, pid, cpu, flags, seconds, fraction, event, text = match.groups()
    flags = "" if flags is None else flags.rstrip()
    if flags and len(flags) not in _INTERRUPT_COLUMN:
        return None
    # Decimal digits to integer nanoseconds: a float would lose the last digits after some days of uptime.
    time_ns = int(seconds) * 1_000_000_000 + int(fraction.ljust(9, "0"))
    return TraceLine(comm, int(pid), int(cpu), flags, time_ns, event, text or ""), by_perf


def format_line(line: TraceLine) -> str:
    """The text of an event, in the columns that the kernel uses."""
    seconds, nanoseconds = divmod(line.time_ns, 1_000_000_000)
    # ftrace prints microseconds; the other three digits appear only for times that no kernel printed.
    fraction = f"{nanoseconds // 1000:06d}" if nanoseconds % 1000 == 0 else f"{nanoseconds:09d}"
    head = f"{line.comm:>16}-{line.pid:<7} [{line.cpu:03d}] {line.flags} {seconds:5d}.{fraction}"
    return f"{head}: {line.event}: {line.text}"


def is_stack(line: str) -> bool:
    """Whether a line is one of a call trace below an event (ftrace's stacktrace option, `perf record -g`)."""
    return _STACK.fullmatch(line) is not None


@attrs.define
class Columns:
    """What each column of the flags means, as the comments draw it, and by width where they do not."""

    _drawn: list[str] = attrs.field(factory=list)
    _contexts: dict[str, str] = attrs.field(factory=dict)

    def comment(self, line: str) -> None:
        """Take in a comment: one line names one column, outermost first."""
        match = _DRAWN.match(line)
        if match is not None:
            self._drawn.append(match[1])
            self._contexts.clear()

    def context_of(self, flags: str) -> str:
        """As the function of this name; each word of flags is looked into once."""
        known = self._contexts.get(flags)
        if known is None:
            known = self._contexts[flags] = context_of(flags, self._interrupt_column(flags))
        return known

    def _interrupt_column(self, flags: str) -> int | None:
        if len(self._drawn) == len(flags) and "hardirq/softirq" in self._drawn[:-1]:
            return self._drawn.index("hardirq/softirq")
        return None


def context_of(flags: str, column: int | None = None) -> str:
    """The strongest context in the flags: nmi, hardirq, softirq, irqs_off, preempt_off, process; unknown without.

    A softirq or an interrupt mostly shows irqs or the preempt count as well; the stronger word stands for
    both. Bottom halves off (`b`) is one of the ways to keep the CPU to oneself, hence preempt_off; `D` has
    interrupts off too. `column` is where hardirq/softirq stands, if it is not where the width says.
    """
    if not flags:
        return UNKNOWN_CONTEXT
    if column is None:
        column = _INTERRUPT_COLUMN[len(flags)]
    interrupt = _INTERRUPTS.get(flags[column])
    if interrupt is not None:
        return interrupt
    if flags[0] in "dD":
        return "irqs_off"
    if flags[0] == "b" or flags[column + 1] not in ".0":
        return "preempt_off"
    return "process"
