"""The pytest plugin: scenarios in tests, in virtual time.

`rcu_lab` runs a scenario from an ordinary test, with a `trio.run` of its own. `rcu_run` runs one inside a pytest-trio
test, beside the test's own tasks; with `virtual_clock` in the same test, Trio's own waits are in virtual time too.
Both take a `Scenario` or a plain `async def f(k)`.
The entry point `rcuactors` registers this module wherever the package is installed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from .config import value_text
from .design_loading import DesignChoice
from .engine.choice import Strategy, Timed
from .engine.clock import VirtualClock
from .engine.conductor import DEFAULT_MAX_STEPS
from .engine.events import Sink
from .eras import DEFAULT_ERA
from .explore import make_strategy
from .result import Result
from .scenario import Run, RunOptions, Scenario, scenario

Script = Scenario | Callable[..., Awaitable[None]]
"""What can be run: a scenario, or an async function that takes the kernel."""

AsyncRun = Callable[..., Awaitable[Result]]
"""What the fixture `rcu_run` is; the arguments are those of `RcuLab.prepare`."""


class RcuLab:
    """What the fixture `rcu_lab` is: makes runs, and runs them."""

    def prepare(
        self,
        script: Script,
        *,
        kernel: str = DEFAULT_ERA,
        design: DesignChoice | None = None,
        seed: int = 0,
        strategy: Strategy | str | None = None,
        max_steps: int = DEFAULT_MAX_STEPS,
        sinks: tuple[Sink, ...] = (),
        **settings: object,
    ) -> Run:
        """Make a run without starting it, for a test that looks into its `machine`.

        `settings` are configuration names or parameters of the scenario; True and False stand for y and n.
        """
        if isinstance(strategy, str):
            strategy = make_strategy(strategy)
        options = RunOptions(
            kernel=kernel,
            design=design,
            settings={name: value_text(value) for name, value in settings.items()},
            strategy=strategy or Timed(),
            seed=seed,
            max_steps=max_steps,
            sinks=sinks,
        )
        return Run(script if isinstance(script, Scenario) else scenario()(script), options)

    def run(self, script: Script, **options: Any) -> Result:
        """Make the run and run it. Raises what the script raises, and the first KernelBug under panic_on_warn."""
        return self.prepare(script, **options).run()


@pytest.fixture
def virtual_clock() -> VirtualClock:
    """Virtual time for the test's `trio.run`: pytest-trio takes a clock among a test's fixtures as the run's."""
    return VirtualClock()


@pytest.fixture
def rcu_lab() -> RcuLab:
    """Run scenarios from an ordinary test."""
    return RcuLab()


@pytest.fixture
def rcu_run(rcu_lab: RcuLab) -> AsyncRun:
    """Run scenarios inside a trio test."""

    async def run_here(script: Script, **options: Any) -> Result:
        return await rcu_lab.prepare(script, **options).arun()

    return run_here
