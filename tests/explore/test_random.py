"""The `random` strategy: seeded, among all who could go on, alike everywhere."""

from __future__ import annotations

from collections import Counter

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcuactors import Kernel, RunOptions, run, scenario
from rcuactors.engine.choice import Strategy
from rcuactors.engine.decision import NEXT_ACTOR, Alternatives, Decision
from rcuactors.engine.events import ListSink
from rcuactors.explore.random import Random


class Race(Decision):
    """Some actors, and time at the given place."""

    kind = NEXT_ACTOR

    def __init__(self, actors: int, time: int) -> None:
        super().__init__(actors + (time >= 0))
        self.time = time

    def nature(self, uniform: float) -> int:
        return int(uniform * self.count)


def _answers(strategy: Strategy, seed: int, count: int, decision: Decision) -> list[int]:
    strategy.start_run(seed)
    return [strategy.choose(decision) for _ in range(count)]


@given(st.integers(0, 2**64 - 1), st.integers(1, 8), st.integers(-1, 8), st.integers(1, 100))
def test_the_same_seed_gives_the_same_answers(seed: int, actors: int, time: int, present: int) -> None:
    decision = Race(actors, min(time, actors))
    answers = _answers(Random(present=present), seed, 20, decision)
    assert answers == _answers(Random(present=present), seed, 20, decision)
    assert all(0 <= answer < decision.count for answer in answers)


@pytest.mark.parametrize("time", [0, 1, 3])
@pytest.mark.parametrize("present", [16, 1, 3])
def test_time_passes_as_often_as_its_weight_says(time: int, present: int) -> None:
    counts = Counter(_answers(Random(present=present), 7, 20_000, Race(3, time)))
    share = 20_000 / (3 * present + 1)
    assert counts[time] == pytest.approx(share, rel=0.15)
    assert all(counts[actor] == pytest.approx(share * present, rel=0.1) for actor in range(4) if actor != time)


def test_what_is_no_actor_is_drawn_by_natures_weights() -> None:
    counts = Counter(_answers(Random(), 7, 4000, Alternatives(NEXT_ACTOR, ("succeeds", "fails"), (3, 1))))
    assert 2850 <= counts[0] <= 3150


def test_a_run_begins_its_seed_anew() -> None:
    strategy, decision = Random(), Race(2, 2)
    runs = [_answers(strategy, 5, 30, decision) for _ in range(2)]
    assert runs[0] == runs[1] != _answers(Random(), 6, 30, decision)


def test_the_answers_are_the_same_for_ever() -> None:
    assert _answers(Random(present=1), 0, 12, Race(3, 3)) == [3, 3, 1, 1, 2, 1, 3, 1, 1, 2, 3, 2]


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
