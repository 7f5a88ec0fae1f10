"""Delay-bounded search: everything within the bound, each schedule once, and nothing beyond."""

from __future__ import annotations

import contextlib
import itertools

import pytest

from rcuactors import Kernel, RunOptions, run, scenario
from rcuactors.engine.decision import NEXT_ACTOR, Alternatives
from rcuactors.errors import BadInput, NothingLeft
from rcuactors.explore import make_any_strategy, make_strategy
from rcuactors.explore.delays import Delays

THREE = Alternatives(NEXT_ACTOR, ("a", "b", "c"), (1, 1, 1))


def schedules(strategy: Delays, decisions: int) -> list[tuple[int, ...]]:
    """All that the strategy has to try, of runs with so many decisions of three options."""
    found = []
    while strategy.start_run(0):
        found.append(tuple(strategy.choose(THREE) for _ in range(decisions)))
    assert not strategy.start_run(0)
    return found


@pytest.mark.parametrize("d", [0, 1, 2, 3])
def test_each_schedule_within_the_bound_once(d: int) -> None:
    found = schedules(Delays(d=d), 5)
    wanted = [path for path in itertools.product(range(3), repeat=5) if sum(path) <= d]
    assert len(found) == len(set(found))
    assert set(found) == set(wanted)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_its_parts_are_the_whole(d: int) -> None:
    whole = Delays(d=d)
    found = [
        path for at in range(5) for option in range(1, min(3, d + 1)) for path in schedules(whole.below(at, option), 5)
    ]
    assert sorted([(0,) * 5, *found]) == sorted(schedules(Delays(d=d), 5))


def test_one_schedule_of_it_is_run_again() -> None:
    assert schedules(Delays(d=2).along((0, 1, 0, 1)), 5) == [(0, 1, 0, 1, 0)]


@scenario(settings={"nr_cpus": "2"})
async def small(k: Kernel) -> None:
    async def takes() -> None:
        await k.kvfree_rcu(await k.kmalloc(64), "rcu")

    async with k.open_nursery() as nursery:
        await nursery.start_soon(takes, cpu=1)
        await takes()


def test_what_random_schedules_of_one_delay_do_is_among_what_it_covers() -> None:
    """The cross-check of "everything within the bound": draw the same bound at random, see nothing else."""
    search = Delays(d=1)
    covered: set[str | None] = set()
    with contextlib.suppress(NothingLeft):
        while len(covered) < 1000:
            covered.add(run(small, RunOptions(strategy=search, kernel="v5.11")).digest)
    assert 3 < len(covered) < 1000
    decisions = len(search.counts) + 5
    drawn = {
        run(small, RunOptions(strategy=Delays().along((0,) * at + (1,)), kernel="v5.11")).digest
        for at in range(decisions)
    }
    assert len(drawn) > 2
    assert drawn <= covered


def test_a_single_run_has_no_use_for_it() -> None:
    with pytest.raises(BadInput, match=r"^strategy delays: goes through many schedules"):
        make_strategy("delays:d=2")
    assert isinstance(make_any_strategy("delays:d=2"), Delays)
