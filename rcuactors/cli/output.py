"""Where output goes: standard output, whose reader may go away, and event files, which appear when whole."""

from __future__ import annotations

import contextlib
import io
import json
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, Self, TextIO

from ..engine.events import Event, TextSink
from ..errors import BadInput

_JSON_SUFFIXES: Final = (".json", ".jsonl")


class ReaderGone(Exception):
    """Whoever read our standard output has closed it."""


@contextlib.contextmanager
def writing_stdout(*, flush: bool = True) -> Iterator[TextIO]:
    """Lend standard output; what goes wrong in writing to it is told apart from everything else."""
    out = sys.stdout
    if out is None:
        raise BadInput("standard output: is closed")
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
        silence_stdout()
        raise BadInput(f"standard output: cannot be written: {error.strerror or error}") from None


def silence_stdout() -> None:
    """Let what is still in the buffer go nowhere, or the interpreter would complain at its end."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
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

    It is written under another name beside its own and renamed at the end: an older file stays until there
    is a whole new one. A device or a pipe is written as it is. Nothing is left behind when the run was not
    begun or a write failed; a run that ended badly keeps its events.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.begun = False
        self._failed = False
        self._path = Path(name)
        self._temporary: Path | None = None
        self._out: TextIO | None = None
        self._sink: TextSink | None = None

    def _bad(self, wrong: str) -> BadInput:
        return BadInput(f"--events {self.name}: {wrong}")

    def _cannot(self, error: Exception) -> BadInput:
        said = error.strerror if isinstance(error, OSError) else None
        return self._bad(f"cannot be written: {said or error}")

    def __enter__(self) -> Self:
        try:
            self._open()
        except (OSError, ValueError) as error:  # a name with a NUL is a ValueError
            if isinstance(error, BadInput):
                raise
            raise self._cannot(error) from None
        return self

    def _open(self) -> None:
        if self.name in ("", "-"):
            raise self._bad("needs the name of a file; -v prints the events")
        self._path = Path(os.path.realpath(self.name))
        mode = self._path.stat().st_mode if self._path.exists() else None
        if self._path.is_dir():
            raise self._bad("is a directory; needs the name of a file")
        if mode is not None and not os.access(self._path, os.W_OK):
            raise self._bad("cannot be written: Permission denied")
        if mode is None or stat.S_ISREG(mode):
            self._temporary = self._path.with_name(f".{self._path.name[:200]}.{os.getpid()}.part")
        target = self._temporary or self._path
        self._out = target.open("w", encoding="utf-8", errors="backslashreplace")
        self._sink = TextSink(self._out, as_json=self._path.suffix.lower() in _JSON_SUFFIXES)

    def take(self, event: Event) -> None:
        """Write one event."""
        assert self._sink is not None
        try:
            self._sink.take(event)
        except OSError as error:
            self._failed = True
            raise self._cannot(error) from None

    def __exit__(self, *_exc: object) -> None:
        assert self._out is not None
        try:
            self._out.close()
            if self._temporary is not None and self.begun and not self._failed:
                self._temporary.replace(self._path)
        except OSError as error:
            raise self._cannot(error) from None
        finally:
            if self._temporary is not None:
                with contextlib.suppress(OSError):
                    self._temporary.unlink(missing_ok=True)
