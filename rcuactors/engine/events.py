"""The event stream: what a run leaves behind, one event a line, in the text form of ftrace.

An event carries virtual time, CPU, task and context flags as the kernel's tracer prints them. Sinks take events as
they come; the digest over all of them is what two runs are compared by. With no sink an emitter costs one attribute
test.
"""

from __future__ import annotations

import hashlib
import json
from typing import Protocol, TextIO

import attrs

from .probe import EndedBy, Probe


@attrs.frozen
class Event:
    """One event. `time_ns` is virtual; `flags` is ftrace's five-character context column."""

    time_ns: int
    cpu: int
    comm: str
    pid: int
    flags: str
    name: str
    text: str

    def line(self) -> str:
        """The event as ftrace prints it. Microseconds are cut off, as in the kernel's log; ftrace rounds them."""
        seconds, rest = divmod(self.time_ns, 1_000_000_000)
        return (
            f"{self.comm:>16}-{self.pid:<7} [{self.cpu:03d}] {self.flags} {seconds:5d}.{rest // 1000:06d}: "
            f"{self.name}: {self.text}"
        )

    def json_line(self) -> str:
        """The event as one JSON object, with nanoseconds."""
        return json.dumps(attrs.asdict(self), separators=(",", ":"))


class Sink(Protocol):
    """Somebody who takes events as they come."""

    def take(self, event: Event) -> None:
        """Take one event."""


class CountSink:
    """How many there were."""

    def __init__(self) -> None:
        self.count = 0

    def take(self, _event: Event) -> None:
        """Count one event."""
        self.count += 1


class DigestSink(CountSink):
    """SHA-256 over every field of every event."""

    def __init__(self) -> None:
        super().__init__()
        self._hash = hashlib.sha256()

    def take(self, event: Event) -> None:
        """Add one event."""
        self.count += 1
        self._hash.update(f"{event.time_ns} {event.line()}\n".encode())

    def hexdigest(self) -> str:
        """The digest so far."""
        return self._hash.hexdigest()


class ListSink:
    """Keeps the events, for tests and for reading them afterwards."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def take(self, event: Event) -> None:
        """Keep one event."""
        self.events.append(event)


class TextSink:
    """Writes each event as a line: ftrace text, or JSON lines."""

    def __init__(self, out: TextIO, *, as_json: bool = False) -> None:
        self._out = out
        self._as_json = as_json

    def take(self, event: Event) -> None:
        """Write one event."""
        self._out.write((event.json_line() if self._as_json else event.line()) + "\n")


class EventStream(Probe[[Event]]):
    """Where the model's events go: to its sinks, and to who listens besides. Test `on` before building an event."""

    def __init__(self, sinks: tuple[Sink, ...] = (), ended_by: EndedBy | None = None) -> None:
        super().__init__(ended_by)
        for sink in sinks:
            self.listen(sink.take)

    def close(self) -> None:
        """Take no more: what unwinds after the end of a run is not part of it."""
        self.on = False
