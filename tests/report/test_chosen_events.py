"""Which events somebody wants to see: by name, by CPU, around a report; and those before each report."""

from __future__ import annotations

import attrs
import pytest

from rcuactors import BadInput
from rcuactors.context.violation import Violation, ViolationKind
from rcuactors.engine.events import Event, ListSink
from rcuactors.report.chosen_events import AFTER, BEFORE, BeforeReports, ChosenEvents, Wanted


def event(name: str, cpu: int = 0, text: str = "") -> Event:
    return Event(1_000, cpu, "task", 12, "d..1.", name, text)


MANY = [event("kvfree_call_rcu", number % 2, str(number)) for number in range(40)]


def shown(
    wanted: Wanted, events: list[Event], reports: dict[int, Violation] | None = None
) -> tuple[list[Event], object]:
    """What comes of these events, with reports after some of them; and what was missed."""
    sink = ListSink()
    chosen = ChosenEvents(wanted, sink)
    for number, one in enumerate(events):
        chosen.take(one)
        if reports and number in reports:
            chosen.reported(reports[number])
    return sink.events, chosen.missed()


def test_the_page_allocators_events_are_asked_for() -> None:
    events = [event("mm_page_alloc"), event("kvfree_call_rcu"), event("mm_page_free")]
    assert shown(Wanted(), events)[0] == [events[1]]
    assert shown(Wanted(names=("mm_page",)), events)[0] == [events[0], events[2]]
    assert shown(Wanted(names=("alloc", "kvfree")), events)[0] == events[:2]


def test_of_one_cpu() -> None:
    assert {one.cpu for one in shown(Wanted(cpu=1), MANY)[0]} == {1}


@pytest.mark.parametrize("around", ["2", "leak"])
def test_around_a_report(violation: Violation, around: str) -> None:
    leak = attrs.evolve(violation, kind=ViolationKind.LEAK)
    events, missed = shown(Wanted(around=around), MANY, {3: violation, 25: leak, 37: leak})
    assert events == MANY[26 - BEFORE : 26 + AFTER]
    assert missed is None


def test_around_and_of_one_cpu(violation: Violation) -> None:
    events, _ = shown(Wanted(cpu=1, around="1"), MANY, {35: violation})
    assert events == [*MANY[36 - 2 * BEFORE + 1 : 36 : 2], *MANY[37:40:2]]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Wanted(around="3"), "--around 3: no such report; there were 1: double-free"),
        (Wanted(around="leak"), "--around leak: no such report; there were 1: double-free"),
        (
            Wanted(names=("kvfree", "kvfree_cal_rcu")),
            "--event kvfree_cal_rcu: no event of this run has that in its name; did you mean",
        ),
    ],
)
def test_what_did_not_come_is_said(violation: Violation, wanted: Wanted, said: str) -> None:
    _, missed = shown(wanted, MANY, {3: violation})
    assert str(missed).startswith(said)


def test_without_a_report_there_is_none_around() -> None:
    assert str(shown(Wanted(around="1"), MANY)[1]) == "--around 1: no such report; there was none"


@pytest.mark.parametrize("around", ["0", "double-fre", "-1", "99999"])
def test_a_report_that_there_cannot_be(around: str) -> None:
    with pytest.raises(BadInput, match=f"^--around {around}: "):
        Wanted(around=around)


def test_before_each_report_is_what_came_since_the_one_before(violation: Violation) -> None:
    before = BeforeReports(3, 2)
    for number, one in enumerate([*MANY[:5], event("mm_page_alloc"), *MANY[5:8]]):
        before.take(one)
        if number in (5, 6, 7):
            before.reported(violation)
    assert before.events == [tuple(MANY[2:5]), (MANY[5],)]
