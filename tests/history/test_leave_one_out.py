"""The default strategies on bugs on which they were not tuned: that is what the figures are."""

from __future__ import annotations

import pytest

from tests.history import leave_one_out
from tests.history.cases import CASES, find_case
from tests.history.leave_one_out import GRID, Shares, chosen_without, figures, quantile, rows, search, sought_by_holds

CHURN = find_case("2b55d6a42d14-churn-v6.12")
STALE = find_case("5da7cb193db3-stale_batch-v5.11")
ROOT = find_case("85aad7cc4178-hotplug_short_grace_period-v6.6")


def shares(**best: str) -> Shares:
    """Each set shows each bug once; of the cases named here one set shows it often."""
    cases = {"churn": CHURN, "stale": STALE, "root": ROOT}
    tried = {case.label: dict.fromkeys(GRID, 1) for case in cases.values()}
    for name, strategy in best.items():
        tried[cases[name].label][strategy] = 50
    return tried


def test_the_bug_that_is_sought_has_no_part_in_the_choice() -> None:
    cases = [CHURN, STALE, ROOT]
    tried = shares(stale=GRID[3], churn=GRID[4])
    assert chosen_without(STALE.bug, tried, cases) == GRID[4]
    assert chosen_without(CHURN.bug, tried, cases) == GRID[3]
    assert chosen_without(ROOT.bug, shares(), cases) == GRID[0]
    # Another case of the same bug has none either.
    other = find_case("5da7cb193db3-stale_batch-v6.1.0")
    tried[other.label] = {**dict.fromkeys(GRID, 1), GRID[5]: 90}
    assert chosen_without(STALE.bug, tried, [*cases, other]) == GRID[4]


def test_a_set_that_shows_nothing_of_one_bug_is_not_the_best_for_all() -> None:
    tried = shares(stale=GRID[3])
    tried[CHURN.label][GRID[3]] = 0
    tried[CHURN.label][GRID[1]] = tried[STALE.label][GRID[1]] = 20
    assert chosen_without(ROOT.bug, tried, [CHURN, STALE, ROOT]) == GRID[1]


def test_the_figures_are_of_searches_with_the_set_that_was_chosen_so() -> None:
    known = figures()
    cases = [case for case in sought_by_holds() if case.label in known["tried"]]
    assert len({case.bug for case in cases}) >= 3
    assert all(set(row) == set(GRID) for row in known["tried"].values())
    for case in cases:
        assert chosen_without(case.bug, known["tried"], cases) in known["searches"][case.label]
    assert len(rows()) == len(cases)


def test_a_search_ends_with_the_bug_or_at_its_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leave_one_out, "MOST", 20)
    schedules, seconds, found = search(CHURN, GRID[0], 0)
    assert found
    assert 1 < schedules <= 20
    assert seconds > 0
    monkeypatch.setattr(leave_one_out, "MOST", 1)
    assert search(CHURN, GRID[0], 0)[::2] == (1, False)


def test_quantiles_are_values_that_were_there() -> None:
    values = [float(value) for value in range(1, 21)]
    assert (quantile(values, 0.5), quantile(values, 0.95), quantile([7.0], 0.95)) == (10.0, 19.0, 7.0)


def test_only_what_holds_seeks_is_about_holds() -> None:
    assert {case.strategies for case in sought_by_holds()} == {("holds",)}
    assert len(sought_by_holds()) <= len(CASES)
