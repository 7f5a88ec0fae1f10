"""Searches over several processes: the same schedules in the same order, with the same figures, as by one."""

from __future__ import annotations

import pytest

from rcuactors import Scenario
from rcuactors.hunt import going_through
from rcuactors.hunt.plan import Plan, plan_of
from rcuactors.hunt.progress import Progress
from rcuactors.hunt.search import explore
from rcuactors.hunt.tally import Tally, tally_lines
from rcuactors.hunt.trial import Trial
from tests.searches import attempt_of
from tests.small import frees_early, two_owners

SEARCHES = [
    (frees_early, "dpor:window=300"),
    (two_owners, "dpor:window=400"),
    (frees_early, "dfs:window=100,preemptions=1"),
    (two_owners, "dfs:window=300,preemptions=0"),
    (two_owners, "delays:d=1"),
]


@pytest.fixture(autouse=True)
def hardly_anything_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else such small searches would have ended before others are asked to help."""
    monkeypatch.setattr(going_through, "ALONE", {"dfs": 2, "dpor": 2})


def searched(plan: Plan, jobs: int, schedules: int = 5000) -> tuple[list[Trial], Progress, list[str]]:
    progress = Progress()
    tally = Tally(plan, progress)
    trials = list(explore(plan, progress, schedules=schedules, jobs=jobs))
    for trial in trials:
        tally.take(trial)
    return trials, progress, tally_lines(tally)


@pytest.mark.one_in(2)
@pytest.mark.parametrize(("chosen", "strategy"), SEARCHES, ids=lambda value: getattr(value, "name", str(value)))
def test_the_same_in_any_number_of_processes(chosen: Scenario, strategy: str) -> None:
    plan = plan_of(attempt_of(chosen), (strategy,))
    one, two = searched(plan, 1), searched(plan, 2)
    assert one == two
    assert len(one[0]) > 10
    assert one[1].complete
    assert any("covered           everything" in line for line in two[2])


@pytest.mark.parametrize("strategy", ["dpor:window=300", "dfs:window=100,preemptions=1"])
def test_one_that_is_ended_early_is_the_same_so_far(strategy: str) -> None:
    plan = plan_of(attempt_of(frees_early), (strategy,))
    one, two = searched(plan, 1, 11), searched(plan, 2, 11)
    assert one == two
    assert len(two[0]) == 11
    assert not two[1].complete


def test_three_processes_and_parts_that_are_split_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of(attempt_of(frees_early), ("dfs:window=100,preemptions=1",))
    one = searched(plan, 1)
    monkeypatch.setattr(going_through, "AHEAD", 2)
    monkeypatch.setattr(going_through, "KEPT", 2)
    assert searched(plan, 3) == one


def test_runs_made_ahead_are_few_where_few_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of(attempt_of(frees_early), ("dpor:window=300",))
    monkeypatch.setattr(going_through, "KEPT", 1)
    assert searched(plan, 2) == searched(plan, 1)
