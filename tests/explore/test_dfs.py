"""Preemption-bounded search: each schedule within the bound once, and none beyond it."""

from __future__ import annotations

import itertools

import pytest

from rcuactors.engine.decision import NEXT_ACTOR, Alternatives, DecisionKind
from rcuactors.explore.dfs import Dfs
from tests.searches import all_of, attempt_of, one
from tests.small import frees_early


def of_three(*, current: int, yields: bool = False) -> Alternatives:
    decision = Alternatives(NEXT_ACTOR, ("a", "b", "c"), (1, 1, 1))
    decision.current, decision.yields = current, yields
    return decision


RUNNING, BLOCKED, YIELDS = of_three(current=0), of_three(current=-1), of_three(current=2, yields=True)
FAILS = Alternatives(DecisionKind("fails"), ("no", "yes"), (1, 1))


def schedules(strategy: Dfs, decisions: tuple[Alternatives, ...]) -> list[tuple[int, ...]]:
    found = []
    while strategy.start_run(0):
        found.append(tuple(strategy.choose(decision) for decision in decisions))
    assert not strategy.start_run(0)
    return found


@pytest.mark.parametrize("preemptions", [0, 1, 2, 3])
def test_each_schedule_within_the_bound_once(preemptions: int) -> None:
    decisions = RUNNING, BLOCKED, RUNNING, FAILS, YIELDS, RUNNING
    found = schedules(Dfs(preemptions=preemptions), decisions)
    every = itertools.product(*(range(decision.count) for decision in decisions))
    wanted = [path for path in every if sum(path[at] > 0 for at in (0, 2, 5)) <= preemptions]
    assert found == wanted


def test_it_says_how_far_it_is() -> None:
    strategy, parts = Dfs(preemptions=3), []
    while strategy.start_run(0):
        for _ in range(3):
            strategy.choose(RUNNING)
        parts.append(strategy.done)
    assert parts[0] == 0
    assert parts == sorted(parts)
    assert parts[-1] == pytest.approx(26 / 27)


def test_it_finds_what_its_first_schedule_does_not_show() -> None:
    """Its perturbation is really applied."""
    attempt = attempt_of(frees_early)
    assert not one(attempt, Dfs(window=1000, preemptions=0)).shown
    assert all_of(attempt, Dfs(window=1000, preemptions=0)).found
