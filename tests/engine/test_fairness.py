"""engine/fairness.py: how long anybody who could go on can be held up, whatever the strategy does."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from rcuactors.config import Config
from rcuactors.engine.actor import Actor
from rcuactors.engine.choice import Strategy
from rcuactors.engine.decision import HOLD_UP, Decision
from rcuactors.engine.fairness import HELD_UP_NS, PERIOD_NS, Fairness
from rcuactors.engine.line import Line
from rcuactors.engine.orders import Anyone, ByClock

from .test_line import line_of

MS = 1_000_000
STALL_TIMEOUT_NS = Config().rcu_cpu_stall_timeout * 1000 * MS


def test_the_bound_lies_where_the_documentation_says() -> None:
    """Well above the hold-ups that find bugs, and of any 21 seconds the lesser part."""
    assert 5 * 64 * MS < HELD_UP_NS
    periods = STALL_TIMEOUT_NS // PERIOD_NS + 2
    assert periods * HELD_UP_NS < 6_100 * MS < STALL_TIMEOUT_NS / 3


def test_the_account_is_full_again_with_each_period() -> None:
    fairness = Fairness()
    assert fairness.left(0) == HELD_UP_NS
    fairness.spend(10, 3 * HELD_UP_NS)
    assert fairness.left(PERIOD_NS - 1) <= 0
    assert fairness.left(PERIOD_NS) == HELD_UP_NS
    fairness.spend(PERIOD_NS + 5, 7)
    assert fairness.left(PERIOD_NS + 6) == HELD_UP_NS - 7


class Starves(Strategy):
    """Never lets the victim go on while there is any other option; prefers time, or anybody else."""

    order = Anyone

    def __init__(self, *, prefers_time: bool) -> None:
        self.prefers_time = prefers_time

    def choose(self, decision: Decision) -> int:
        if self.prefers_time and decision.time >= 0:
            return decision.time
        others = [index for index in range(decision.count) if not decision.option(index).startswith("victim")]
        return others[0] if others else 0


class HoldsUp(Strategy):
    """Holds the victim up at every point for as long as it can."""

    holds_up = True

    def __init__(self, order: type[ByClock | Anyone]) -> None:
        self.order = order

    def choose(self, decision: Decision) -> int:
        return decision.count - 1 if decision.kind is HOLD_UP and decision.option(0).startswith("victim") else 0


def live(line: Line, actors: list[Actor], until: int) -> list[int]:
    """When the victim had its steps. Everybody is busy, 0.1 ms at a time, but the alarm: it rings every 4 ms."""
    steps: list[int] = []
    for actor in actors:
        line.enqueue(actor, 0, paused=actor.name != "alarm")
    while line.now < until:
        actor = line.elect()
        assert actor is not None
        if actor.name == "victim":
            steps.append(line.now)
        if actor.name == "alarm":
            line.enqueue(actor, actor.clock + 4 * MS)
        else:
            actor.clock += 100_000
            line.stop(actor)
    return steps


STRATEGIES: dict[str, Callable[[], Strategy]] = {
    "others first": lambda: Starves(prefers_time=False),
    "time first": lambda: Starves(prefers_time=True),
    "holds, by clock": lambda: HoldsUp(ByClock),
    "holds, anyone": lambda: HoldsUp(Anyone),
}


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("others", [("alarm",), ("hog", "alarm")], ids=["alone", "beside a hog"])
def test_no_strategy_holds_anybody_up_beyond_the_bound(name: str, others: tuple[str, ...]) -> None:
    line, actors = line_of(STRATEGIES[name](), "victim", *others, max_steps=1 << 60)
    until = 3 * PERIOD_NS
    steps = [0, *live(line, actors, until)]
    gaps = [after - before for before, after in itertools.pairwise(steps)]
    # At the turn of a period two accounts meet.
    assert max(gaps) <= 2 * HELD_UP_NS + 5 * MS
    held = [gap for gap in gaps if gap > MS]
    if name != "others first" or others[0] == "hog":
        assert held, "the strategy did hold it up"
    periods = until // PERIOD_NS + 1
    assert sum(held) <= periods * (HELD_UP_NS + 5 * MS)
