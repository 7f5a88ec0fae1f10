"""Partial-order reduction: nothing that any schedule reaches is missed, and nothing is tried twice."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from rcuactors import Kernel, Scenario, scenario
from rcuactors.explore.dpor import Dpor
from tests.reduced import REDUCED, Reduced
from tests.searches import Reached, all_of, attempt_of, one, told
from tests.small import TWO, barrier_beside, ends_early, frees_early


def each(case: Reduced) -> Any:
    """Those of which `dfs` needs long are tried by `-m campaign`."""
    return pytest.param(case, id=case.name, marks=[pytest.mark.campaign] if case.takes_long else [])


def test_there_are_enough_of_each() -> None:
    graced = [one for one in REDUCED if one.graced]
    assert len(REDUCED) >= 5
    assert len(graced) >= 3
    assert any(one.states > 1 for one in graced)


@pytest.mark.parametrize("case", [each(case) for case in REDUCED])
def test_it_reaches_what_all_schedules_reach(case: Reduced) -> None:
    search, reduced = case.reduced()
    plain = case.whole()
    assert (reduced.traces, reduced.states, reduced.found) == (plain.traces, plain.states, plain.found)
    assert len(reduced.states) == case.states
    assert reduced.schedules * 10 <= plain.schedules
    assert (search.frontier.repeated, search.frontier.astray) == (0, 0)
    assert len(search.frontier.seen.classes) == reduced.schedules


@pytest.mark.parametrize("case", [case for case in REDUCED if case.takes_long], ids=lambda case: case.name)
def test_it_reaches_what_schedules_with_fewer_preemptions_reach(case: Reduced) -> None:
    """The short form for those of which all would take long."""
    _, reduced = case.reduced()
    part = attrs.evolve(case, preemptions=case.preemptions - 1).whole()
    assert part.schedules >= 10 * reduced.schedules
    assert part.traces < reduced.traces
    assert part.states < reduced.states
    assert len(reduced.states) == case.states


@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    ("chosen", "window", "problems"),
    [(frees_early, 300, 3), (frees_early, 700, 3), (ends_early, 500, 2), (barrier_beside, 40, 1)],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_all_classes_of_random_schedules_are_among_its_own(chosen: Scenario, window: int, problems: int) -> None:
    """The cross-check of "everything within the bound": draw within the same bound, see nothing else.

    In `ends_early` no race can be read off a run that one of the two has ended: its first run was said to be all.
    """
    attempt = attempt_of(chosen)
    search = Dpor(window=window)
    covered = all_of(attempt, search)
    assert len(covered.found) == problems
    drawn, classes = Reached(), set()
    with told(window) as at_random:
        for seed in range(60):
            drawn.take(one(attempt, at_random, seed))
            classes.add(at_random.order_of_steps().name)
    assert len(classes) > 2
    assert classes <= set(search.frontier.seen.classes)
    assert drawn.traces <= covered.traces
    assert drawn.states <= covered.states


@scenario(settings=TWO)
async def forgets(k: Kernel) -> None:
    """Two threads count in a variable, and one of them may forget what the other has counted."""
    count = 0

    async def counts(delay_us: int) -> None:
        nonlocal count
        await k.udelay(delay_us)
        seen = count
        await k.cond_resched()
        count = seen + 1

    async with k.open_nursery() as nursery:
        await nursery.start_soon(counts, 1, cpu=1)
        await counts(3)
    assert count == 2


def test_a_variable_of_the_scenario_is_a_thing_too() -> None:
    covered = all_of(attempt_of(forgets), Dpor(window=200))
    assert any("AssertionError" in found for found in covered.found)
    assert len(covered.states) > 1


@scenario(settings=TWO)
async def may_fail(k: Kernel) -> None:
    """A page is allocated, or is not."""
    table = await k.kmalloc(64)
    await k.kvfree_rcu_mightsleep(table)


def test_what_else_is_decided_is_a_class_each() -> None:
    sure, unsure = attempt_of(may_fail), attempt_of(may_fail, fail_page_alloc="50")
    assert len(all_of(sure, Dpor(window=1)).states) == 1
    assert len(all_of(unsure, Dpor(window=1)).states) > 1


def test_one_of_its_schedules_is_run_again_without_anybody_looking_on() -> None:
    attempt, search = attempt_of(frees_early), Dpor(window=300)
    trials = [(one(attempt, search), search.path) for _ in range(5)]
    search.close()
    assert len({trial.trace for trial, _ in trials}) > 1
    for trial, path in trials:
        again = one(attempt, search.along(path))
        assert (again.trace, again.state, again.shown) == (trial.trace, trial.state, trial.shown)
