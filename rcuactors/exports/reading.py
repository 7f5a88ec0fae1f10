"""Events out of files: those that a run has left, as text or as JSON lines, and recordings of real kernels."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import attrs

from ..engine.events import Event
from ..errors import BadInput, shown
from ..traces import Gap, Trace
from ..traces.lines import TraceLine, parse_line
from ..traces.source import CutShort, bad, read_lines

_FIELDS: Final = {"time_ns": int, "cpu": int, "comm": str, "pid": int, "flags": str, "name": str, "text": str}
_MOST_CPUS: Final = 4096
_LATEST_NS: Final = (1 << 62) - 1
_LARGEST_PID: Final = (1 << 31) - 1

Progress = Callable[[int, int], None]


@attrs.define
class EventsIn:
    """The events of a file, in its order. Iterating reads it, each time anew.

    `nr_cpus` and what was left out are known afterwards. Raises BadInput as `Trace` does, and for a line of JSON that
    tells no event.
    """

    path: str | os.PathLike[str]
    progress: Progress | None = None
    nr_cpus: int = 0
    gaps: list[Gap] = attrs.field(factory=list)
    """What is missing in the file itself."""
    others: int = 0
    """Lines that are no events."""

    def __iter__(self) -> Iterator[Event]:
        self.nr_cpus, self.gaps, self.others = 0, [], 0
        for event in self._of_json() if is_json(self.path) else self._of_text():
            self.nr_cpus = max(self.nr_cpus, event.cpu + 1)
            yield event

    def _of_text(self) -> Iterator[Event]:
        trace = Trace(self.path, progress=self.progress)
        for item, text in trace.with_text():
            if isinstance(item, Gap):
                self.gaps.append(item)
                continue
            line = parse_line(text)
            if line is None:
                self.others += 1
            else:
                yield self._event(line, item.number)
        self.nr_cpus = max(self.nr_cpus, min(trace.header.nr_cpus, _MOST_CPUS))

    def _event(self, line: TraceLine, number: int) -> Event:
        event = Event(line.time_ns, line.cpu, line.comm, line.pid, line.flags, line.event, line.text.lstrip(" "))
        return self._checked(event, number)

    def _of_json(self) -> Iterator[Event]:
        number = 0
        try:
            for number, text in enumerate(read_lines(self.path, self.progress), start=1):
                if text.strip():
                    yield self._checked(Event(**self._members(text, number)), number)
        except CutShort:
            raise bad(self.path, f"line {number + 1}: ends in the middle") from None

    def _members(self, text: str, number: int) -> dict[str, Any]:
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            raise self._wrong(number, "is no JSON") from None
        if not isinstance(found, dict) or found.keys() != _FIELDS.keys():
            raise self._wrong(number, f"is no event; needs {', '.join(_FIELDS)}")
        for name, kind in _FIELDS.items():
            if type(found[name]) is not kind:
                raise self._wrong(number, f"{name}: {shown(found[name])}: is of the wrong type")
        return found

    def _checked(self, event: Event, number: int) -> Event:
        for name, value, most in (
            ("cpu", event.cpu, _MOST_CPUS - 1),
            ("time_ns", event.time_ns, _LATEST_NS),
            ("pid", event.pid, _LARGEST_PID),
        ):
            if not 0 <= value <= most:
                raise self._wrong(number, f"{name}: {value}: needs a whole number from 0 to {most}")
        return event

    def _wrong(self, number: int, wrong: str) -> BadInput:
        return bad(self.path, f"line {number}: {wrong}")


def is_json(path: str | os.PathLike[str]) -> bool:
    """Whether the file's name says that its lines are JSON, as that of `--events` does."""
    return Path(os.fsdecode(path)).suffix.lower() in (".json", ".jsonl")
