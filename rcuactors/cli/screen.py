"""How a run is shown: as one JSON document, as plain text, or on a terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, Protocol

from ..context.violation import Violation
from ..engine.events import Sink
from ..errors import BadInput
from ..report.chosen_events import BeforeReports, ChosenEvents, Wanted
from ..report.eventlog import Tail
from ..report.text import SPLATS_SHOWN, head_line, result_lines
from ..runs.result import Result
from .output import StdoutEvents, print_json, print_lines

if TYPE_CHECKING:
    from rich.console import Console

_EVENTS_SHOWN: Final = 20
_BEFORE_A_REPORT: Final = 6


def with_error(document: dict[str, object], error: str | None) -> dict[str, object]:
    """The document, which says so itself if it is not all because of an error."""
    return document if error is None else {**document, "error": error}


class Screen(Protocol):
    """Shows one run. `sinks` want its events; `live` is whether a progress bar may be drawn meanwhile."""

    sinks: tuple[Sink, ...]
    live: bool

    def begin(self, so_far: Result) -> None:
        """Show that the run is about to start."""

    def reported(self, violation: Violation) -> None:
        """Hear of a report, after its event."""

    def end(self, result: Result, *, error: str | None) -> None:
        """Show a run that is over, or what was found until the error that ended it."""

    def end_with(self, document: dict[str, object], lines: list[str]) -> None:
        """Show a report of its own kind, given as data and as text."""

    def missed(self) -> BadInput | None:
        """Which events were asked for and did not come."""
        ...


class JsonScreen:
    """One document, at the end."""

    def __init__(self, *, live: bool) -> None:
        self.sinks: tuple[Sink, ...] = ()
        self.live = live

    def begin(self, so_far: Result) -> None:
        """Show nothing yet."""

    def reported(self, violation: Violation) -> None:
        """It stands in the document."""

    def end(self, result: Result, *, error: str | None) -> None:
        """Print all of it."""
        print_json(with_error(result.as_json(), error))

    def end_with(self, document: dict[str, object], _lines: list[str]) -> None:
        """Print the report as data."""
        print_json(document)

    def missed(self) -> BadInput | None:
        """None were asked for."""
        return None


class TextScreen:
    """What plain text and a terminal share: the events that somebody wants to see, as they come."""

    def __init__(self, wanted: Wanted | None, echo: Sink) -> None:
        self._chosen = ChosenEvents(wanted, echo) if wanted is not None else None
        self.sinks: tuple[Sink, ...] = (self._chosen,) if self._chosen is not None else ()

    def reported(self, violation: Violation) -> None:
        """Those around it may be wanted."""
        if self._chosen is not None:
            self._chosen.reported(violation)

    def missed(self) -> BadInput | None:
        """Which events were asked for and did not come."""
        return self._chosen.missed() if self._chosen is not None else None


class PlainScreen(TextScreen):
    """Text, for a file or a pipe."""

    def __init__(self, *, verbose: bool, wanted: Wanted | None) -> None:
        super().__init__(wanted, StdoutEvents())
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


class TerminalScreen(TextScreen):
    """Colours, figures first, and with each report the events that came before it; or all events as they come."""

    def __init__(self, *, verbose: bool, wanted: Wanted | None) -> None:
        from ..report import terminal  # noqa: PLC0415 - Rich is for those who have a terminal

        self._terminal = terminal
        self._console: Console = terminal.make_console(sys.stdout)
        super().__init__(wanted, terminal.Echo(self._console))
        self._tail = Tail(_EVENTS_SHOWN)
        self._before = BeforeReports(_BEFORE_A_REPORT, SPLATS_SHOWN)
        self._verbose = verbose
        if wanted is None:
            self.sinks = (self._tail, self._before)
        self.live = wanted is None and sys.stderr is not None and sys.stderr.isatty()

    def begin(self, so_far: Result) -> None:
        """Print the head line."""
        self._terminal.print_head(self._console, so_far)

    def reported(self, violation: Violation) -> None:
        """What came before it is shown with it."""
        super().reported(violation)
        self._before.reported(violation)

    def end(self, result: Result, *, error: str | None) -> None:
        """Print figures, the reports with what came before them, and the verdict."""
        every, so_far = self._verbose, error is not None
        self._terminal.print_result(self._console, result, every_splat=every, so_far=so_far, before=self._before.events)

    def end_with(self, _document: dict[str, object], lines: list[str]) -> None:
        """Print the event log's end, and the report as text."""
        self._terminal.print_events(self._console, self._tail.events, self._tail.dropped)
        self._terminal.print_lines(self._console, lines)


def open_screen(*, as_json: bool, verbose: bool, wanted: Wanted, story: bool = False) -> Screen:
    """Choose by what was asked and by where standard output goes. With a `story` no events are printed."""
    on_terminal = sys.stdout is not None and sys.stdout.isatty()
    if as_json:
        return JsonScreen(live=on_terminal and sys.stderr is not None and sys.stderr.isatty())
    events = wanted if (verbose or wanted) and not story else None
    kind = TerminalScreen if on_terminal else PlainScreen
    return kind(verbose=verbose, wanted=events)
