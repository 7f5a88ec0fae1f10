"""What follows from a comparison is derived: another board, other sentences."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rcuactors.compare.board import Board, Cost
from rcuactors.compare.costs import FIGURES, Spread
from rcuactors.compare.reasons import reasons
from rcuactors.compare.summary import Summary, summary_of
from rcuactors.compare.verdict import Verdict

MakeBoard = Callable[..., Board]

LEGAL = Verdict()
DEAD = Verdict(kind="recursive-locking", title="recursion", fatal="deadlock", failed=1)
KEPT = Verdict(late="never-freed: 8 objects")
LEAKS = Verdict(kind="never-freed", title="8 objects", failed=1)


def cost(outcome: str = "clean", **figures: float) -> Cost:
    values = {name: figures.get(name, 100.0 if name == "found_percent" else 0) for name in FIGURES}
    return Cost(figures={name: Spread(value, value, value) for name, value in values.items()}, outcome=outcome)


def two(make_board: MakeBoard, a: Cost, b: Cost) -> Summary:
    row = {"process": LEGAL, "NMI": DEAD}
    return summary_of(make_board({"a": row, "b": row}, {"a": a, "b": b}))


def test_the_cheapest_of_those_that_are_legal_in_mainlines_contexts(make_board: MakeBoard) -> None:
    found = two(make_board, cost(call_ns=200.0), cost(call_ns=100.0))
    assert found.mainline == ("b",)
    assert found.sentences[0] == (
        "For mainline's contexts (all but NMI) take b: legal in the 1 cell, as is 1 other, of which it costs least "
        "(at worst 100 % of the calls found a block, 0 ns from call to free (99 %), 100.0 ns of CPU time a call)."
    )
    assert two(make_board, cost(call_ns=100.0), cost(call_ns=200.0)).mainline == ("a",)
    assert two(make_board, cost(), cost()).mainline == ("a", "b")


def test_nmi_does_not_count_for_mainline(make_board: MakeBoard) -> None:
    rows = {"a": {"process": DEAD, "NMI": LEGAL}, "b": {"process": LEGAL, "NMI": DEAD}}
    found = summary_of(make_board(rows))
    assert (found.mainline, found.nmi) == (("b",), ("a",))


def test_a_design_for_nmi(make_board: MakeBoard) -> None:
    rows = {"a": {"process": LEGAL, "NMI": LEGAL}, "b": {"process": LEGAL, "NMI": DEAD}}
    found = summary_of(make_board(rows))
    assert found.nmi == ("a",)
    assert found.sentences[1] == "For these and NMI take a: legal in all 2 cells."


def test_who_keeps_objects_is_the_subject_and_never_taken(make_board: MakeBoard) -> None:
    rows = {"keeper": {"process": KEPT, "NMI": KEPT}, "b": {"process": LEGAL, "NMI": DEAD}}
    free = cost(call_ns=100.0, peak_bytes=8192, raw_held_ns=50)
    found = summary_of(make_board(rows, {"keeper": cost("never-freed"), "b": free}))
    assert found.keeping == ("keeper",)
    assert "keeper" not in {*found.mainline, *found.nmi, *found.memory, *found.raw_held}
    assert found.sentences[1] == (
        "Only what keeps objects for ever is legal in NMI, too: keeper (all 2 cells); of those that free everything b "
        "is legal in 1 of 2 cells, none in NMI."
    )
    nobody = summary_of(make_board({"a": {"process": LEGAL, "NMI": DEAD}}))
    assert nobody.sentences[1].startswith("For these and NMI there is none to take: no design is legal in NMI; a is ")
    alone = summary_of(make_board({"keeper": rows["keeper"]}))
    assert alone.sentences == ("Objects are kept for ever by the only design (keeper): there is none to take.",)


@pytest.mark.parametrize(
    ("verdict", "outcome", "keeps"),
    [
        (LEGAL, "clean", False),
        (KEPT, "clean", True),
        (LEGAL, "never-freed", True),
        (LEAKS, "clean", True),
        (LEGAL, "deadlock, never-freed", False),  # what is dead frees nothing: that is no keeping
        (DEAD, "clean", False),
    ],
)
def test_who_keeps_objects(make_board: MakeBoard, verdict: Verdict, outcome: str, keeps: bool) -> None:
    board = make_board({"a": {"process": verdict}}, {"a": cost(outcome)})
    assert board.cards[0].keeps is keeps


def test_least_memory_and_the_shortest_time_with_a_raw_lock(make_board: MakeBoard) -> None:
    a, b = cost(peak_bytes=4096, raw_held_ns=90, found_percent=10.0), cost(peak_bytes=8192, raw_held_ns=40)
    found = two(make_board, a, b)
    assert (found.memory, found.raw_held) == (("a",), ("b",))
    assert found.sentences[2] == (
        "Of the 2 designs that are legal there, a has the least memory (4.00 KiB at the peaks of 1 run together, "
        "b 8.00 KiB; in one only 10 % of the calls found a block), and b has the shortest time with a raw lock held "
        "(40 ns at worst, a 90 ns)."
    )
    swapped = two(make_board, b, a)
    assert (swapped.memory, swapped.raw_held) == (("b",), ("a",))


def test_who_did_not_come_through_has_no_costs(make_board: MakeBoard) -> None:
    found = two(make_board, cost("deadlock", peak_bytes=1), cost(peak_bytes=8192, raw_held_ns=40))
    assert found.memory == found.raw_held == ("b",)
    assert found.sentences[2] == (
        "b has no rival in costs: 8.00 KiB at the peaks of 1 run together, and a raw lock held for 40 ns at worst."
    )
    assert len(two(make_board, cost("deadlock"), cost("OOM")).sentences) == 2


def test_nothing_legal_and_nothing_measured(make_board: MakeBoard) -> None:
    (sentence,) = summary_of(make_board({"a": {"process": DEAD}})).sentences
    assert sentence.startswith("For what was asked for there is none to take: ")
    assert summary_of(make_board({"a": {}})).sentences == ("Nothing was measured.",)


def test_of_a_comparison_that_was_ended_nothing_is_concluded(make_board: MakeBoard) -> None:
    """Another design may be the only one that is legal, and it may be among those that were not judged."""
    board = make_board({"a": {"process": LEGAL, "NMI": DEAD}, "b": {}}, done=0)
    found = summary_of(board)
    assert found.sentences == ("No conclusion: 0 of 1 run were made, and the rest may say something else.",)
    assert (found.mainline, found.nmi, found.memory, found.raw_held) == ((), (), (), ())
    assert set(reasons(board).values()) == {"Not decided: 0 of 1 run were made."}
