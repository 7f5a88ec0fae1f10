"""One run of a scenario: made of its options, run once, and read."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any, Final

import attrs
import trio

from ..builds import BUILDS, Build
from ..config import Config, with_settings
from ..context.violation import KernelBug
from ..engine.choice import Timed
from ..engine.clock import VirtualClock
from ..engine.events import CountSink, DigestSink, Sink
from ..eras import find_era
from ..errors import BadInput, bad_value, shown
from ..expectation import promised
from ..kapi import Kernel
from ..lab.surroundings import run_surrounded
from ..machine import Machine, Setup
from ..scenario import Body, Scenario, as_scenario, split_settings
from ..userfiles.blame import as_exception, blame_call, blame_design
from ..userfiles.designs import as_design
from ..userfiles.dropped import DroppedCoroutines
from .options import RunOptions
from .result import Result, collect
from .spec import RunSpec
from .watchdog import WATCHDOG, ctrl_c_anywhere

Script = Scenario | Body | RunSpec
"""What can be run: a scenario, an async function that takes the kernel, or a run as a value."""

Listen = Callable[[Machine], None]
"""Called with each machine before it runs; may listen to its probes."""


_ONE_RUN: Final = (500_000, 50, 100)
"""A run holds up to millions of live objects, and most of what it leaves is one cycle, the machine: what is looked at
before that is garbage is looked at in vain."""

_MANY_RUNS: Final = (5_000, 50, 100)
"""Of short runs each leaves some hundreds of objects: what a few have left is still in the processor's cache, and is
used again; what six hundred have left is not, and takes twice as long to look at."""

_patient: Final[list[tuple[int, int, int]]] = []
"""What the collector is told to do, by who has asked for patience first."""


@contextmanager
def patient_collector(*, many_runs: bool = False) -> Iterator[None]:
    """Let Python look for reference cycles less often meanwhile; within another one, as that has it."""
    if _patient:
        yield
        return
    before, wanted = gc.get_threshold(), _MANY_RUNS if many_runs else _ONE_RUN
    _patient.append((max(before[0], wanted[0]), max(before[1], wanted[1]), max(before[2], wanted[2])))
    gc.set_threshold(*_patient[0])
    try:
        yield
    finally:
        _patient.clear()
        gc.set_threshold(*before)


Texts = tuple[tuple[str, str], ...]


@lru_cache(maxsize=64)
def _configuration(settings: Texts) -> Config:
    """The kernel's configuration; an explorer asks for the same one again and again."""
    return with_settings(Config(), dict(settings))


_NOTED: Final = 5
"""Reports that an error carries with it."""


def setup_of(
    options: RunOptions, settings: Mapping[str, str], *, sinks: tuple[Sink, ...] = (), surrounded: bool = False
) -> Setup:
    """A run's options as what a machine is made of. `settings` are the configuration's; events go to `sinks`, too.

    `surrounded`: what is run is a scenario, which may have surroundings (lab/surroundings.py).

    Raises BadInput when an option names what does not exist, or has a value out of its range.
    """
    config = _configuration(tuple(settings.items()))
    if config.surroundings and not surrounded:
        raise bad_value(f"{config.surroundings[0]}=y", "a scenario, which alone has such surroundings")
    return Setup(
        era=find_era(options.kernel),
        config=config,
        design=as_design(options.design) if options.design is not None else None,
        strategy=options.make_strategy(),
        seed=options.seed,
        costs=options.costs,
        max_steps=options.max_steps,
        sinks=(*sinks, *options.sinks) if options.events else (),
    )


class Run:
    """One run of a scenario: made, run once, and read.

    `words` are fields of `RunOptions`, such as kernel="v5.9" or strategy="random", or else configuration names or
    parameters of the scenario, such as PREEMPT_RT=True; they win over the options. A `RunSpec` brings its own options.

    Raises BadInput when an option names what does not exist, or has a value out of its range. What a run raises has
    the first reports that were made before as a note (`__notes__`); `result()` has all that was found.
    """

    def __init__(self, script: Script, options: RunOptions | None = None, /, **words: object) -> None:
        if not isinstance(options, RunOptions | None):
            raise bad_value(f"options {shown(options)}", "RunOptions; single ones are given by name, as kernel=...")
        if isinstance(script, RunSpec):
            chosen, options = script.scenario.load(), options or script
        else:
            chosen = as_scenario(script)
        self.scenario = chosen
        self.options = options = (options or RunOptions()).given(words)
        config_settings, self._parameters = split_settings(chosen, options.settings)
        self._heard = self._own_sink()
        try:
            setup = setup_of(options, {**chosen.settings, **config_settings}, sinks=(self._heard,), surrounded=True)
            if chosen.early_boot and setup.config.surroundings:
                raise bad_value(f"{setup.config.surroundings[0]}=y", "a scenario that begins when the scheduler runs")
        except BadInput as error:
            own = {name: value for name, value in chosen.settings.items() if name not in config_settings}
            if any(str(error).startswith(f"{name}={value}:") for name, value in own.items()):
                raise BadInput(f"scenario {chosen.name}: {error}") from None
            raise
        self.machine = Machine(attrs.evolve(setup, early_boot=chosen.early_boot, **self._how(setup)))

    def _own_sink(self) -> CountSink:
        """What hears of every event."""
        return DigestSink()

    def _how(self, _setup: Setup) -> dict[str, Any]:
        """What of that is to be another, for the machine to be run in this way."""
        return {}

    @property
    def spec(self) -> RunSpec:
        """This run as a value. Raises BadInput when a part of it is in this process only."""
        return RunSpec.of(self.scenario, self.options)

    async def _main(self) -> None:
        if self.machine.setup.config.surroundings:
            await run_surrounded(self.machine, partial(self.scenario.body, **self._parameters))
        else:
            await self.scenario.body(Kernel(self.machine), **self._parameters)

    def run(self) -> Result:
        """Run under our own `trio.run` in virtual time.

        Raises what the scenario raises, and the first KernelBug under panic_on_warn; ScenarioError for a call of the
        scenario's that was not right.
        """
        self.go()
        return self.result()

    def go(self, listen: Listen | None = None) -> None:
        """The same, for who asks for the result later, or not at all. `listen` is called with the machine before."""
        if listen is not None:
            listen(self.machine)
        with patient_collector(), self._nothing_dropped():
            trio.run(self._until_ctrl_c, clock=VirtualClock(), restrict_keyboard_interrupt_to_checkpoints=True)

    def attempt(self, listen: Listen | None = None) -> Exception | None:
        """The same, for who makes many runs: what it raised, whatever that is. None: it came to its end.

        A scenario that would end the program (`sys.exit()`) has ended its run only: a ScenarioError says where. Raises
        KeyboardInterrupt.
        """
        try:
            self.go(listen)
        except BaseException as error:
            return as_exception(self.scenario, error)
        return None

    async def arun(self) -> Result:
        """The same inside somebody else's `trio.run`, on its clock.

        Cancelled from outside, it is over at once, and `result()` has what was found until then.
        """
        with self._nothing_dropped():
            await self._arun()
        return self.result()

    @contextmanager
    def _nothing_dropped(self) -> Iterator[None]:
        """Raises ScenarioError at the end where a call was not awaited: what it was for has not been done."""
        dropped = DroppedCoroutines()
        with dropped.noticed(self.scenario.body):
            yield
        if dropped.error is not None:
            self._note_reports(dropped.error)
            raise dropped.error

    async def _until_ctrl_c(self) -> None:
        with ctrl_c_anywhere():
            await self._arun()

    async def _arun(self) -> None:
        try:
            with WATCHDOG.watching(self.machine.conductor):
                await self.machine.arun(self._main, self.scenario.name)
        except BaseException as error:
            blamed = self._blamed(error)
            if blamed is not error:
                raise blamed from blamed.__cause__
            raise

    def _blamed(self, error: BaseException) -> BaseException:
        """What is raised for an error that ended the run."""
        blamed = blame_call(blame_design(error))
        if isinstance(blamed, Exception):
            self._note_reports(blamed)
        return blamed

    def _note_reports(self, error: Exception) -> None:
        """Have an error tell what was reported before it: nobody who only sees the error shall miss that."""
        reporter = self.machine.reporter
        if isinstance(error, KernelBug) or not reporter.count:
            return
        shown = [violation.text for violation in reporter.violations[:_NOTED]]
        left = reporter.count - len(shown)
        more = [f"... and {left:,} more"] if left else []
        error.add_note("\n\n".join(["Reported before that:", *shown, *more]))

    def _promised(self) -> str | None:
        """What the scenario promises of this run: as it stands, in order of time, on a kernel of which it says so."""
        chosen, setup = self.scenario, self.machine.setup
        if not chosen.expect or self._parameters != chosen.parameters:
            return None
        if setup.strategy.name != Timed.name or setup.costs.changed():
            return None
        build = next((build for build in BUILDS.values() if _is_build(setup.config, chosen, build)), None)
        design = self.options.design
        if build is None or not isinstance(design, str | None):
            return None
        own = None if design == setup.era.design else design
        return promised(chosen.expect, setup.era.name, build.name, own)

    def result(self) -> Result:
        """What the run left, so far if it did not end well."""
        on = self.machine.setup.sinks
        return collect(
            self.machine,
            scenario=self.scenario.name,
            parameters=self._parameters,
            expected=self._promised(),
            events=self._heard.count,
            digest=self._heard.hexdigest() if on and isinstance(self._heard, DigestSink) else None,
        )


def _is_build(config: Config, chosen: Scenario, build: Build) -> bool:
    """Whether that is what a scenario is run with in that build."""
    return config == _configuration(tuple({**chosen.settings, **build.settings}.items()))


def run(script: Script, options: RunOptions | None = None, /, **words: object) -> Result:
    """Run a scenario, or a plain async function that takes the kernel, and return its result.

    Arguments are as of `Run`. Raises BadInput for an option or setting that is wrong, what the scenario raises, and the
    first KernelBug under panic_on_warn.
    """
    with patient_collector():
        return Run(script, options, **words).run()
