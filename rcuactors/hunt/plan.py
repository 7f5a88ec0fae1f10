"""What an exploration is made of: which strategy tries which schedule, by number.

A schedule is a function of the plan and of its number, so that an exploration finds the same with any number of
processes, and `rcuactors run --strategy ... --seed ...` shows any of its schedules again. Number 0 is the run in order
of time. The others take turns among the strategies, each with the next seed.

Strategies that have to know how long a run is (`points`) are told so by a first look: how many decisions it has when
nothing special happens.
"""

from __future__ import annotations

from typing import Final

import attrs

from ..engine.choice import Strategy
from ..engine.decision import HOLD_UP, NEXT_ACTOR
from ..engine.orders import ByClock
from ..errors import BadInput
from ..explore import SEARCHES, make_any_strategy, parameters_of
from ..explore.random import Random
from ..runs.options import LARGEST_SEED
from ..runs.spec import RunSpec
from .attempt import Attempt, SpecAttempt
from .faults import refuse_ignored
from .trial import Watched

PORTFOLIO: Final = ("holds", "random", "pct", "walk")
"""What is tried unless something else is asked for: each is good at other bugs."""

TIMED: Final = "timed"


@attrs.frozen(kw_only=True)
class Plan:
    """What to explore: a run, the strategies that take turns in it, and the first seed of each.

    What is run says everything of itself but its strategy and seed. `sought` is the waste that counts as a finding.
    """

    attempt: Attempt
    strategies: tuple[str, ...]
    seed: int = 0
    sought: tuple[str, ...] = ()

    @property
    def spec(self) -> RunSpec:
        """The run as a value."""
        return self.attempt.spec

    @property
    def search(self) -> str:
        """The strategy, if it is one that goes through schedules instead of drawing them; else empty."""
        name = self.strategies[0].partition(":")[0]
        return self.strategies[0] if name in SEARCHES else ""

    def drawn(self, number: int) -> tuple[str, int]:
        """Strategy and seed of the schedule of that number."""
        if not number:
            return TIMED, self.spec.seed
        turn, which = divmod(number - 1, len(self.strategies))
        return self.strategies[which], (self.seed + turn) % (LARGEST_SEED + 1)


def plan_of(what: RunSpec | Attempt, strategies: tuple[str, ...], seed: int = 0, sought: tuple[str, ...] = ()) -> Plan:
    """Make a plan; strategies that want to know how long the run is are told. Raises BadInput."""
    attempt = SpecAttempt(what) if isinstance(what, RunSpec) else what
    chosen = strategies or PORTFOLIO
    for strategy in chosen:
        make_any_strategy(strategy)
    searches = [strategy for strategy in chosen if strategy.partition(":")[0] in SEARCHES]
    if searches and len(chosen) > 1:
        raise BadInput(f"--strategy {searches[0]}: goes through schedules by itself; it cannot take turns with others")
    _none_ignored(attempt.spec, chosen)
    measured = tuple(with_points(attempt, strategy) for strategy in chosen)
    return Plan(attempt=attempt, strategies=measured, seed=seed, sought=sought)


def _none_ignored(spec: RunSpec, strategies: tuple[str, ...]) -> None:
    """What was asked for has to be decided by somebody. Raises BadInput."""
    for name, text in spec.settings.items():
        for strategy in strategies:
            if text == "y":
                refuse_ignored(name, strategy, make_any_strategy(strategy))


class _Looks(Strategy):
    """Nothing special happens, and anybody might be held up."""

    name = "looks"
    order = ByClock
    holds_up = True


def with_points(attempt: Attempt, strategy: str) -> str:
    """The strategy with `points`, if it has such a parameter and nobody has given it."""
    name, _, given = strategy.partition(":")
    if "points" not in parameters_of(name) or "points=" in given:
        return strategy
    made = make_any_strategy(strategy)
    look = Watched(_Looks() if made.holds_up else Random())
    attempt.run(look, attempt.spec.seed)
    kind = HOLD_UP if made.holds_up else NEXT_ACTOR
    asked = look.taken[kind.name].asked if kind.name in look.taken else 0
    return f"{name}:{given}{',' if given else ''}points={max(1, asked)}"
