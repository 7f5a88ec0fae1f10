"""How a run is shown: as one JSON document, as plain text, or on a terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, Protocol

from ..engine.events import Sink
from ..report.eventlog import Tail
from ..report.text import head_line, result_lines
from ..runs.result import Result
from .output import StdoutEvents, print_json, print_lines

if TYPE_CHECKING:
    from rich.console import Console

_EVENTS_SHOWN: Final = 20


def with_error(document: dict[str, object], error: str | None) -> dict[str, object]:
    """The document, which says so itself if it is not all because of an error."""
    return document if error is None else {**document, "error": error}


class Screen(Protocol):
    """Shows one run. `sinks` want its events; `live` is whether a progress bar may be drawn meanwhile."""

    sinks: tuple[Sink, ...]
    live: bool

    def begin(self, so_far: Result) -> None:
        """Show that the run is about to start."""

    def end(self, result: Result, *, error: str | None) -> None:
        """Show a run that is over, or what was found until the error that ended it."""

    def end_with(self, document: dict[str, object], lines: list[str]) -> None:
        """Show a report of its own kind, given as data and as text."""


class JsonScreen:
    """One document, at the end."""

    def __init__(self, *, live: bool) -> None:
        self.sinks: tuple[Sink, ...] = ()
        self.live = live

    def begin(self, so_far: Result) -> None:
        """Show nothing yet."""

    def end(self, result: Result, *, error: str | None) -> None:
        """Print all of it."""
        print_json(with_error(result.as_json(), error))

    def end_with(self, document: dict[str, object], _lines: list[str]) -> None:
        """Print the report as data."""
        print_json(document)


class PlainScreen:
    """Text, for a file or a pipe."""

    def __init__(self, *, verbose: bool) -> None:
        self.sinks: tuple[Sink, ...] = (StdoutEvents(),) if verbose else ()
        self.live = False
        self._verbose = verbose

    def begin(self, so_far: Result) -> None:
        """Print the head line."""
        print_lines([head_line(so_far)])

    def end(self, result: Result, *, error: str | None) -> None:
        """Print splats, figures, verdict."""
        print_lines(result_lines(result, every_splat=self._verbose, so_far=error is not None))

    def end_with(self, _document: dict[str, object], lines: list[str]) -> None:
        """Print the report as text."""
        print_lines(lines)


class TerminalScreen:
    """Colours and an aligned event log: the end of it, or all of it as it comes."""

    def __init__(self, *, verbose: bool) -> None:
        from ..report import terminal  # noqa: PLC0415 - Rich is for those who have a terminal

        self._terminal = terminal
        self._console: Console = terminal.make_console(sys.stdout)
        self._tail = Tail(_EVENTS_SHOWN)
        self._verbose = verbose
        self.sinks: tuple[Sink, ...] = (terminal.Echo(self._console),) if verbose else (self._tail,)
        self.live = not verbose and sys.stderr is not None and sys.stderr.isatty()

    def begin(self, so_far: Result) -> None:
        """Print the head line."""
        self._terminal.print_head(self._console, so_far)

    def end(self, result: Result, *, error: str | None) -> None:
        """Print the event log's end, splats, figures, verdict."""
        self._terminal.print_events(self._console, self._tail.events, self._tail.dropped)
        self._terminal.print_result(self._console, result, every_splat=self._verbose, so_far=error is not None)

    def end_with(self, _document: dict[str, object], lines: list[str]) -> None:
        """Print the event log's end, and the report as text."""
        self._terminal.print_events(self._console, self._tail.events, self._tail.dropped)
        self._terminal.print_lines(self._console, lines)


def open_screen(*, as_json: bool, verbose: bool) -> Screen:
    """Choose by what was asked and by where standard output goes."""
    on_terminal = sys.stdout is not None and sys.stdout.isatty()
    if as_json:
        return JsonScreen(live=on_terminal and sys.stderr is not None and sys.stderr.isatty())
    return TerminalScreen(verbose=verbose) if on_terminal else PlainScreen(verbose=verbose)
