"""Where output goes: standard output, whose reader may go away, and event files, which appear when whole."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any, Final, Self, TextIO

from ..engine.events import Event, TextSink
from .whole_file import OutputError, WholeFile

_JSON_SUFFIXES: Final = (".json", ".jsonl")


class ReaderGone(Exception):
    """Whoever read our standard output has closed it."""


@contextlib.contextmanager
def writing_stdout(*, flush: bool = True) -> Iterator[TextIO]:
    """Lend standard output; what goes wrong in writing to it is told apart from everything else."""
    out = sys.stdout
    if out is None:
        raise OutputError("standard output: is closed")
    if isinstance(out, io.TextIOWrapper) and out.errors != "backslashreplace":
        # What the user typed comes back in our lines, and need not fit the encoding.
        out.reconfigure(errors="backslashreplace")
    try:
        yield out
        if flush:
            out.flush()
    except BrokenPipeError:
        raise ReaderGone from None
    except OSError as error:
        silence(out)
        raise OutputError(f"standard output: cannot be written: {error.strerror or error}") from None


def silence(stream: TextIO) -> None:
    """Let what is still in the buffer go nowhere, or the interpreter would complain at its end."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def print_lines(lines: Iterable[str]) -> None:
    """Lines of text to standard output."""
    with writing_stdout() as out:
        out.writelines(f"{line}\n" for line in lines)


def print_json(document: Any) -> None:
    """One JSON document to standard output."""
    print_lines([json.dumps(document, indent=2)])


class StdoutEvents:
    """A sink: every event as a line of standard output, as it comes."""

    def take(self, event: Event) -> None:
        """Print one event."""
        with writing_stdout(flush=False) as out:
            out.write(f"{event.line()}\n")


class EventFile:
    """A file of events: ftrace text, or JSON lines when its name ends so. A context manager and a sink.

    A run that was not begun, and one whose events could not all be written, leave none; one that ended badly keeps
    its events.
    """

    def __init__(self, name: str) -> None:
        self.begun = False
        self._failed = False
        self._file = WholeFile("--events", name, hint="; -v prints the events")
        self._sink: TextSink | None = None

    def __enter__(self) -> Self:
        self._file.__enter__()
        self._sink = TextSink(self._file.stream, as_json=self._file.path.suffix.lower() in _JSON_SUFFIXES)
        return self

    def take(self, event: Event) -> None:
        """Write one event."""
        assert self._sink is not None
        try:
            self._sink.take(event)
        except OSError as error:
            self._failed = True
            raise self._file.cannot(error) from None

    def __exit__(self, *_exc: object) -> None:
        self.finish()

    def finish(self) -> None:
        """Close the file and give it its name. There is no more to come."""
        self._file.finish(keep=self.begun and not self._failed)
