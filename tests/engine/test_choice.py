"""engine/choice.py: weighted draws, and the default strategy."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from rcuactors.engine.choice import ChoiceKind, ChoicePoint, Timed, weighted_index

weights = st.lists(st.integers(0, 50), min_size=1, max_size=8).filter(any).map(tuple)


@given(weights, st.integers(0, 2**32))
def test_a_draw_is_an_option_of_some_weight(given_weights: tuple[int, ...], seed: int) -> None:
    assert given_weights[weighted_index(random.Random(seed), given_weights)] > 0


def test_draws_follow_the_weights() -> None:
    rng = random.Random(1)
    drawn = [weighted_index(rng, (1, 3, 0, 6)) for _ in range(10_000)]
    assert [round(drawn.count(index) / 1000) for index in range(4)] == [1, 3, 0, 6]


def test_draws_are_the_same_on_every_python() -> None:
    """Pinned: a change here breaks every recorded schedule."""
    rng = random.Random(7)
    assert [weighted_index(rng, (1, 1, 1)) for _ in range(12)] == [0, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 0]


def answers(strategy: Timed, seed: int) -> list[int]:
    point = ChoicePoint(ChoiceKind.NEXT_ACTOR, ("a", "b", "c"), (1, 1, 1))
    strategy.start_run(seed)
    given_answers = [strategy.choose(point) for _ in range(50)]
    strategy.end_run()
    return given_answers


def test_timed_starts_anew_with_each_run() -> None:
    strategy = Timed()
    assert answers(strategy, 1) == answers(strategy, 1) == answers(Timed(), 1)
    assert answers(strategy, 1) != answers(strategy, 2)
    assert strategy.obeys_time
