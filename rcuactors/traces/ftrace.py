"""One line of ftrace text.

Models the text that tracefs prints: `COMM-PID [CPU] FLAGS SECONDS.MICROSECONDS: EVENT: TEXT`. The flags are
one column for each thing that was true of the CPU when the event fired: interrupts or bottom halves off, a
wish to reschedule, inside an interrupt, the preempt count. Kernels differ in how many columns they have, so a
column is found by the width of the word.
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

_LINE: Final = re.compile(
    # A comm may hold spaces, dashes and slashes: the shortest one is tried first, and "-PID  [CPU]" must
    # follow it.
    r" *(?P<comm>[^ ].{0,31}?)-(?P<pid>[0-9]{1,10}) +"
    r"(?:\( *[0-9-]+\) +)?"  # the thread group, printed with the record-tgid option
    r"\[(?P<cpu>[0-9]{1,5})\] +"
    r"(?P<flags>[.#0-9A-Za-z]+) +"
    r"(?P<seconds>[0-9]{1,10})\.(?P<fraction>[0-9]{1,9}): "
    r"(?P<event>[^\s:]+):(?: (?P<text>.*))?",
    re.DOTALL,
)


@attrs.frozen
class TraceLine:
    """One event, as one CPU wrote it down."""

    comm: str
    pid: int
    cpu: int
    flags: str
    time_ns: int
    event: str
    text: str


def parse_line(line: str) -> TraceLine | None:
    """The event that a line tells, or None if it is no line of an event (or a broken one)."""
    match = _LINE.fullmatch(line.removesuffix("\n").removesuffix("\r"))
    if match is None or len(match["flags"]) not in _INTERRUPT_COLUMN:
        return None
    # Decimal digits to integer nanoseconds: a float would lose the last digits after some days of uptime.
    time_ns = int(match["seconds"]) * 1_000_000_000 + int(match["fraction"].ljust(9, "0"))
    return TraceLine(
        match["comm"],
        int(match["pid"]),
        int(match["cpu"]),
        match["flags"],
        time_ns,
        match["event"],
        match["text"] or "",
    )


def format_line(line: TraceLine) -> str:
    """The text of an event, in the columns that the kernel uses."""
    seconds, nanoseconds = divmod(line.time_ns, 1_000_000_000)
    # ftrace prints microseconds; the other three digits appear only for times that no kernel printed.
    fraction = f"{nanoseconds // 1000:06d}" if nanoseconds % 1000 == 0 else f"{nanoseconds:09d}"
    head = f"{line.comm:>16}-{line.pid:<7} [{line.cpu:03d}] {line.flags} {seconds:5d}.{fraction}"
    return f"{head}: {line.event}: {line.text}"


def context_of(flags: str) -> str:
    """The strongest context in the flags: nmi, hardirq, softirq, irqs_off, preempt_off or process.

    A softirq or an interrupt mostly shows irqs or the preempt count as well; the stronger word stands for
    both. Bottom halves off (`b`) is one of the ways to keep the CPU to oneself, hence preempt_off; `D` has
    interrupts off too.
    """
    column = _INTERRUPT_COLUMN[len(flags)]
    interrupt = _INTERRUPTS.get(flags[column])
    if interrupt is not None:
        return interrupt
    if flags[0] in "dD":
        return "irqs_off"
    if flags[0] == "b" or flags[column + 1] not in ".0":
        return "preempt_off"
    return "process"
