"""Who was given a time is back by then, though the scenario never ends (engine/real_time.py)."""

from __future__ import annotations

import time

import pytest

from rcuactors import Kernel, RunOptions, run, scenario
from rcuactors.engine.real_time import end, ending_by
from rcuactors.errors import TimeIsUp
from rcuactors.hunt.attempt import SpecAttempt
from rcuactors.hunt.plan import Plan
from rcuactors.hunt.progress import Progress
from rcuactors.hunt.search import explore
from rcuactors.runs.spec import RunSpec


@scenario()
async def endless(k: Kernel) -> None:
    while True:
        await k.kvfree_rcu(await k.kmalloc(64), "rcu")


def test_a_run_ends_when_its_time_is_up() -> None:
    with ending_by(time.monotonic() + 0.1), pytest.raises(TimeIsUp, match="the time was up"):
        run(endless)


def test_the_earliest_end_holds_and_only_meanwhile() -> None:
    with ending_by(None):
        assert end() is None
        with ending_by(20.0), ending_by(10.0), ending_by(30.0):
            assert end() == 10.0
    assert end() is None


def test_one_that_ends_by_itself_is_the_same() -> None:
    @scenario()
    async def short(k: Kernel) -> None:
        await k.kvfree_rcu(await k.kmalloc(64), "rcu")

    before = run(short, RunOptions())
    with ending_by(time.monotonic() + 600):
        assert run(short, RunOptions()) == before


@pytest.mark.parametrize("strategy", ["holds", "dfs"])
def test_an_exploration_is_back_in_time(strategy: str) -> None:
    """Its first schedule would take ten million steps. That the time has cut it short is counted."""
    plan = Plan(attempt=SpecAttempt(RunSpec.of(endless)), strategies=(strategy,))
    (trial,) = explore(plan, Progress(), seconds=0.1)
    assert trial.cut
    assert trial.shown == ()
