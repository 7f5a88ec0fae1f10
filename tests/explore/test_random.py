"""The `random` strategy: seeded, by weight, alike everywhere."""

from __future__ import annotations

from collections import Counter

import attrs
from hypothesis import given
from hypothesis import strategies as st

from rcuactors import Kernel, RunOptions, run, scenario
from rcuactors.engine.choice import ChoiceKind, ChoicePoint
from rcuactors.engine.events import ListSink
from rcuactors.explore.random import Random


def _point(*weights: int) -> ChoicePoint:
    return ChoicePoint(ChoiceKind.NEXT_ACTOR, tuple(f"cpu{index}" for index in range(len(weights))), weights)


def _answers(seed: int, count: int, *weights: int) -> list[int]:
    strategy = Random()
    strategy.start_run(seed)
    answers = [strategy.choose(_point(*weights)) for _ in range(count)]
    strategy.end_run()
    return answers


@given(st.integers(0, 2**64 - 1), st.lists(st.integers(1, 50), min_size=1, max_size=8))
def test_the_same_seed_gives_the_same_answers(seed: int, weights: list[int]) -> None:
    answers = _answers(seed, 20, *weights)
    assert answers == _answers(seed, 20, *weights)
    assert all(0 <= answer < len(weights) for answer in answers)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=6).filter(any))
def test_what_weighs_nothing_is_never_chosen(weights: list[int]) -> None:
    assert all(weights[answer] for answer in _answers(1, 50, *weights))


def test_the_draws_follow_the_weights() -> None:
    counts = Counter(_answers(7, 4000, 3, 1))
    assert 2850 <= counts[0] <= 3150


def test_a_run_begins_its_seed_anew() -> None:
    strategy = Random()
    runs = []
    for _ in range(2):
        strategy.start_run(5)
        runs.append([strategy.choose(_point(1, 1, 1)) for _ in range(30)])
    assert runs[0] == runs[1]
    assert runs[0] != _answers(6, 30, 1, 1, 1)


def test_the_answers_are_the_same_for_ever() -> None:
    assert _answers(0, 12, 1, 1, 1, 1) == [3, 3, 1, 1, 2, 1, 3, 1, 1, 2, 3, 2]


@scenario()
async def two_cpus(k: Kernel, objects: int = 5) -> None:
    async def frees() -> None:
        for _ in range(objects):
            await k.kvfree_rcu(await k.kmalloc(64), "rcu")

    async with k.open_nursery() as nursery:
        await nursery.start_soon(frees, cpu=0)
        await nursery.start_soon(frees, cpu=1)


def _schedule(options: RunOptions) -> tuple[tuple[int, str], ...]:
    sink = ListSink()
    assert run(two_cpus, attrs.evolve(options, sinks=(sink,))).clean
    return tuple((event.cpu, event.name) for event in sink.events)


def test_it_finds_schedules_that_time_does_not() -> None:
    timed = _schedule(RunOptions())
    others = [_schedule(RunOptions(strategy=Random(), seed=seed)) for seed in range(8)]
    assert timed not in others
    assert len(set(others)) > 4
    assert others[3] == _schedule(RunOptions(strategy=Random(), seed=3))
