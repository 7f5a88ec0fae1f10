"""Which strategy finds what in `churn`: the table's figures are of searches, and churn finds most of the history."""

from __future__ import annotations

import pytest

from rcuactors import load_scenario, run
from tests.history import by_strategy
from tests.history.by_strategy import MOST, SCENARIO, STRATEGIES, figures, rows, search, searches_by, sought
from tests.history.cases import CASES, find_case
from tests.history.cases import figures as measured


def test_churn_finds_two_thirds_of_the_history() -> None:
    """With each of its cases goes a schedule that is kept, with departures; one more bug comes in order of time."""
    found = {case.bug for case in sought() if measured()[case.label]["departures"]}
    assert run(load_scenario(SCENARIO), kernel="v5.11").waste["counts_too_low"]
    found.add("4c33464ae85e")
    assert 3 * len(found) >= 2 * len({case.bug for case in CASES})


def test_each_case_was_sought_and_some_strategy_finds_it() -> None:
    known = figures()
    assert set(known) == {case.label for case in sought()}
    for label, row in known.items():
        assert set(row) <= set(STRATEGIES), label
        assert any(found for made in row.values() for _, _, found in made), label
        for name, made in row.items():
            assert len(made) <= searches_by(name), label
            assert all(found or schedules <= MOST for schedules, _, found in made), label
    assert [row[1] for row in rows()] == [case.kernel for case in sought()]


def test_a_search_is_the_same_when_it_is_made_again() -> None:
    """In schedules; CPU time is another matter."""
    case = find_case("dfd3df31c9db-churn-v6.12.0")
    schedules, _, found = figures()[case.label]["holds"][0]
    again = search(case, "holds", 0)
    assert again[::2] == (schedules, found)
    assert found


def test_a_search_ends_at_its_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    case = find_case("dfd3df31c9db-churn-v6.12.0")
    monkeypatch.setattr(by_strategy, "MOST", 1)
    assert search(case, "holds", 0)[::2] == (1, False)
    monkeypatch.setattr(by_strategy, "MOST", 60)
    monkeypatch.setattr(by_strategy, "SECONDS", 0.0)
    assert search(case, "dfs", 0)[::2] == (1, False)
