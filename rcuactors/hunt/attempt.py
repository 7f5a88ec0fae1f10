"""What is run under many schedules: a scenario's run as a value, or whatever else can be run again and again.

An explorer asks for nothing else than this: run once, under that strategy. The pytest plugin has attempts of its own,
which call a test's function.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Protocol

import attrs

from ..config import Config
from ..context.lockdep.validated import Kept
from ..engine.choice import Strategy
from ..engine.events import Sink
from ..runs import Result, RunOptions
from ..runs.plain import PlainRun
from ..runs.run import Listen
from ..runs.spec import RunSpec, ScenarioRef
from ..scenario import Scenario

Outcome = tuple[Result, Exception | None]
"""What a run left, and what it raised."""


@attrs.frozen
class Number:
    """Something of a run that may be less, down to `least`."""

    now: int
    least: int


class Attempt(Protocol):
    """Something that can be run under any schedule."""

    @property
    def spec(self) -> RunSpec:
        """What is run, as a value; it says everything but strategy and sinks."""
        ...

    def run(self, strategy: Strategy, seed: int, *sinks: Sink, listen: Listen | None = None) -> Outcome:
        """Run it. Raises NothingLeft, and what comes before the first step."""
        ...

    def numbers(self) -> Mapping[str, Number]:
        """What of it may be less, by name."""
        ...

    def with_number(self, name: str, number: int) -> Attempt:
        """The same with so many."""
        ...


@lru_cache(maxsize=8)
def _loaded(ref: ScenarioRef) -> Scenario:
    return ref.load()


def loaded(spec: RunSpec) -> Scenario:
    """The scenario of a run, loaded once."""
    return _loaded(spec.scenario)


@lru_cache(maxsize=8)
def _kept(_spec: RunSpec) -> Kept:
    """What lockdep has left of schedules of that run, for the next one. Who listens shall hear of one run alone."""
    return Kept()


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
        kept = _kept(self.spec) if listen is None else None
        run = PlainRun(loaded(self.spec), options_of(self.spec, strategy, seed, *sinks), kept)
        raised = run.attempt(listen)
        if raised is not None and not run.machine.conductor.steps:
            raise raised
        return run.result(), raised

    def numbers(self) -> Mapping[str, Number]:
        """CPUs, and those parameters of the scenario that are numbers."""
        scenario, settings = loaded(self.spec), self.spec.settings
        found: dict[str, Number] = {}
        for name, default in scenario.parameters.items():
            if isinstance(default, int) and not isinstance(default, bool) and name not in scenario.choices:
                found[name] = Number(int(settings.get(name, default)), 1)
        cpus = settings.get("nr_cpus", scenario.settings.get("nr_cpus", Config().nr_cpus))
        return {**found, "nr_cpus": Number(int(cpus), 1)}

    def with_number(self, name: str, number: int) -> SpecAttempt:
        """The same with so many."""
        return SpecAttempt(attrs.evolve(self.spec, settings={**self.spec.settings, name: str(number)}))
