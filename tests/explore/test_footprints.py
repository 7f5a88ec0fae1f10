"""Footprints: two steps of which neither touches what the other writes can be swapped."""

from __future__ import annotations

import random

import pytest

from rcuactors import load_scenario
from rcuactors.engine.actor import Actor
from rcuactors.explore.footprints import Footprints
from rcuactors.explore.partial_order import PartialOrder
from rcuactors.kernel.cpu import Cpu
from rcuactors.rcu.gp import GracePeriodMachine
from tests.searches import Told, attempt_of, one, told
from tests.small import one_reader


def swapped(order: PartialOrder, seed: int) -> tuple[list[str], int]:
    """The actors of the steps, many neighbours that are independent swapped; and how many pairs that were."""
    draw = random.Random(seed)
    actors = [step.actor for step in order.steps]
    pairs, at = 0, 0
    while at + 1 < len(actors):
        first, second = order.steps[at], order.steps[at + 1]
        depends = order.past[at + 1] >> at & 1 or second.enabler == at
        if first.window == second.window and not depends and draw.random() < 0.7:
            actors[at : at + 2] = actors[at + 1], actors[at]
            pairs, at = pairs + 1, at + 1
        at += 1
    return actors, pairs


@pytest.mark.one_in(3)
@pytest.mark.parametrize("kernel", ["v5.11", "v6.12"])
@pytest.mark.parametrize("name", ["kunit_kfree_rcu", "reader_holds_object", "stale_batch", "cpu_goes_offline"])
def test_swapping_independent_steps_leaves_the_same(name: str, kernel: str) -> None:
    attempt, whole = attempt_of(load_scenario(name), kernel), 0
    with told(1_000_000) as strategy:
        for seed in range(3):
            strategy.actors = None
            trial = one(attempt, strategy, seed)
            order = strategy.order_of_steps()
            strategy.actors, pairs = swapped(order, seed)
            other = one(attempt, strategy)
            assert not strategy.lost
            assert (other.trace, other.state, other.shown) == (trial.trace, trial.state, trial.shown)
            assert strategy.order_of_steps().name == order.name
            whole += pairs
    assert whole > 20


def test_a_run_that_is_looked_at_is_the_same_run() -> None:
    attempt, unheard = attempt_of(one_reader), Told(1000, Footprints())
    with told(1000) as strategy:
        assert one(attempt, strategy, 1) == one(attempt, unheard, 1)
        assert any(step.writes for step in strategy.footprints.steps)


@pytest.mark.parametrize("kind", [Actor, Cpu, GracePeriodMachine])
def test_while_nobody_looks_on_classes_are_as_they_were(kind: type) -> None:
    before = kind.__getattribute__, kind.__setattr__
    assert kind.__getattribute__ is object.__getattribute__
    with Footprints().installed():
        assert kind.__getattribute__ is not object.__getattribute__
    assert (kind.__getattribute__, kind.__setattr__) == before
    assert "__getattribute__" not in vars(kind)
