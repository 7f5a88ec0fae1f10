"""The ways of running the same thing, and where two of them first differ."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Final

import attrs

from ..engine.events import Event, ListSink
from ..explore.record import Record, Replay
from ..runs import Run
from ..runs.plain import PlainRun
from .subject import Subject

ONCE: Final = "once"
ELSEWHERE: Final = "in another process, with another hash seed"


@attrs.frozen
class Ran:
    """What a run left: the digest of its events and how many there were, how it ended or by which error, its steps."""

    digest: str
    events: int
    steps: int
    ended: str = ""
    error: str = ""


def _run(subject: Subject, kind: type[Run], *sinks: ListSink) -> Ran:
    scenario, options = subject.made()
    return _ran(kind(scenario, attrs.evolve(options, sinks=sinks)))


def _ran(run: Run) -> Ran:
    raised = run.attempt()
    result = run.result()
    return Ran(
        digest=result.digest or "",
        events=result.events,
        steps=result.steps,
        ended=f"{result.outcome()}, at {result.end_ns} ns",
        error=type(raised).__name__ if raised is not None else "",
    )


def _once(subject: Subject, *sinks: ListSink) -> Ran:
    return _run(subject, PlainRun, *sinks)


def _on_trio(subject: Subject, *sinks: ListSink) -> Ran:
    return _run(subject, Run, *sinks)


def _from_its_decisions(subject: Subject, *sinks: ListSink) -> Ran:
    scenario, options = subject.made()
    record = Record(options.make_strategy(), labels=True)
    _ran(PlainRun(scenario, attrs.evolve(options, strategy=record)))
    if record.decisions is None:
        return Ran("", 0, 0, error="no decisions")
    replay = Replay(options.make_strategy(), record.decisions)
    return _ran(PlainRun(scenario, attrs.evolve(options, strategy=replay, sinks=sinks)))


WAYS: Final[Mapping[str, Callable[..., Ran]]] = {
    ONCE: _once,
    "again": _once,
    "from its decisions": _from_its_decisions,
    "on Trio": _on_trio,
}
"""In one process; the first is what the others are held against."""


@attrs.frozen
class Checked:
    """What came of one subject in one process: what it left, and the ways in which it left something else."""

    once: Ran
    differ: Mapping[str, Ran]

    @property
    def runs(self) -> int:
        """How many runs that were: the one whose decisions are recorded, too."""
        return len(WAYS) + 1


def check(subject: Subject) -> Checked:
    """Run it each way, in this process."""
    ran = {name: way(subject) for name, way in WAYS.items()}
    return Checked(ran[ONCE], {name: one for name, one in ran.items() if one != ran[ONCE]})


def events_of(subject: Subject, way: str = ONCE) -> list[str]:
    """The events of a run, a line each, with nanoseconds."""
    sink = ListSink()
    WAYS[way](subject, sink)
    return [_line(event) for event in sink.events]


def _line(event: Event) -> str:
    return f"{event.time_ns} {event.line().strip()}"


def first_difference(ours: list[str], theirs: list[str]) -> list[str]:
    """The first line that is not the same, of both; empty if all are."""
    for number, (one, other) in enumerate(itertools.zip_longest(ours, theirs), start=1):
        if one != other:
            nothing = "(it ended there)"
            return [f"event {number:,} differs:", f"  once: {one or nothing}", f"  then: {other or nothing}"]
    return []
