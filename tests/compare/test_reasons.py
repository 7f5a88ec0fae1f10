"""The reasons are derived: another board, another sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rcuactors.compare
from rcuactors.compare.board import Board, Card, Cost
from rcuactors.compare.costs import FIGURES, Spread
from rcuactors.compare.designs import DesignRef
from rcuactors.compare.kernels import find_kernels
from rcuactors.compare.reasons import WEIGHTS, reasons
from rcuactors.compare.tasks import Plan
from rcuactors.compare.verdict import Verdict
from rcuactors.designs import DESIGNS

MakeBoard = Callable[..., Board]

LEGAL = Verdict()
WRONG = Verdict(kind="invalid-wait-context", title="BUG: Invalid wait context: &zone->lock", failed=1)
DRY = attrs.evolve(WRONG, dry=True)
DEAD = Verdict(kind="recursive-locking", title="recursion", fatal="deadlock", failed=1)


def cost(outcome: str = "clean", **figures: float) -> Cost:
    values = {name: figures.get(name, 100.0 if name == "found_percent" else 0) for name in FIGURES}
    return Cost(figures={name: Spread(value, value, value) for name, value in values.items()}, outcome=outcome)


def test_who_is_legal_in_more_cells_won(make_board: MakeBoard) -> None:
    good, bad = {"process": LEGAL, "NMI": LEGAL}, {"process": LEGAL, "NMI": DEAD}
    why = reasons(make_board({"a": good, "b": bad}))
    assert why["a"] == "Won: legal in 2 of 2 cells, no other design in as many."
    assert why["b"] == (
        "Lost: legal in 1 of 2 cells, a in 2. On prove recursive-locking and then deadlock in NMI (first: recursion)."
    )
    swapped = reasons(make_board({"a": bad, "b": good}))
    assert (swapped["a"], swapped["b"]) == (why["b"].replace(", a in", ", b in"), why["a"])


def test_dry_is_said_and_beats_always(make_board: MakeBoard) -> None:
    why = reasons(make_board({"a": {"process": WRONG}, "b": {"process": DRY}, "c": {"process": LEGAL}}))
    assert "once the pcplist runs dry" in why["b"]
    assert "once the pcplist runs dry" not in why["a"]
    without_c = reasons(make_board({"a": {"x": LEGAL, "y": WRONG}, "b": {"x": LEGAL, "y": DRY}}))
    assert without_c["b"].startswith("Won: legal in 1 of 2 cells")
    assert without_c["a"].startswith("Lost: legal in 1 of 2 cells, as many as b, but in more of the others not even")


def test_what_is_left_at_the_end_is_no_verdict_on_a_context_but_told(make_board: MakeBoard) -> None:
    kept = Verdict(late="never-freed: 8 objects")
    why = reasons(make_board({"a": {"process": kept, "NMI": kept}, "b": {"process": LEGAL, "NMI": LEGAL}}))
    assert why["b"].startswith("Won: legal in 2 of 2 cells")
    assert why["a"].startswith("Keeps objects for ever, so that no other is held against it: legal in 2 of 2 cells.")
    assert "In 2 of 2 cells something is left over when the machine is idle (never-freed: 8 objects)." in why["a"]


def test_who_keeps_objects_wins_against_nobody(make_board: MakeBoard) -> None:
    kept = Verdict(late="never-freed: 8 objects")
    rows = {"keeper": {"process": kept, "NMI": kept}, "a": {"process": LEGAL, "NMI": DEAD}}
    why = reasons(make_board(rows, {"keeper": cost(call_ns=10.0), "a": cost(call_ns=100.0)}))
    assert why["a"].startswith("Won: legal in 1 of 2 cells, alone in freeing everything.")
    assert "Its price" not in why["a"]
    assert "Its price" not in why["keeper"], "who is better pays nothing"
    alone = reasons(make_board({name: {"process": kept} for name in "ab"}))
    assert alone["a"].startswith("Keeps objects for ever, as all in the table do. Won: ")


def test_what_no_design_survives_is_held_against_none(make_board: MakeBoard) -> None:
    why = reasons(make_board({"a": {"process": LEGAL, "NMI": DEAD}, "b": {"process": DRY, "NMI": DEAD}}))
    for line in why.values():
        assert "No design is legal in NMI." in line
        assert "deadlock" not in line


def test_costs_decide_between_the_equally_legal(make_board: MakeBoard) -> None:
    rows = {"a": {"process": LEGAL}, "b": {"process": LEGAL}}
    cheap, dear = cost(), cost(found_percent=40.0, latency_p99_ns=5_000_000)
    why = reasons(make_board(rows, {"a": cheap, "b": dear}))
    assert why["a"] == (
        "Won: legal in 1 of 1 cells, as b; none of these costs less. Its strength: 0 ns from call to free (99 %) "
        "in trickle on prove (the middle of the others: 5.00 ms)."
    )
    assert why["b"] == (
        "Lost on costs: legal in 1 of 1 cells, as a; a costs less. "
        "Its price: 5.00 ms from call to free (99 %) in trickle on prove (a: 0 ns); "
        "40 % of the calls found a block in trickle on prove (a: 100 %)."
    )
    assert reasons(make_board(rows, {"a": dear, "b": cheap}))["a"].startswith("Lost on costs")
    level = reasons(make_board(rows, {"a": cheap, "b": cheap}))
    assert all(line.startswith("Won: ") for line in level.values())


def test_what_all_pay_alike_is_nobodys_price(make_board: MakeBoard) -> None:
    rows = {name: {"process": LEGAL} for name in "abcde"}
    costs = {name: cost(latency_p99_ns=10_000_000, found_percent=100.0) for name in "abcde"}
    costs["a"] = cost(latency_p99_ns=1_000)
    costs["b"] = cost(latency_p99_ns=10_000_000, found_percent=60.0)
    price = reasons(make_board(rows, costs))["b"].partition("Its price: ")[2]
    assert price.startswith("60 % of the calls found a block")
    # With nothing else to say, it is said.
    assert "from call to free" in reasons(make_board(rows, costs))["c"]


@pytest.mark.parametrize(("later_ns", "told"), [(3_900_000, False), (5_000_000, True)])
def test_when_a_tick_fell_is_nobodys_price(make_board: MakeBoard, later_ns: int, told: bool) -> None:
    """A design that takes a nanosecond longer may miss a tick, and have its objects freed a jiffy later."""
    rows = {"a": {"process": LEGAL}, "b": {"process": LEGAL}}
    costs = {"a": cost(latency_p99_ns=32_000_000), "b": cost(latency_p99_ns=32_000_000 + later_ns)}
    why = reasons(make_board(rows, costs))
    assert ("from call to free" in why["b"]) is told
    assert why["b"].startswith("Lost on costs" if told else "Won")


def test_kernels_of_which_the_same_is_said_are_named_together() -> None:
    verdicts = {(kernel, "process"): DEAD for kernel in ("plain", "prove")} | {("rt", "process"): WRONG}
    good = dict.fromkeys(verdicts, LEGAL)
    cards = tuple(Card(design=name, about="", verdicts=row, costs={}) for name, row in (("a", verdicts), ("b", good)))
    kernels = find_kernels(["plain", "prove", "rt"], {})
    plan = Plan(designs=(DesignRef("a", ""), DesignRef("b", "")), kernels=kernels, measured=kernels)
    line = reasons(Board(plan=plan, cards=cards, done=1, wanted=1))["a"]
    assert (
        "On plain and prove recursive-locking and then deadlock in process; on rt invalid-wait-context in process"
        in line
    )


def test_who_takes_no_pages_is_no_measure_of_what_pages_cost(make_board: MakeBoard) -> None:
    rows = {"a": {"process": LEGAL}, "b": {"process": LEGAL}}
    why = reasons(make_board(rows, {"a": cost(peak_pages=50), "b": cost(found_percent=0.0)}))
    assert "pages" not in why["a"]
    why = reasons(make_board(rows, {"a": cost(peak_pages=50), "b": cost()}))
    assert "50 pages were held at the peak in trickle on prove (b: 0)" in why["a"]


def test_a_workload_that_ends_badly_is_told_and_is_no_measure(make_board: MakeBoard) -> None:
    rows = {"a": {"process": LEGAL}, "b": {"process": LEGAL}}
    why = reasons(make_board(rows, {"a": cost(call_ns=500), "b": cost("out-of-memory")}))
    assert "Out-of-memory in trickle on prove." in why["b"]
    assert "Its price" not in why["a"]


def test_one_design_alone_neither_wins_nor_loses(make_board: MakeBoard) -> None:
    why = reasons(make_board({"a": {"process": LEGAL, "NMI": DEAD}}))
    assert why["a"].startswith("Alone in the table: legal in 1 of 2 cells.")
    assert "deadlock in NMI" in why["a"]


def test_nothing_measured(make_board: MakeBoard) -> None:
    assert reasons(make_board({"a": {}, "b": {"process": LEGAL}}))["a"] == "Nothing of it was measured."
    assert set(reasons(make_board({"a": {}})).values()) == {"Nothing of it was measured."}


def test_nothing_here_knows_a_design_by_name() -> None:
    folder = Path(rcuactors.compare.__file__).parent
    for path in folder.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert [name for name in DESIGNS if f'"{name}"' in text] == [], path.name


def test_every_weight_is_of_a_figure() -> None:
    assert set(WEIGHTS) <= set(FIGURES)


VERDICTS = st.sampled_from([LEGAL, WRONG, DRY, DEAD])


@given(st.lists(st.tuples(VERDICTS, VERDICTS, VERDICTS), min_size=2, max_size=5))
def test_any_board_has_a_winner_and_one_line_each(rows: list[tuple[Verdict, ...]]) -> None:
    names = [f"d{number}" for number in range(len(rows))]
    places = [("prove", context) for context in ("process", "hardirq", "NMI")]
    cards = tuple(
        Card(design=name, about="", verdicts=dict(zip(places, row, strict=True)), costs={})
        for name, row in zip(names, rows, strict=True)
    )
    kernels = find_kernels(["prove"], {})
    plan = Plan(designs=tuple(DesignRef(name, "") for name in names), kernels=kernels, measured=kernels)
    why = reasons(Board(plan=plan, cards=cards, done=1, wanted=1))
    assert list(why) == names
    assert all("\n" not in line and line for line in why.values())
    legal = {name: sum(verdict.legal for verdict in row) for name, row in zip(names, rows, strict=True)}
    winners = {name for name, line in why.items() if line.startswith("Won: ")}
    most = max(legal.values())
    assert {legal[name] for name in winners} == ({most} if most else set())
    assert all(line.startswith("Nobody won. No design is legal in ") for line in why.values()) is not bool(most)
