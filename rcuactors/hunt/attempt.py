"""What is run under many schedules: a scenario's run as a value, or whatever else can be run again and again.

An explorer asks for nothing else than this: run once, under that strategy. The pytest plugin has attempts of its own,
which call a test's function.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

import attrs

from ..engine.choice import Strategy
from ..engine.events import Sink
from ..runs import Result, RunOptions
from ..runs.plain import PlainRun
from ..runs.run import Listen
from ..runs.spec import RunSpec, ScenarioRef
from ..scenario import Scenario

Outcome = tuple[Result, Exception | None]
"""What a run left, and what it raised."""


class Attempt(Protocol):
    """Something that can be run under any schedule."""

    @property
    def spec(self) -> RunSpec:
        """What is run, as a value; it says everything but strategy and sinks."""
        ...

    def run(self, strategy: Strategy, seed: int, *sinks: Sink, listen: Listen | None = None) -> Outcome:
        """Run it. Raises NothingLeft, and what comes before the first step."""
        ...


@lru_cache(maxsize=8)
def _loaded(ref: ScenarioRef) -> Scenario:
    return ref.load()


def loaded(spec: RunSpec) -> Scenario:
    """The scenario of a run, loaded once."""
    return _loaded(spec.scenario)


def options_of(spec: RunSpec, strategy: Strategy, seed: int, *sinks: Sink) -> RunOptions:
    """How that run is made with another strategy. Nothing is heard of its events unless somebody takes them."""
    own = {field.name: getattr(spec, field.name) for field in attrs.fields(RunOptions)}
    return RunOptions(**{**own, "strategy": strategy, "seed": seed, "sinks": sinks, "events": bool(sinks)})


@attrs.frozen
class SpecAttempt:
    """A run as a value, loaded and run; without Trio if that does."""

    spec: RunSpec

    def run(self, strategy: Strategy, seed: int, *sinks: Sink, listen: Listen | None = None) -> Outcome:
        """As `Attempt.run`."""
        run = PlainRun(loaded(self.spec), options_of(self.spec, strategy, seed, *sinks))
        raised = run.attempt(listen)
        if raised is not None and not run.machine.conductor.steps:
            raise raised
        return run.result(), raised
