"""A schedule in which anyone may go next is told as hold-ups, if it can be (rcuactors/hunt/retold.py)."""

from __future__ import annotations

import statistics

import pytest

from rcuactors import load_scenario
from rcuactors.engine.events import DigestSink
from rcuactors.hunt.keep import Kept, keep, prepared, replay, shrink
from rcuactors.hunt.plan import plan_of
from rcuactors.hunt.retold import AS_HOLD_UPS
from rcuactors.hunt.search import Progress, explore
from rcuactors.runs.spec import RunSpec
from tests.small import frees_early


def found(spec: RunSpec, strategies: tuple[str, ...], seed: int = 0) -> Kept:
    """What the first schedule that shows something is kept as."""
    plan = plan_of(spec, strategies, seed=seed)
    trial = next(trial for trial in explore(plan, Progress(), schedules=1_000) if trial.shown)
    return keep(plan.attempt, trial, trial.shown[0].signature)


def stale_batch(seed: int, strategies: tuple[str, ...] = ()) -> Kept:
    return found(RunSpec.of(load_scenario("stale_batch"), kernel="v5.11"), strategies, seed)


def test_hundreds_of_departures_are_two_hold_ups() -> None:
    """As departures from whoever runs they were cut down to 34, in all 300 runs."""
    kept = stale_batch(30_000)
    assert kept.schedule.policy == "whoever runs goes on"
    assert len(kept.departures) > 100
    less = shrink(kept)
    assert less.shrunk is not None
    assert less.shrunk.minimal
    assert less.schedule.policy == AS_HOLD_UPS
    assert [one.kind for one in less.departures] == ["hold up"] * 2
    digest = DigestSink()
    assert (
        replay(less.schedule, prepared(less.schedule, digest), digest).shown[0].signature
        == kept.schedule.shown.signature
    )


def test_the_order_of_two_steps_is_no_hold_up() -> None:
    kept = found(RunSpec.of(frees_early, kernel="v6.12"), ("random",))
    less = shrink(kept)
    assert less.schedule.policy == kept.schedule.policy == "whoever runs goes on"
    assert less.shrunk is not None
    assert less.shrunk.minimal
    assert less.departures


@pytest.mark.campaign
def test_twenty_schedules_are_cut_down_to_about_the_shortest() -> None:
    """5da7cb193db3 out of the default portfolio: 1-minimal, at most twelve departures, the median near the least."""
    lengths = []
    for number in range(20):
        less = shrink(stale_batch(number * 10_000))
        assert less.shrunk is not None
        assert less.shrunk.minimal
        lengths.append(len(less.departures))
    assert max(lengths) <= 12
    assert statistics.median(lengths) <= 1.25 * min(lengths)
