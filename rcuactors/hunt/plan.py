"""What an exploration is made of: which strategy tries which schedule, by number.

A schedule is a function of the plan and of its number, so that an exploration finds the same with any number of
processes, and `rcuactors run --strategy ... --seed ...` shows any of its schedules again. Number 0 is the run in order
of time. The others take turns among the strategies, each with the next seed: first a few alike, then as often as each
gets the same share of the time, by the steps that those few took.

Strategies that have to know how long a run is (`points`) are told so by a first look: how many decisions it has when
nothing special happens.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import attrs

from ..engine.choice import Strategy
from ..engine.decision import HOLD_UP, NEXT_ACTOR
from ..engine.orders import ByClock
from ..engine.real_time import ending_by
from ..errors import BadInput
from ..explore import SEARCHES, make_any_strategy, parameters_of
from ..explore.random import Random
from ..runs.options import LARGEST_SEED
from ..runs.spec import RunSpec
from .attempt import Attempt, SpecAttempt
from .faults import refuse_ignored
from .trial import Trial, Watched

PORTFOLIO: Final = ("holds", "random", "pct", "walk")
"""What is tried unless something else is asked for: each is good at other bugs."""

TIMED: Final = "timed"

_ALIKE: Final = 4
"""How often each strategy is tried before turns are shared out by what it costs."""

_CYCLE: Final = 32
"""Turns after which they are the same again; not a multiple of `pairs.ONE_IN`."""


@lru_cache(maxsize=64)
def _cycle(costs: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """Whose turns they are, each time that of who has had the least: which strategy, the how manieth time."""
    spent, times, turns = [0] * len(costs), [0] * len(costs), []
    for _ in range(max(_CYCLE, len(costs))):
        which = min(range(len(costs)), key=lambda one: (spent[one], one))
        turns.append((which, times[which]))
        spent[which] += costs[which]
        times[which] += 1
    return tuple(turns)


@attrs.frozen(kw_only=True)
class Plan:
    """What to explore: a run, the strategies that take turns in it, and the first seed of each.

    What is run says everything of itself but its strategy and seed. `sought` is the waste that counts as a finding.
    `costs` is what a schedule of each strategy takes, in steps; all take the same unless that is known. `until` is
    when a schedule that is under way is ended, by time.monotonic(), if there is such a moment.
    """

    attempt: Attempt
    strategies: tuple[str, ...]
    seed: int = 0
    sought: tuple[str, ...] = ()
    costs: tuple[int, ...] = ()
    until: float | None = None

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
        if self.costs and turn >= _ALIKE:
            cycle = _cycle(self.costs)
            rounds, at = divmod(number - self.alike, len(cycle))
            which, time = cycle[at]
            turn = _ALIKE + rounds * sum(one == which for one, _ in cycle) + time
        return self.strategies[which], (self.seed + turn) % (LARGEST_SEED + 1)

    @property
    def alike(self) -> int:
        """How many schedules are tried before turns can be shared out by costs."""
        return 1 + _ALIKE * len(self.strategies)

    def shared_out(self, first: Iterable[Trial]) -> Plan:
        """The same after these, the first `alike`: from then on each strategy gets as much time as each other."""
        spent = dict.fromkeys(self.strategies, 0)
        for trial in first:
            if trial.strategy in spent:
                spent[trial.strategy] += trial.steps
        return attrs.evolve(self, costs=tuple(max(1, spent[name]) for name in self.strategies))


def plan_of(
    what: RunSpec | Attempt,
    strategies: tuple[str, ...],
    seed: int = 0,
    sought: tuple[str, ...] = (),
    *,
    seconds: float | None = None,
) -> Plan:
    """Make a plan; strategies that want to know how long the run is are told. Raises BadInput.

    Of the `seconds` of real time that there are the runs in which that is measured take a quarter at most.
    """
    attempt = SpecAttempt(what) if isinstance(what, RunSpec) else what
    chosen = strategies or PORTFOLIO
    for strategy in chosen:
        make_any_strategy(strategy)
    searches = [strategy for strategy in chosen if strategy.partition(":")[0] in SEARCHES]
    if searches and len(chosen) > 1:
        raise BadInput(f"--strategy {searches[0]}: goes through schedules by itself; it cannot take turns with others")
    _none_ignored(attempt.spec, chosen)
    with ending_by(None if seconds is None else time.monotonic() + seconds / 4):
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
