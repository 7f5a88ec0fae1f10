"""A result on a terminal: the same contents as the plain text, in colours and with the event log aligned.

Rich is imported here and in live.py, and these only when there is a terminal.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from ..context.violation import Violation
from ..engine.events import Event
from ..runs.result import Result
from ..spelling import plural
from .figures import figure_rows
from .text import head_line, label_width, shown_splats, splat_lines, verdict

_COMM_WIDTH: Final = 20
_NAME_WIDTH: Final = 30

_STYLES: Final = (
    ("console", "bold red"),
    ("kvfree", "green"),
    ("rcu_invoke", "green"),
    ("kfree", "green"),
    ("rcu_", "cyan"),
    ("mm_", "yellow"),
    ("hrtimer", "magenta"),
    ("timer", "magenta"),
    ("workqueue", "blue"),
)


def make_console(out: TextIO) -> Console:
    """Make a console that leaves texts as they are: no markup, no guessing; no colours with NO_COLOR (no-color.org).

    Everything that is coloured goes through one. In what NO_COLOR= means, versions of Rich differ.
    """
    no_color = bool(os.environ.get("NO_COLOR"))
    return Console(file=out, markup=False, highlight=False, emoji=False, soft_wrap=True, no_color=no_color)


def _style_of(name: str) -> str:
    return next((style for prefix, style in _STYLES if name.startswith(prefix)), "")


def event_text(event: Event) -> Text:
    """One event in columns: time, CPU, context flags, task, name, text."""
    seconds, rest = divmod(event.time_ns, 1_000_000_000)
    return Text.assemble(
        (f"{seconds:5d}.{rest // 1000:06d} ", "dim"),
        (f"[{event.cpu:03d}] ", "bold"),
        f"{event.flags} ",
        (f"{event.comm}-{event.pid}".ljust(_COMM_WIDTH) + " ", "dim"),
        (event.name.ljust(_NAME_WIDTH) + " ", _style_of(event.name)),
        event.text,
    )


class Echo:
    """A sink that prints every event as it comes."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def take(self, event: Event) -> None:
        """Print one event."""
        self._console.print(event_text(event))


def print_head(console: Console, result: Result) -> None:
    """Print what is being run."""
    console.print(Text(head_line(result), style="bold"))


def print_events(console: Console, events: Iterable[Event], dropped: int) -> None:
    """Print the end of the event log, and how much came before it."""
    if dropped:
        console.print(Text(f"... {plural(dropped, 'event')} before these (-v prints all)", style="dim"))
    for event in events:
        console.print(event_text(event))


def print_splat(console: Console, violation: Violation) -> None:
    """Print one report, its head in bold."""
    for line in splat_lines(violation):
        bad = "BUG:" in line or "WARNING:" in line or line.endswith(violation.title)
        console.print(Text(line, style="bold red" if bad else "red"))
    console.print()


def print_result(
    console: Console,
    result: Result,
    *,
    every_splat: bool = False,
    so_far: bool = False,
    before: Sequence[Sequence[Event]] = (),
) -> None:
    """Print the figures, the splats with the events before each of them, the verdict."""
    rows = figure_rows(result)
    width = label_width(rows)
    for label, text in rows:
        console.print(Text.assemble((label.ljust(width), "cyan"), f"  {text}"))
    shown, more = shown_splats(result, every=every_splat)
    if shown:
        console.print()
    for number, violation in enumerate(shown):
        for event in before[number] if number < len(before) else ():
            console.print(event_text(event))
        print_splat(console, violation)
    if more:
        console.print(Text(f"{more}\n", style="red"))
    console.print(Text(verdict(result, so_far=so_far), style="bold green" if result.clean else "bold red"))


def print_styled(console: Console, lines: Iterable[Sequence[tuple[str, str]]], colours: Mapping[str, str]) -> None:
    """Print lines of pieces, each with the name of its style; `colours` says what Rich calls that."""
    for line in lines:
        text = Text.assemble(*((piece, colours.get(style, "")) for piece, style in line))
        text.rstrip()
        console.print(text)


def print_lines(console: Console, lines: Iterable[str]) -> None:
    """Print a report that is text already."""
    for line in lines:
        console.print(Text(line))


class Bar:
    """A bar without an end, since nobody knows how long a run takes, and a text. A context manager."""

    def __init__(self, out: TextIO) -> None:
        self._progress = Progress(
            BarColumn(bar_width=20),
            TextColumn("{task.description}", markup=False),
            console=make_console(out),
            transient=True,
            auto_refresh=False,
        )
        self._task = self._progress.add_task("", total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def show(self, text: str) -> None:
        """Draw it anew."""
        self._progress.update(self._task, description=text, refresh=True)

    def __exit__(self, *_exc: object) -> None:
        self._progress.stop()
