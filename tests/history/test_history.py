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
from rcuactors.hunt.schedule import find_policy
from tests.history.cases import CASES, KEPT, Case, figures, rows
from tests.history.find import seek

SHORT = 8
"""Schedules that are tried here on a version with the fix."""

LONGEST = 12
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
        found = shown_by(*kept.attempt.run(Follow(find_policy(schedule.policy), rest), schedule.spec.seed))
        assert schedule.shown.signature not in {shown.signature for shown in found}


@pytest.mark.parametrize("case", [case for case in CASES if case.mended], ids=by_label)
def test_it_is_not_found_where_it_is_mended(case: Case) -> None:
    assert seek(case, 0, case.mended, SHORT).kept is None


@pytest.mark.campaign
@pytest.mark.parametrize("case", [case for case in CASES if case.mended], ids=by_label)
def test_it_is_not_found_where_it_is_mended_within_the_bound(case: Case) -> None:
    assert seek(case, 0, case.mended, case.bound).kept is None


@pytest.mark.campaign
@pytest.mark.parametrize("case", CASES, ids=by_label)
def test_it_is_found_anew(case: Case) -> None:
    assert any(seek(case, number).kept is not None for number in range(3))
