"""The options that `run`, `replay` and scenario files share, and how they become `RunOptions`."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Final, TypeVar

import attrs
import click

from ..config import field_names, split_setting
from ..design_loading import find_design
from ..engine.choice import Timed
from ..engine.events import Sink
from ..engine.line import DEFAULT_MAX_STEPS
from ..eras import DEFAULT_ERA, find_era
from ..errors import BadInput
from ..explore import make_strategy
from ..kernel.costs import CostModel, load_costs
from ..scenario import RunOptions
from ..spelling import did_you_mean

_F = TypeVar("_F", bound=Callable[..., Any])

_LARGEST_SEED: Final = (1 << 64) - 1
_LARGEST_BOUND: Final = 10**15


def whole_number(low: int, high: int) -> Callable[[click.Context, click.Parameter, str], int]:
    """Make an option's callback that takes a whole number in plain digits."""

    def convert(_ctx: click.Context, param: click.Parameter, text: str) -> int:
        plain = text.isascii() and text.isdigit() and len(text) <= len(str(high))
        if not plain or not low <= int(text) <= high:
            raise BadInput(f"{param.opts[0]} {text}: needs a whole number from {low} to {high}")
        return int(text)

    return convert


_OPTIONS: Final = (
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
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="NAME=VALUE",
        help="A configuration name or a parameter of the scenario; repeatable.",
    ),
    click.option(
        "--strategy",
        default=Timed.name,
        show_default=True,
        metavar="NAME",
        help="Who answers the choice points.",
    ),
    click.option(
        "--seed",
        callback=whole_number(0, _LARGEST_SEED),
        default="0",
        metavar="NUMBER",
        show_default=True,
        help="Seed of the strategy.",
    ),
    click.option("--costs", metavar="FILE.toml", help="Virtual nanoseconds that replace those of the cost model."),
    click.option(
        "--max-steps",
        callback=whole_number(1, _LARGEST_BOUND),
        default=str(DEFAULT_MAX_STEPS),
        metavar="NUMBER",
        show_default=True,
        help="End a run that takes more steps.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else."),
    click.option(
        "--events",
        metavar="FILE",
        help="Write all events: ftrace text, or JSON lines to a .json or .jsonl file.",
    ),
    click.option("--panic-on-warn", is_flag=True, help="The first report ends the run."),
    click.option("-v", "--verbose", is_flag=True, help="Print all events as they come, and all reports."),
)


def run_options(function: _F) -> _F:
    """Give a command the options of a run."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@attrs.frozen(kw_only=True)
class RunArguments:
    """The options as they were given."""

    kernel: str
    design: str | None
    settings: tuple[str, ...]
    strategy: str
    seed: int
    costs: str | None
    max_steps: int
    as_json: bool
    events: str | None
    panic_on_warn: bool
    verbose: bool

    def __attrs_post_init__(self) -> None:
        if self.as_json and self.verbose:
            raise BadInput("--json and -v: only one of them; --events FILE writes the events beside a JSON result")

    def options(self, *, parameters: Collection[str], of: str) -> RunOptions:
        """Check them and return what they say. Raises BadInput.

        `parameters` are the names of `of` that can be set besides the configuration's.
        """
        find_era(self.kernel)
        if self.design is not None:
            find_design(self.design)
        return RunOptions(
            kernel=self.kernel,
            design=self.design,
            settings=self._settings(parameters, of),
            strategy=make_strategy(self.strategy),
            seed=self.seed,
            costs=load_costs(Path(self.costs)) if self.costs is not None else CostModel(),
            max_steps=self.max_steps,
        )

    def _settings(self, parameters: Collection[str], of: str) -> dict[str, str]:
        settings = dict(split_setting(setting) for setting in self.settings)
        known = (*parameters, *field_names())
        for name in settings:
            if name not in known:
                raise BadInput(f"--set {name}: no such name; {did_you_mean(name, known)}{_known(parameters, of)}")
        return settings | ({"panic_on_warn": "y"} if self.panic_on_warn else {})


def with_sinks(options: RunOptions, sinks: tuple[Sink, ...]) -> RunOptions:
    """Return the options with those who take the events."""
    return attrs.evolve(options, sinks=sinks)


def _known(parameters: Collection[str], of: str) -> str:
    own = f"{of} has the parameter{'' if len(parameters) == 1 else 's'} {', '.join(parameters)}; " if parameters else ""
    return f"{own}the configuration has {', '.join(field_names())}"
