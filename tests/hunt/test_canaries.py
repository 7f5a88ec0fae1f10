"""Each strategy really does what it is for: an exploration by one that does nothing would find nothing, too."""

from __future__ import annotations

import pytest

from rcuactors.explore import SEARCHES, STRATEGIES
from rcuactors.hunt.plan import plan_of
from rcuactors.hunt.progress import Progress
from rcuactors.hunt.search import explore
from rcuactors.hunt.tally import Tally
from rcuactors.runs.spec import RunSpec
from tests.small import frees_early, lost_update

PERTURBED = {
    "random": ("random", "next actor"),
    "walk": ("walk", "next actor"),
    "pct": ("pct", "next actor"),
    "holds": ("holds", "hold up"),
    "delays": ("delays:d=2", "next actor"),
    "dfs": ("dfs:window=1000", "next actor"),
    "dpor": ("dpor:window=1000", "next actor"),
}
"""The strategy, and the kind of decision in which it departs from the usual."""


def tallied(strategy: str) -> Tally:
    progress = Progress()
    chosen = lost_update if strategy.startswith("delays") else frees_early
    plan = plan_of(RunSpec.of(chosen), (strategy,))
    tally = Tally(plan, progress)
    for trial in explore(plan, progress, schedules=200):
        tally.take(trial)
    return tally


def test_none_is_forgotten() -> None:
    """`timed` is the one that does nothing special."""
    assert set(PERTURBED) == {*STRATEGIES, *SEARCHES} - {"timed"}


@pytest.mark.parametrize("name", PERTURBED)
def test_its_perturbation_is_applied_and_makes_a_difference(name: str) -> None:
    strategy, kind = PERTURBED[name]
    tally = tallied(strategy)
    assert tally.taken[kind].asked - tally.taken[kind].usual >= 20
    assert max(tally.traces.distinct, len(tally.states)) > 1, "all of its schedules do the same"
