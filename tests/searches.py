"""What tests of searches have in common: all that a search reaches, and runs in which every step is told."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator

import attrs

from rcuactors import RunSpec, Scenario
from rcuactors.engine.choice import Outcome, Strategy
from rcuactors.engine.decision import NOT_OFFERED, Decision, NextActor
from rcuactors.engine.windows import windows_of
from rcuactors.errors import NothingLeft
from rcuactors.explore.footprints import Footprints
from rcuactors.explore.partial_order import PartialOrder
from rcuactors.explore.searching import Search
from rcuactors.hunt.attempt import SpecAttempt
from rcuactors.hunt.trial import Trial, tried


@attrs.define
class Reached:
    """What schedules came to: what each CPU did, what was there at the end, what was found; and in how many."""

    traces: set[str] = attrs.field(factory=set)
    states: set[str] = attrs.field(factory=set)
    found: set[str] = attrs.field(factory=set)
    schedules: int = 0

    def take(self, trial: Trial) -> None:
        self.traces.add(trial.trace)
        self.states.add(trial.state)
        self.found |= {str(shown.signature) for shown in trial.shown}
        self.schedules += 1


def attempt_of(chosen: Scenario, kernel: str = "v6.12", **settings: str) -> SpecAttempt:
    return SpecAttempt(RunSpec.of(chosen, kernel=kernel, settings=settings))


def one(attempt: SpecAttempt, strategy: Strategy, seed: int = 0) -> Trial:
    return tried(attempt, strategy, number=0, name=strategy.name, seed=seed)


def all_of(attempt: SpecAttempt, search: Search, most: int = 2000) -> Reached:
    """Everything that a search reaches, to its end."""
    reached = Reached()
    with contextlib.closing(search), contextlib.suppress(NothingLeft):
        while True:
            reached.take(one(attempt, search))
            assert reached.schedules <= most
    return reached


class Told(Strategy):
    """At random within windows, or as told: each step by its actor. Whoever looks on hears of each."""

    name = "told"

    def __init__(self, window_ns: int, footprints: Footprints) -> None:
        self.footprints = footprints
        self.order = type("Windows", (windows_of(window_ns),), {"steps": footprints})
        self.actors: list[str] | None = None
        self.lost = False
        self._draw = random.Random(0)

    def start_run(self, seed: int) -> bool:
        self._draw, self.lost = random.Random(seed), False
        return True

    def choose(self, decision: Decision) -> int:
        if not isinstance(decision, NextActor):
            self.footprints.decided(decision.kind.name, 0, decision.count)
            return 0
        if self.actors is None:
            return self._draw.randrange(decision.count)
        wanted = self.actors[len(self.footprints.steps)]
        found = next((i for i in range(decision.count) if decision.actor(i).name == wanted), NOT_OFFERED)
        self.lost |= found == NOT_OFFERED
        return max(found, 0)

    def end_run(self, outcome: Outcome) -> None:
        self.footprints.end_of_run(outcome.failure)

    def order_of_steps(self) -> PartialOrder:
        return PartialOrder(self.footprints.steps)


@contextlib.contextmanager
def told(window_ns: int) -> Iterator[Told]:
    footprints = Footprints()
    with footprints.installed():
        yield Told(window_ns, footprints)
