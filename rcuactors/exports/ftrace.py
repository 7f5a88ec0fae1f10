"""ftrace text, as `cat /sys/kernel/tracing/trace` prints it (kernel/trace/trace.c, print_trace_header()).

The comments say which tracer, how many events were in the buffer, and what the columns of flags mean; then come the
events of all CPUs, in the order of time. Nothing was overwritten here, so both numbers are the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO, Final

import attrs

from ..engine.events import Event
from .events import one_line
from .ordered import NoRoom, Ordered

_COLUMNS: Final = (
    "#                                _-----=> irqs-off/BH-disabled",
    "#                               / _----=> need-resched",
    "#                              | / _---=> hardirq/softirq",
    "#                              || / _--=> preempt-depth",
    "#                              ||| / _-=> migrate-disable",
    "#                              |||| /     delay",
    "#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION",
    "#              | |         |   |||||     |         |",
)


@attrs.define(eq=False)
class FtraceText:
    """Takes events and writes them as text, when all have come. Raises OSError."""

    folder: Path | None = None
    _lines: Ordered = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._lines = Ordered(self.folder)

    def take(self, event: Event) -> None:
        """One event."""
        self._lines.add(event.time_ns, event.cpu, f"{one_line(event.line())}\n".encode(errors="backslashreplace"))

    def write(self, out: IO[bytes], *, nr_cpus: int) -> None:
        """All of them."""
        count = self._lines.count
        head = ("# tracer: nop", "#", f"# entries-in-buffer/entries-written: {count}/{count}   #P:{nr_cpus}", "#")
        out.write("".join(f"{line}\n" for line in (*head, *_COLUMNS)).encode())
        out.writelines(line for _, _, line in self._lines)

    @property
    def count(self) -> int:
        """How many have come."""
        return self._lines.count

    @property
    def failed(self) -> NoRoom | None:
        """What did not find room."""
        return self._lines.failed

    def notes(self) -> list[str]:
        """All is there."""
        return []

    def close(self) -> None:
        """Forget them."""
        self._lines.close()
