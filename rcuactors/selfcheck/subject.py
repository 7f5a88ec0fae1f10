"""What is run again and again: a scenario on a version, or a drawn program, under some strategy."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, Protocol

import attrs

from ..runs import RunOptions
from ..runs.spec import RunSpec, ScenarioRef
from ..scenario import Scenario

STRATEGIES: Final = ("timed", "random", "walk", "holds", "pct")
"""They take turns: each scenario meets all of them, on one version or another."""

MAX_STEPS: Final = 60_000
"""A run that is cut short is as good as any other, and is told so by its error."""


class Subject(Protocol):
    """Something that can be run, in any process: it is pickled."""

    @property
    def name(self) -> str:
        """How it is told from others."""
        ...

    def made(self) -> tuple[Scenario, RunOptions]:
        """Make it; raises BadInput."""
        ...


@lru_cache(maxsize=64)
def _loaded(ref: ScenarioRef) -> Scenario:
    return ref.load()


@attrs.frozen
class OfScenario:
    """A scenario, as a value."""

    spec: RunSpec

    @property
    def name(self) -> str:
        """Scenario, version, strategy and seed."""
        spec = self.spec
        return f"{spec.scenario.function} on {spec.kernel}, strategy {spec.strategy}, seed {spec.seed}"

    def made(self) -> tuple[Scenario, RunOptions]:
        """As `Subject.made`."""
        options = {field.name: getattr(self.spec, field.name) for field in attrs.fields(RunOptions)}
        return _loaded(self.spec.scenario), RunOptions(**options)


def subjects_of(scenarios: Sequence[Scenario], seed: int, kernels: Sequence[str]) -> list[OfScenario]:
    """Each scenario on each version; strategies take turns."""
    return [
        OfScenario(
            RunSpec.of(
                scenario,
                kernel=kernel,
                strategy=STRATEGIES[(row + column) % len(STRATEGIES)],
                seed=seed,
                max_steps=MAX_STEPS,
            )
        )
        for row, scenario in enumerate(scenarios)
        for column, kernel in enumerate(kernels)
    ]
