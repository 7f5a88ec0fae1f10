"""The bound of steps bounds time, too: how much may be done for one step (docs/results.md says how much)."""

from __future__ import annotations

import sys
from types import FrameType

import pytest

from rcuactors import StepBoundExceeded
from rcuactors.runs import Run
from rcuactors.userfiles import load_scenario

MOST_CALLS = 10_000
"""Of Python functions, for each step."""


@pytest.mark.parametrize(
    ("name", "kernel", "settings"),
    [
        # The slowest two of the bundled scenarios, over versions and builds, when each was tried.
        ("cold_cache_burst", "v7.3", {"KASAN": True, "PROVE_LOCKING": True}),
        ("shrinker_pressure", "v7.3", {"KASAN": True, "PROVE_LOCKING": True}),
    ],
)
def test_no_step_is_more_than_so_many_calls(name: str, kernel: str, settings: dict[str, bool]) -> None:
    """Counted, since nobody knows how fast a machine is."""
    prepared = Run(load_scenario(name), kernel=kernel, **settings)
    calls = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        prepared.run()
    finally:
        sys.setprofile(before)
    steps = prepared.machine.conductor.steps
    assert calls <= MOST_CALLS * steps, f"{calls:,} calls for {steps:,} steps"


@pytest.mark.parametrize("most", [1, 10, 1000])
def test_a_run_ends_within_a_few_steps_of_its_bound(most: int) -> None:
    """Those at which it has already been told to end; the busy time until its CPU is next seen comes on top."""
    prepared = Run(load_scenario("flood"), max_steps=most)
    with pytest.raises(StepBoundExceeded):
        prepared.run()
    assert prepared.machine.conductor.steps <= most + 100
