"""Sinks for people who watch a run."""

from __future__ import annotations

from rcuactors.engine.events import Event
from rcuactors.report.eventlog import Tail


def _event(number: int) -> Event:
    return Event(number * 10, 0, "task", 1, ".....", "name", str(number))


def test_the_tail_keeps_the_last_and_counts_all() -> None:
    tail = Tail(3)
    for number in range(5):
        tail.take(_event(number))
    assert [event.text for event in tail.events] == ["2", "3", "4"]
    assert (tail.count, tail.dropped) == (5, 2)


def test_a_short_log_drops_nothing() -> None:
    tail = Tail(3)
    tail.take(_event(1))
    assert tail.dropped == 0
