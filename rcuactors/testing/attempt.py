"""A test as what is run under many schedules: its function is called again, and the run that it makes is decided.

A test makes one run a call: by taking the kernel (`async def test_it(k)`), by `rcu_lab`, or by `rcu_run`. What it was
called with is the same in each call; what its fixtures made is made once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs
import trio

from ..engine.choice import Strategy
from ..engine.clock import VirtualClock
from ..engine.events import Sink
from ..errors import BadInput, shown
from ..hunt.attempt import Number, Outcome
from ..runs import Run, RunOptions
from ..runs.plain import PlainRun
from ..runs.run import Listen, Script
from ..runs.spec import RunSpec, ScenarioRef
from ..scenario import Scenario
from .now import NOW

_DECIDED: Final = ("strategy", "seed", "sinks", "events")
"""What a schedule says of a run, and the test therefore not."""


@attrs.frozen
class _Order:
    """The next run shall be made so."""

    strategy: Strategy
    seed: int
    sinks: tuple[Sink, ...]
    listen: Listen | None


@attrs.define(eq=False)
class TestAttempt:
    """A test's function, called under schedules. `options` are those of the mark."""

    __test__ = False

    name: str
    call: Callable[[], object]
    ref: ScenarioRef
    options: RunOptions
    _order: _Order | None = None
    _made: Run | None = None
    _spec: RunSpec | None = None

    @property
    def spec(self) -> RunSpec:
        """The run that the test made last, as a value."""
        return self._spec or self._spec_of(self.options)

    def run(self, strategy: Strategy, seed: int, *sinks: Sink, listen: Listen | None = None) -> Outcome:
        """Call the function. Raises BadInput if it makes no run, or more than one; what comes before the first step."""
        self._order, self._made = _Order(strategy, seed, sinks, listen), None
        raised: Exception | None = None
        NOW.maker = self
        try:
            self.call()
        except Exception as error:
            raised = error
        finally:
            NOW.maker = None
        if raised is not None and (self._made is None or not self._made.machine.conductor.steps):
            raise raised
        if self._made is None:
            raise BadInput(f"{self.name}: makes no run, so it has no schedules")
        return self._made.result(), raised

    def numbers(self) -> Mapping[str, Number]:
        """None: what a test is called with is the test's."""
        return {}

    def with_number(self, name: str, number: int) -> TestAttempt:
        """As `Attempt.with_number`; there is none to ask for."""
        raise LookupError(name, number)

    def prepare(self, script: Script, options: RunOptions | None, words: Mapping[str, object]) -> Run:
        """The run that the test makes, under the schedule."""
        for word in _DECIDED:
            if word in words:
                raise BadInput(f"{word}={shown(words[word])}: a test that is explored leaves that to the schedules")
        return self._make(Run, script, (options or RunOptions()).given(words))

    def run_kernel(self, scenario: Scenario) -> None:
        """Run what takes the kernel, with the options of the mark; without Trio if that does."""
        run = self._make(PlainRun, scenario, self.options)
        assert isinstance(run, PlainRun)
        assert self._order is not None
        run.go(self._order.listen)

    def _make(self, kind: type[Run], script: Script, options: RunOptions) -> Run:
        order = self._order
        if order is None or self._made is not None:
            raise BadInput(f"{self.name}: makes more than one run; a schedule is of one")
        self._spec = self._spec_of(options)
        self._made = run = kind(
            script,
            attrs.evolve(
                options, strategy=order.strategy, seed=order.seed, sinks=order.sinks, events=bool(order.sinks)
            ),
        )
        if order.listen is not None and kind is Run:
            order.listen(run.machine)
        return run

    def _spec_of(self, options: RunOptions) -> RunSpec:
        own: dict[str, Any] = {field.name: getattr(options, field.name) for field in attrs.fields(RunOptions)}
        if own["design"] is not None and not isinstance(own["design"], str):
            own["design"] = str(getattr(own["design"], "name", type(own["design"]).__name__))
        return RunSpec(**{**own, "strategy": "timed", "sinks": (), "events": True, "scenario": self.ref})


def run_async(function: Callable[..., Any], arguments: Mapping[str, object]) -> object:
    """Call an async test that makes its run by `rcu_run`: in a `trio.run` of its own, on a new clock if it has one."""
    clocks = {name: VirtualClock() for name, value in arguments.items() if isinstance(value, VirtualClock)}
    clock = next(iter(clocks.values()), None)

    async def call() -> object:
        return await function(**{**arguments, **clocks})

    return trio.run(call, clock=clock)
