"""The options that `run`, `replay` and scenario files share, and how they become `RunOptions`."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Final, TypeVar

import attrs
import click

from ..config import split_setting
from ..engine.choice import Timed
from ..engine.events import Sink
from ..engine.line import DEFAULT_MAX_STEPS
from ..eras import DEFAULT_ERA
from ..errors import BadInput, bad_value
from ..kernel.costs import load_costs
from ..report.chosen_events import Wanted
from ..runs.options import LARGEST_BOUND, LARGEST_SEED, RunOptions
from ..scenario import check_names
from .live import live_option
from .reporting import page_option

_F = TypeVar("_F", bound=Callable[..., Any])


def whole_number(low: int, high: int) -> Callable[[click.Context, click.Parameter, str], int]:
    """Make an option's callback that takes a whole number in plain digits."""

    def convert(_ctx: click.Context, param: click.Parameter, text: str) -> int:
        plain = text.isascii() and text.isdigit() and len(text) <= len(str(high))
        if not plain or not low <= int(text) <= high:
            raise bad_value(f"{param.opts[0]} {text}", f"a whole number from {low} to {high}")
        return int(text)

    return convert


def number_option(*names: str, low: int, high: int, default: int, help: str) -> Callable[[_F], _F]:  # noqa: A002 - as click
    """An option that is a whole number, with its default in the help text."""
    return click.option(
        *names,
        callback=whole_number(low, high),
        default=str(default),
        show_default=True,
        metavar="NUMBER",
        help=help,
    )


_MOST_JOBS: Final = 256

jobs_option: Final = click.option(
    "--jobs",
    callback=whole_number(1, _MOST_JOBS),
    default=str(min(os.cpu_count() or 1, _MOST_JOBS)),
    metavar="NUMBER",
    help="Processes to use (default: one for each CPU).",
)
"""Of every command that works over processes."""


settings_option: Final = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="A configuration name or a parameter of the scenario; repeatable.",
)
costs_option: Final = click.option(
    "--costs", metavar="FILE.toml", help="Virtual nanoseconds that replace those of the cost model."
)
max_steps_option: Final = number_option(
    "--max-steps", low=1, high=LARGEST_BOUND, default=DEFAULT_MAX_STEPS, help="End a run that takes more steps."
)

_MOST_CPUS: Final = 4096

_panic_option: Final = click.option("--panic-on-warn", is_flag=True, help="The first report ends the run.")

_WHAT_IS_RUN: Final = (
    click.option(
        "--kernel",
        default=DEFAULT_ERA,
        show_default=True,
        metavar="VERSION",
        help="The kernel version to model.",
    ),
    click.option(
        "--design",
        metavar="NAME|FILE",
        help="How it gets pages, if not as that version does: a name, or the file of a design of your own.",
    ),
    settings_option,
    click.option(
        "--strategy",
        default=Timed.name,
        show_default=True,
        metavar="NAME",
        help="Who answers the choice points.",
    ),
    number_option("--seed", low=0, high=LARGEST_SEED, default=0, help="Seed of the strategy."),
    costs_option,
    max_steps_option,
)

_OPTIONS: Final = (
    *_WHAT_IS_RUN,
    click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else."),
    click.option(
        "--events",
        metavar="FILE",
        help="Write all events: ftrace text, or JSON lines to a .json or .jsonl file.",
    ),
    page_option,
    _panic_option,
    click.option(
        "-v",
        "--verbose",
        is_flag=True,
        help="Print events as they come, but those of the page allocator, and all reports; and what led to the first.",
    ),
    click.option(
        "--story",
        is_flag=True,
        help="Tell the run in columns, one for each CPU; -e, --cpu and --around choose from it, -v leaves nothing out.",
    ),
    live_option("what each CPU does and holds"),
    click.option(
        "-e",
        "--event",
        "names",
        multiple=True,
        metavar="WORD",
        help="Print the events that have WORD in their name, the page allocator's too (mm_page); repeatable.",
    ),
    click.option(
        "--cpu",
        callback=lambda ctx, param, text: text and whole_number(0, _MOST_CPUS - 1)(ctx, param, text),
        metavar="NUMBER",
        help="Of the events print those of that CPU.",
    ),
    click.option(
        "--around",
        metavar="NUMBER|KIND",
        help="Of the events print the last ones before a report, by its number or kind, and the next ones.",
    ),
)


def run_options(function: _F) -> _F:
    """Give a command the options of a run."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def what_is_run_options(function: _F) -> _F:
    """Those that say what is run, for a command that shows a run in a way of its own."""
    for option in reversed((*_WHAT_IS_RUN, _panic_option)):
        function = option(function)
    return function


class RunArguments:
    """The options as they were given: how to show the run, and in `words` those that `RunOptions` has by that name.

    `wanted` are the events to print, if any are, or what to tell of in the `story`.
    """

    def __init__(
        self,
        *,
        settings: tuple[str, ...],
        costs: str | None,
        panic_on_warn: bool,
        as_json: bool = False,
        events: str | None = None,
        verbose: bool = False,
        story: bool = False,
        live: bool = False,
        names: tuple[str, ...] = (),
        cpu: int | None = None,
        around: str | None = None,
        report: str | None = None,
        **words: Any,
    ) -> None:
        self.wanted = Wanted(names=names, cpu=cpu, around=around or "")
        shows = {
            "-v": verbose,
            "--story": story,
            "--event": bool(names),
            "--cpu": cpu is not None,
            "--around": bool(around),
        }
        if as_json and any(shows.values()):
            option = next(name for name, given in shows.items() if given)
            raise BadInput(
                f"--json and {option}: only one of them; --events FILE writes the events beside a JSON result"
            )
        self.report = report
        if live and not story and (verbose or self.wanted):
            option = next(name for name, given in shows.items() if given)
            raise BadInput(f"--live and {option}: only one of them; with --story besides it is told at the end")
        self.as_json, self.events, self.verbose, self.story, self.live = as_json, events, verbose, story, live
        self._settings, self._costs, self._panic_on_warn = settings, costs, panic_on_warn
        self._words = words

    def options(self, *, parameters: Collection[str], of: str) -> RunOptions:
        """Check them and return what they say. Raises BadInput.

        `parameters` are the names of `of` that can be set besides the configuration's.
        """
        settings = dict(split_setting(setting) for setting in self._settings)
        check_names(settings, parameters, of, option="--set")
        if self._panic_on_warn:
            settings["panic_on_warn"] = "y"
        costs = load_costs(Path(self._costs)) if self._costs is not None else None
        return RunOptions(settings=settings, costs=costs, **self._words)


def with_sinks(options: RunOptions, sinks: tuple[Sink, ...]) -> RunOptions:
    """Return the options with those who take the events."""
    return attrs.evolve(options, sinks=sinks)
