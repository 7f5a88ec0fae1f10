"""Rows that say the same are shown once; what is best is that of designs that did all of their work."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest

from rcuactors.compare.board import Board, Card, Cost
from rcuactors.compare.costs import FIGURES, Spread
from rcuactors.compare.designs import DesignRef
from rcuactors.compare.groups import bests, cost_groups, is_best, kernels_line, style_of, verdict_groups
from rcuactors.compare.kernels import find_kernels
from rcuactors.compare.tasks import Plan
from rcuactors.compare.verdict import Verdict

MakeBoard = Callable[..., Board]

LEGAL = Verdict()
DEAD = Verdict(kind="recursive-locking", title="recursion", fatal="deadlock", failed=1)
SLEEPS = Verdict(kind="sleeping-function", title="sleeps", failed=1)
KEPT = Verdict(late="never-freed: 8 objects")


def cost(value: int, outcome: str = "clean") -> Cost:
    return Cost(figures={name: Spread(value, value, value) for name in FIGURES}, outcome=outcome)


def test_designs_with_the_same_verdicts_are_together(make_board: MakeBoard) -> None:
    elsewhere = attrs.evolve(DEAD, title="recursion at another address")
    board = make_board({"a": {"process": DEAD}, "b": {"process": LEGAL}, "c": {"process": elsewhere}})
    assert [group.names for group in verdict_groups(board)] == ["a, c", "b"]


def test_who_keeps_objects_is_not_with_who_frees_them(make_board: MakeBoard) -> None:
    board = make_board({"a": {"process": LEGAL}, "b": {"process": LEGAL}}, {"a": cost(1), "b": cost(1, "never-freed")})
    assert [(group.names, group.keeps) for group in verdict_groups(board)] == [("a", False), ("b", True)]


def test_kernels_with_the_same_verdicts_are_together() -> None:
    kernels = find_kernels(["plain", "prove", "rt"], {})
    verdicts = {("plain", "process"): LEGAL, ("prove", "process"): DEAD, ("rt", "process"): LEGAL}
    plan = Plan(designs=(DesignRef("a", ""),), kernels=kernels, measured=kernels)
    board = Board(plan=plan, cards=(Card(design="a", about="", verdicts=verdicts, costs={}),), done=1, wanted=1)
    (group,) = verdict_groups(board)
    assert [names for names, _ in group.rows] == [("plain", "rt"), ("prove",)]


def test_designs_with_the_same_figures_are_together(make_board: MakeBoard) -> None:
    rows = {name: {"process": LEGAL} for name in "abcd"}
    board = make_board(rows, {"a": cost(1), "b": cost(2), "c": cost(1), "d": cost(1, "deadlock")})
    groups = cost_groups(board, "prove", "trickle")
    assert [(group.names, group.reported) for group in groups] == [("a, c", ""), ("b", ""), ("d", "deadlock")]


def test_who_keeps_objects_or_died_is_best_in_nothing(make_board: MakeBoard) -> None:
    rows = {name: {"process": LEGAL} for name in "abcd"}
    costs = {"a": cost(1, "never-freed"), "b": cost(1, "deadlock"), "c": cost(2), "d": cost(3)}
    board = make_board(rows, costs)
    best = bests(board, "prove", "trickle")
    assert best["peak_bytes"] == 2
    assert best["found_percent"] == 3
    groups = cost_groups(board, "prove", "trickle")
    assert [group.names for group in groups if is_best(group, "peak_bytes", best)] == ["c"]


def test_where_all_are_the_same_none_is_best(make_board: MakeBoard) -> None:
    rows = {name: {"process": LEGAL} for name in "ab"}
    board = make_board(rows, {"a": cost(1), "b": cost(1)})
    assert set(bests(board, "prove", "trickle").values()) == {None}


@pytest.mark.parametrize(
    ("verdict", "style"),
    [
        (None, "missing"),
        (LEGAL, "legal"),
        (KEPT, "keeps"),
        (SLEEPS, "wrong"),
        (DEAD, "fatal"),
        (attrs.evolve(DEAD, dry=True), "until"),
        (attrs.evolve(SLEEPS, low=True), "until"),
    ],
)
def test_the_class_of_a_cell(verdict: Verdict | None, style: str) -> None:
    assert style_of(verdict) == style


def test_kernels_by_version() -> None:
    kernels = find_kernels(["plain", "v5.9:rt", "v5.9:plain", "prove"], {})
    board = Board(plan=Plan(designs=(), kernels=kernels, measured=()), cards=(), done=0, wanted=0)
    assert kernels_line(board) == "v5.11 (plain, prove) and v5.9 (rt, plain)"
