"""The history of the kernel, replayed: each kept schedule shows its bug on the version that has it.

On the version with the fix the same search finds nothing of it within the case's bound of schedules: a few here, all of
them with `-m campaign`, where each bug is found anew, too.
"""

from __future__ import annotations

import pytest

from rcuactors.engine.events import DigestSink
from rcuactors.hunt.finding import shown_by
from rcuactors.hunt.follow import Follow
from rcuactors.hunt.keep import keyed, prepared, replay
from rcuactors.hunt.plan import plan_of
from rcuactors.hunt.schedule import find_policy
from rcuactors.hunt.search import Progress, explore
from tests.history.cases import CASES, KEPT, Case, figures, rows
from tests.history.find import seek

SHORT = 8
"""Schedules that are tried here on a version with the fix."""

LONGEST = 40
"""Departures of the longest schedule that is kept."""


def by_label(case: Case) -> str:
    return case.label


def test_each_case_has_its_schedule_and_its_figures_and_there_are_no_others() -> None:
    labels = {case.label for case in CASES}
    assert len(labels) == len(CASES)
    assert {path.stem for path in KEPT.glob("*.json")} == labels
    assert set(figures()) == labels
    assert all(row[4].partition(" of ")[0] != "0" for row in rows())


@pytest.mark.parametrize("case", CASES, ids=by_label)
def test_the_kept_schedule_shows_the_bug_and_none_of_its_departures_can_be_left_out(case: Case) -> None:
    schedule = case.kept()
    digest = DigestSink()
    replayed = replay(schedule, prepared(schedule, digest), digest)
    assert any(case.is_it(shown) for shown in replayed.shown)
    kept = keyed(schedule)
    assert schedule.minimal
    assert len(kept.departures) == figures()[case.label]["departures"] <= LONGEST
    for gone in kept.departures:
        rest = [one for one in kept.departures if one is not gone]
        found = shown_by(
            *kept.attempt.run(Follow(find_policy(schedule.policy), rest), schedule.spec.seed), sought=case.sought
        )
        assert schedule.shown.signature not in {shown.signature for shown in found}


@pytest.mark.one_in(2)
@pytest.mark.parametrize("case", [case for case in CASES if case.mended], ids=by_label)
def test_it_is_not_found_where_it_is_mended(case: Case) -> None:
    assert seek(case, 0, case.mended, SHORT).kept is None


@pytest.mark.parametrize("case", [case for case in CASES if case.kernel == "v6.12" and case.covered], ids=by_label)
def test_all_within_a_bound_is_covered_where_it_is_mended(case: Case) -> None:
    """The same search finds it on the version that has it."""
    covers(case)


def covers(case: Case) -> None:
    for kernel, found in ((case.kernel, True), (case.mended, False)):
        progress = Progress()
        trials = explore(plan_of(case.spec(kernel), (case.covered,), sought=case.sought), progress)
        assert any(case.is_it(shown) for trial in trials for shown in trial.shown) is found
        assert progress.complete is not found


@pytest.mark.campaign
@pytest.mark.parametrize("case", [case for case in CASES if case.covered], ids=by_label)
def test_all_within_a_bound_is_covered_for_each_version(case: Case) -> None:
    covers(case)


@pytest.mark.campaign
@pytest.mark.parametrize("case", [case for case in CASES if case.mended], ids=by_label)
def test_it_is_not_found_where_it_is_mended_within_the_bound(case: Case) -> None:
    assert seek(case, 0, case.mended, case.bound).kept is None


@pytest.mark.campaign
@pytest.mark.parametrize("case", CASES, ids=by_label)
def test_it_is_found_anew(case: Case) -> None:
    assert any(seek(case, number).kept is not None for number in range(3))
