"""Scenarios: short async Python files that read like the C they stand for, and how one is run.

A scenario is an async function that takes a `Kernel` and, as keyword arguments with defaults, its parameters. The
decorator gives it a name, the configuration that it needs, and the table of expected outcomes that a test holds it
to.
"""

from __future__ import annotations

import gc
import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import attrs
import trio

from .config import Config, value_text, with_settings
from .context.violation import KernelBug
from .design_loading import DesignChoice
from .engine.choice import Strategy, Timed
from .engine.clock import VirtualClock
from .engine.events import DigestSink, Sink
from .engine.line import DEFAULT_MAX_STEPS
from .eras import DEFAULT_ERA, find_era
from .errors import BadInput
from .kapi import Kernel
from .kernel.costs import CostModel
from .machine import Machine, Setup
from .result import Result, collect

Body = Callable[..., Awaitable[None]]

PRESETS: Final[dict[str, dict[str, str]]] = {
    "plain": {},
    "prove": {"PROVE_RAW_LOCK_NESTING": "y"},
    "rt": {"PREEMPT_RT": "y"},
}
"""The three kernels that every scenario is held to."""

KERNELS: Final[dict[str, tuple[str, str | None]]] = {
    "v5.9": ("v5.9", None),
    "v5.9 direct": ("v5.9", "direct"),
    "v5.11": ("v5.11", None),
}
"""The kernels that every scenario is held to, v5.9 also without its PREEMPT_RT exemption: label -> (kernel, design)."""

Expectation = Mapping[str, Mapping[str, str]]
"""label of KERNELS -> name of PRESETS -> 'clean', or the kinds of violation in the order of their first report."""


@attrs.frozen(kw_only=True)
class Scenario:
    """What to run, and what is expected of it.

    `parameters` are the body's keyword arguments with their defaults. `settings` are the configuration that it needs,
    by name, unless the user says otherwise. `early_boot` has it begin before the scheduler runs.
    """

    name: str
    about: str
    body: Body
    parameters: dict[str, Any]
    settings: dict[str, str]
    early_boot: bool
    expect: Expectation


def scenario(
    *, expect: Expectation | None = None, settings: Mapping[str, str] | None = None, early_boot: bool = False
) -> Callable[[Body], Scenario]:
    """Make a scenario of an async function.

    `settings` and `early_boot` are as in `Scenario`; `expect` says what the run finds on each kernel and preset.

    Raises BadInput when the function, its parameters or the table are not of the right form.
    """

    def make(body: Body) -> Scenario:
        name = getattr(body, "__name__", "scenario")
        if not inspect.iscoroutinefunction(body):
            raise BadInput(f"scenario {name}: needs an `async def` function")
        documented = inspect.getdoc(inspect.getmodule(body)) or inspect.getdoc(body) or ""
        return Scenario(
            name=name,
            about=documented.partition("\n")[0].removeprefix(f"{name}: "),
            body=body,
            parameters=_parameters_of(name, body),
            settings=dict(settings or {}),
            early_boot=early_boot,
            expect=_checked(name, expect or {}),
        )

    return make


def _parameters_of(name: str, body: Body) -> dict[str, Any]:
    signature = list(inspect.signature(body).parameters.values())
    if not signature:
        raise BadInput(f"scenario {name}: needs the kernel as its first argument")
    found: dict[str, Any] = {}
    for parameter in signature[1:]:
        if not isinstance(parameter.default, bool | int | str):
            raise BadInput(
                f"scenario {name}: parameter {parameter.name} needs a default that is a number, a text or True or False"
            )
        found[parameter.name] = parameter.default
    return found


def _checked(name: str, expect: Expectation) -> Expectation:
    for label, row in expect.items():
        if label not in KERNELS or set(row) - set(PRESETS):
            raise BadInput(
                f"scenario {name}: expectation for {label} {sorted(row)}: "
                f"rows are {list(KERNELS)}, columns {list(PRESETS)}"
            )
    return expect


def split_settings(chosen: Scenario, settings: Mapping[str, str]) -> tuple[dict[str, str], dict[str, Any]]:
    """Tell the configuration's names from the scenario's parameters.

    Returns the configuration's settings as text, and every parameter with its value. Raises BadInput for a parameter
    of the wrong type.
    """
    config: dict[str, str] = {}
    parameters = dict(chosen.parameters)
    for name, text in settings.items():
        if name in chosen.parameters:
            parameters[name] = _parse_parameter(name, text, chosen.parameters[name])
        else:
            config[name] = text
    return config, parameters


_LONGEST_NUMBER: Final = 18


def _parse_parameter(name: str, text: str, default: object) -> Any:
    if isinstance(default, bool):
        if text.lower() not in ("y", "n"):
            raise BadInput(f"{name}={text}: needs y or n")
        return text.lower() == "y"
    if isinstance(default, int):
        # int() refuses texts of thousands of digits with an error of its own
        if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER):
            raise BadInput(f"{name}={text}: needs a whole number, 0 or more, of at most {_LONGEST_NUMBER} digits")
        return int(text)
    return text


@attrs.frozen(kw_only=True)
class RunOptions:
    """How to run a scenario.

    `settings` maps names of the configuration, or of the scenario's parameters, to values as text. `design` is the
    version's own unless given: a bundled one's name, the path of a file that holds one, or an object. `max_steps`
    bounds the run; without `events` nothing is told to `sinks`.
    """

    kernel: str = DEFAULT_ERA
    design: DesignChoice | None = None
    settings: Mapping[str, str] = attrs.field(factory=dict)
    strategy: Strategy = attrs.field(factory=Timed)
    seed: int = 0
    costs: CostModel = attrs.field(factory=CostModel)
    max_steps: int = DEFAULT_MAX_STEPS
    events: bool = True
    sinks: tuple[Sink, ...] = ()


@contextmanager
def patient_collector() -> Iterator[None]:
    """Let Python look for reference cycles less often meanwhile.

    A run holds up to millions of live objects and makes next to no cycles. Around many short runs it saves a look
    after each of them.
    """
    before = gc.get_threshold()
    gc.set_threshold(max(before[0], 500_000), max(before[1], 50), max(before[2], 100))
    try:
        yield
    finally:
        gc.set_threshold(*before)


_NOTED: Final = 5
"""Reports that an error carries with it."""


class Run:
    """One run of a scenario: made, run once, and read.

    Raises BadInput when an option names what does not exist, or has a value out of its range. What a run raises has
    the first reports that were made before as a note (`__notes__`); `result()` has all that was found.
    """

    def __init__(self, chosen: Scenario, options: RunOptions) -> None:
        config_settings, self._parameters = split_settings(chosen, options.settings)
        config = with_settings(with_settings(Config(), chosen.settings), config_settings)
        self._digest = DigestSink()
        self.scenario = chosen
        self.machine = Machine(
            Setup(
                era=find_era(options.kernel),
                config=config,
                design=options.design,
                strategy=options.strategy,
                seed=options.seed,
                costs=options.costs,
                max_steps=options.max_steps,
                early_boot=chosen.early_boot,
                sinks=(self._digest, *options.sinks) if options.events else (),
            )
        )

    async def _main(self) -> None:
        await self.scenario.body(Kernel(self.machine), **self._parameters)

    def run(self) -> Result:
        """Run under our own `trio.run` in virtual time.

        Raises what the scenario raises, and the first KernelBug under panic_on_warn.
        """
        with patient_collector():
            trio.run(self._arun, clock=VirtualClock(), restrict_keyboard_interrupt_to_checkpoints=True)
        return self.result()

    async def arun(self) -> Result:
        """The same inside somebody else's `trio.run`, on its clock.

        Cancelled from outside, it is over at once, and `result()` has what was found until then.
        """
        await self._arun()
        return self.result()

    async def _arun(self) -> None:
        try:
            await self.machine.arun(self._main, self.scenario.name)
        except Exception as error:
            self._note_reports(error)
            raise

    def _note_reports(self, error: Exception) -> None:
        """Have an error tell what was reported before it: nobody who only sees the error shall miss that."""
        reporter = self.machine.reporter
        if isinstance(error, KernelBug) or not reporter.count:
            return
        shown = [violation.text for violation in reporter.violations[:_NOTED]]
        left = reporter.count - len(shown)
        more = [f"... and {left:,} more"] if left else []
        error.add_note("\n\n".join(["Reported before that:", *shown, *more]))

    def result(self) -> Result:
        """What the run left, so far if it did not end well."""
        on = self.machine.setup.sinks
        return collect(
            self.machine,
            scenario=self.scenario.name,
            parameters=self._parameters,
            events=self._digest.count,
            digest=self._digest.hexdigest() if on else None,
        )


def run(chosen: Scenario, options: RunOptions | None = None, **settings: object) -> Result:
    """Run a scenario and return its result.

    `settings` are configuration names or parameters, such as PREEMPT_RT="y"; they win over those of the options.
    Raises BadInput for an option or setting that is wrong, what the scenario raises, and the first KernelBug under
    panic_on_warn.
    """
    chosen_options = options or RunOptions()
    merged = {**chosen_options.settings, **{name: value_text(value) for name, value in settings.items()}}
    return Run(chosen, attrs.evolve(chosen_options, settings=merged)).run()
