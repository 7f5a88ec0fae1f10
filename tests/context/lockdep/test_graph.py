"""context/lockdep/graph.py: edges, and which paths over readers are strong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcuactors.context.lockdep.graph import EN, ER, SN, SR, Step, add_edge, add_usage, dependency, search
from rcuactors.context.locks import READ, RECURSIVE_READ, WRITE, LockClass, LockKind
from rcuactors.context.trace import KeptTrace
from rcuactors.context.waittype import WaitType


def classes(names: str) -> dict[str, LockClass]:
    return {name: LockClass(name, key, LockKind.RWLOCK, WaitType.CONFIG) for key, name in enumerate(names, start=1)}


@pytest.mark.parametrize(
    ("outer", "inner", "kind"),
    [
        (WRITE, WRITE, EN),
        (WRITE, READ, EN),
        (WRITE, RECURSIVE_READ, ER),
        (READ, WRITE, SN),
        (RECURSIVE_READ, READ, SN),
        (READ, RECURSIVE_READ, SR),
    ],
)
def test_the_kind_of_an_edge(outer: int, inner: int, kind: int) -> None:
    assert dependency(outer, inner) == kind


def reaches(*edges: tuple[str, str, int], weak: bool = False, forwards: bool = True) -> str:
    """The names of the classes that a search from the first edge's start (backwards: the last one's end) matches."""
    known = classes("ABCD")
    for outer, inner, kind in edges:
        add_edge(known[outer], known[inner], kind, KeptTrace)
    start = known[edges[0][0] if forwards else edges[-1][1]]
    found: list[str] = []

    def note(step: Step) -> bool:
        found.append(step.lock_class.name)
        return False

    assert search(Step(start, weak), note, forwards=forwards) is None
    return "".join(found)


@pytest.mark.parametrize(
    ("first", "second", "strong"),
    [(EN, SN, True), (SN, EN, True), (SN, SR, True), (ER, EN, True), (SR, ER, True), (ER, SN, False), (SR, SR, False)],
)
@pytest.mark.parametrize("forwards", [True, False])
def test_a_recursive_reader_does_not_block_a_reader(first: int, second: int, strong: bool, forwards: bool) -> None:
    expected = ("ABC" if strong else "AB") if forwards else ("CBA" if strong else "CB")
    assert reaches(("A", "B", first), ("B", "C", second), forwards=forwards) == expected


def test_a_weak_start_needs_an_exclusive_holder_forwards_and_a_blocking_taker_backwards() -> None:
    assert reaches(("A", "B", SN), weak=True) == "A"
    assert reaches(("A", "B", ER), weak=True) == "AB"
    assert reaches(("A", "B", ER), weak=True, forwards=False) == "B"
    assert reaches(("A", "B", SN), weak=True, forwards=False) == "BA"


def test_an_edge_seen_in_two_ways_is_as_good_as_both() -> None:
    assert reaches(("A", "B", ER), ("A", "B", EN), ("B", "C", SR)) == "ABC"


def test_a_class_reached_weakly_first_is_looked_at_again_when_reached_firmly() -> None:
    """A to B by readers only; A to C to B firmly: D, behind B as a reader's lock, is reached by the longer way."""
    assert "D" in reaches(("A", "B", ER), ("A", "C", EN), ("C", "B", EN), ("B", "D", SN))


def test_the_shortest_path_is_found_and_told_from_its_start() -> None:
    known = classes("ABCD")
    traces: dict[str, KeptTrace] = {}
    for outer, inner in ("AB", "BC", "CD", "AD"):
        add_edge(known[outer], known[inner], EN, lambda name=f"{outer}{inner}": traces.setdefault(name, KeptTrace()))
    found = search(Step(known["A"], False), lambda step: step.lock_class is known["D"])
    assert found is not None
    assert [step.lock_class.name for step in found.path()] == ["A", "D"]
    assert found.edge is not None
    assert found.edge.trace is traces["AD"]


def test_no_path_goes_through_a_class_to_skip() -> None:
    known = classes("ABC")
    add_edge(known["A"], known["B"], EN, KeptTrace)
    add_edge(known["B"], known["C"], EN, KeptTrace)
    start = Step(known["A"], False)
    assert search(start, lambda step: step.lock_class is known["C"]) is not None
    skip = search(start, lambda step: step.lock_class is known["C"], skip=lambda one: one is known["B"])
    assert skip is None


_NAMES = st.sampled_from("ABCDEF")
_EVENTS = st.one_of(st.tuples(_NAMES, _NAMES), st.tuples(_NAMES, st.integers(0, 9)))


def led_to(start: LockClass, *, forwards: bool) -> set[LockClass]:
    """The classes that edges lead to from here, or from which they lead here, of whatever kind they are."""
    found: set[LockClass] = set()
    left = [start]
    while left:
        at = left.pop()
        new = set(at.after if forwards else at.before) - found
        found |= new
        left += new
    return found


@given(st.lists(_EVENTS, max_size=30))
def test_what_is_kept_with_a_class_is_what_a_search_would_find(events: list[tuple[str, str | int]]) -> None:
    """Where that says there is nothing no search is made, so that one bit too few would be a report too few."""
    known = classes("ABCDEF")
    for name, other in events:
        if isinstance(other, int):
            add_usage(known[name], other, KeptTrace)
        else:
            add_edge(known[name], known[other], EN, KeptTrace)
    for one in known.values():
        below, above = led_to(one, forwards=True), led_to(one, forwards=False)
        assert one.below == below
        for kept, others in ((one.usage_below, below), (one.usage_above, above)):
            mask = one.usage_mask
            for each in others:
                mask |= each.usage_mask
            assert kept == mask
