"""The same contents on a terminal."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from rcuactors.context.violation import Violation
from rcuactors.engine.events import Event
from rcuactors.report import terminal
from rcuactors.report.text import result_lines
from rcuactors.runs.result import Result

Made = Callable[..., Result]


def _console(*, colours: bool) -> Console:
    console = terminal.make_console(io.StringIO())
    return Console(file=console.file, force_terminal=colours, width=40, soft_wrap=True, markup=False, highlight=False)


def _written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def _event(text: str = "text", name: str = "kvfree_call_rcu") -> Event:
    return Event(1_000_002_999, 3, "task", 12, "d..1.", name, text)


def test_without_colours_it_is_the_plain_text(made: Made, violation: Violation) -> None:
    result, console = made(violations=(violation,), violation_count=1, digest="d" * 64), _console(colours=False)
    terminal.print_result(console, result)
    # Figures come first here.
    assert sorted(filter(None, _written(console).splitlines())) == sorted(filter(None, result_lines(result)))
    assert _written(console).splitlines()[0].startswith("calls ")


def test_colours_change_no_character(made: Made, violation: Violation) -> None:
    result, console = made(violations=(violation,) * 25, violation_count=25), _console(colours=True)
    terminal.print_result(console, result, so_far=True)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", _written(console)).splitlines()
    assert sorted(filter(None, plain)) == sorted(filter(None, result_lines(result, so_far=True)))


@pytest.mark.parametrize(("count", "colour"), [(0, "32"), (1, "31")])
def test_the_verdicts_colour(made: Made, violation: Violation, count: int, colour: str) -> None:
    console = _console(colours=True)
    terminal.print_result(console, made(violations=(violation,) * count, violation_count=count))
    assert f"\x1b[1;{colour}m" in _written(console).splitlines()[-1]


def test_an_event_stands_in_columns_and_is_not_cut() -> None:
    long = "x" * 200
    assert terminal.event_text(_event(long)).plain == (
        f"    1.000002 [003] d..1. task-12              kvfree_call_rcu                {long}"
    )
    console = _console(colours=False)
    terminal.Echo(console).take(_event(long))
    assert _written(console).splitlines() == [terminal.event_text(_event(long)).plain]


def test_names_that_look_like_markup_are_left_alone() -> None:
    console = terminal.make_console(io.StringIO())
    terminal.print_lines(console, ["[bold]not markup[/bold] :smile:"])
    assert _written(console) == "[bold]not markup[/bold] :smile:\n"


def test_the_end_of_the_log_says_what_came_before() -> None:
    console = _console(colours=False)
    terminal.print_events(console, [_event()], dropped=1200)
    terminal.print_events(console, [], dropped=0)
    lines = _written(console).splitlines()
    assert lines == ["... 1,200 events before these (-v prints all)", terminal.event_text(_event()).plain]


def test_the_bar_shows_its_text_and_goes() -> None:
    out = io.StringIO()
    with terminal.Bar(out) as bar:
        bar.show("12 steps")
    assert "12 steps" not in out.getvalue(), "a bar is for terminals"


def test_whatever_is_coloured_goes_through_one_console(package: Path) -> None:
    """So that what is said of NO_COLOR is true of every command."""
    sources = {path.relative_to(package).as_posix(): path.read_text(encoding="utf-8") for path in package.rglob("*.py")}

    def having(pattern: str) -> set[str]:
        return {name for name, source in sources.items() if re.search(pattern, source, re.MULTILINE)}

    assert having(r"^(?:from|import) rich\b") == {"report/terminal.py", "report/live.py"}
    assert having(r"(?<!\w)Console\(") == {"report/terminal.py"}
    assert having(r"\\x1b\[|\\033\[|click\.(?:style|secho)") == set()


@pytest.mark.parametrize(("value", "none"), [("1", True), ("", False), (None, False)])
def test_no_color_is_what_it_says_when_it_says_something(
    monkeypatch: pytest.MonkeyPatch, value: str | None, none: bool
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    if value is not None:
        monkeypatch.setenv("NO_COLOR", value)
    assert terminal.make_console(io.StringIO()).no_color is none
