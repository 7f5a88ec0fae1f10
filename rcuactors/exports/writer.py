"""What all writers of traces are, and which there are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePath
from typing import IO, Final, Protocol

import attrs

from ..engine.events import Event
from ..errors import bad_value
from ..spelling import one_of
from .ftrace import FtraceText
from .ordered import NoRoom
from .perfetto import PerfettoTrace
from .tracedat import TraceDat


class Writer(Protocol):
    """Takes events, on the disk where there are many, and writes the trace when all have come. Raises OSError."""

    @property
    def count(self) -> int:
        """How many have come."""
        ...

    @property
    def failed(self) -> NoRoom | None:
        """What did not find room: nothing is to be written then."""
        ...

    def take(self, event: Event) -> None:
        """One event."""

    def write(self, out: IO[bytes], *, nr_cpus: int) -> None:
        """All of them, of a machine with so many CPUs."""

    def close(self) -> None:
        """Forget them."""

    def notes(self) -> list[str]:
        """What of them is not in the file as it was."""
        ...


@attrs.frozen
class Format:
    """One kind of trace. `make` is called with where to put what does not fit into memory."""

    name: str
    suffixes: tuple[str, ...]
    make: Callable[[Path | None], Writer]


FORMATS: Final = (
    Format("ftrace", (".txt", ".ftrace", ".trace"), FtraceText),
    Format("trace.dat", (".dat",), TraceDat),
    Format("perfetto", (".pftrace", ".perfetto-trace"), PerfettoTrace),
)


def format_of(name: str, file: str) -> Format:
    """The format of that name, or by the name of the file. Raises BadInput."""
    suffix = PurePath(file).suffix.lower()
    for one in FORMATS:
        if (one.name == name) if name else suffix in one.suffixes:
            return one
    if name:
        raise bad_value(f"--format {name}", one_of(one.name for one in FORMATS))
    suffixes = one_of(each for one in FORMATS for each in one.suffixes)
    raise bad_value(f"-o {file}", f"a name that ends in {suffixes}, or --format")
