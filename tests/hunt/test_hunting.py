"""An exploration by one call."""

from __future__ import annotations

from pathlib import Path

import pytest

import rcuactors.hunt
import rcuactors.selfcheck
from rcuactors import RunOptions, RunSpec, load_scenario
from rcuactors.errors import BadInput
from rcuactors.hunt import hunt, replay_schedule
from rcuactors.selfcheck import Tally, selfcheck, subjects_of
from tests.small import barrier_beside, frees_early, lost_update, two_owners


@pytest.mark.parametrize("room", [rcuactors.hunt, rcuactors.selfcheck])
def test_each_name_is_there_once_and_says_what_it_is(room: object) -> None:
    names = room.__all__  # type: ignore[attr-defined]
    assert len(set(names)) == len(names)
    assert all(getattr(room, name).__doc__ for name in names)


def test_what_is_found_is_cut_down_kept_and_run_again(tmp_path: Path) -> None:
    hunted = hunt(lost_update, kernel="v5.11", strategies=("random",), seed=20)
    (finding,) = hunted.findings
    assert finding.signature.place == "AssertionError"
    assert finding.minimal
    assert 1 <= finding.departures <= 2
    assert "cut down to" in finding.story()
    assert finding.report().startswith("what happens:")
    assert len(finding.report().splitlines()) <= 60
    assert not any(line.startswith("nothing found") for line in hunted.lines())
    # It has stopped at the first that shows something, and that schedule is run again from its file.
    assert hunted.tally.schedules - 1 == hunted.tally.firsts[finding.signature].number
    finding.save(tmp_path / "lost.json")
    replayed = replay_schedule(tmp_path / "lost.json", lost_update)
    assert finding.signature in {shown.signature for shown in replayed.shown}
    with pytest.raises(BadInput, match="is a schedule of scenario lost_update"):
        replay_schedule(tmp_path / "lost.json", frees_early)


def test_a_search_says_that_it_has_covered_everything_and_finds_each_problem() -> None:
    """All orders of a barrier and a call within a window: since 2b55d6a42d14 one of them leaves an object for ever."""
    hunted = hunt(RunSpec.of(barrier_beside), strategies=("dpor:window=40",), keep_going=True)
    assert hunted.covered
    assert [finding.signature.kind for finding in hunted.findings] == ["never-freed"]
    assert hunted.findings[0].kept.schedule.shown.known.startswith("since 2b55d6a42d14")
    right = hunt(two_owners, RunOptions(kernel="v6.6"), strategies=("dpor:window=300",), keep_going=True)
    assert right.covered
    assert not right.findings
    assert "nothing found in these schedules; what cannot be seen:" in right.lines()
    part = hunt(barrier_beside, strategies=("dpor:window=40",), schedules=2, keep_going=True)
    assert not part.covered


def test_what_is_wrong_is_bad_input() -> None:
    with pytest.raises(BadInput, match="strategy hold: did you mean holds"):
        hunt(lost_update, strategies=("hold",))
    with pytest.raises(BadInput, match="kernel v1"):
        hunt(lost_update, kernel="v1.0")


def test_selfcheck_from_python() -> None:
    tally = Tally()
    for _ in selfcheck(subjects_of([load_scenario("spin_under_raw")], 0, ["v6.12"]), 1, tally):
        pass
    assert tally.subjects == 1
    assert not tally.differences
