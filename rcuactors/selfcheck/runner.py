"""All subjects, each way, twice in processes with hash seeds of their own; and what is told of it."""

from __future__ import annotations

import contextlib
import functools
import os
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, Final, TypeVar

import attrs

from ..lab.jobs import do_all
from ..spelling import plural
from .subject import Subject
from .ways import ELSEWHERE, WAYS, Checked, Ran, check, events_of, first_difference

HASH_SEEDS: Final = ("1", "2")
_CHUNK: Final = 32
Item = TypeVar("Item")
Answer = TypeVar("Answer")


@attrs.frozen
class Difference:
    """Something that was not the same: of which subject, run how, and the first line that differs."""

    subject: str
    way: str
    lines: tuple[str, ...]


@attrs.define
class Tally:
    """What was tried, and what was not the same."""

    subjects: int = 0
    runs: int = 0
    events: int = 0
    errors: Counter[str] = attrs.field(factory=Counter)
    differences: list[Difference] = attrs.field(factory=list)

    def lines(self) -> list[str]:
        """As text."""
        said = [
            f"{plural(self.subjects, 'subject')}, {plural(self.runs, 'run')}, {self.events:,} events, to the byte",
            f"each: {', '.join([*list(WAYS)[1:], ELSEWHERE])}",
        ]
        if self.errors:
            said.append("ended by " + ", ".join(f"{name} {times:,}" for name, times in sorted(self.errors.items())))
        for one in self.differences:
            said += ["", f"{one.subject}: not the same {one.way}", *(f"  {line}" for line in one.lines)]
        said += ["", plural(len(self.differences), "difference") if self.differences else "all the same"]
        return said

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "subjects": self.subjects,
            "runs": self.runs,
            "events": self.events,
            "errors": dict(self.errors),
            "ways": [*list(WAYS)[1:], ELSEWHERE],
            "differences": [attrs.asdict(one) for one in self.differences],
        }


def _check_chunk(subjects: Sequence[Subject]) -> list[Checked]:
    return [check(subject) for subject in subjects]


@contextlib.contextmanager
def _hash_seed(seed: str) -> Iterator[None]:
    """Processes that begin meanwhile have it."""
    before = os.environ.get("PYTHONHASHSEED")
    os.environ["PYTHONHASHSEED"] = seed
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONHASHSEED"]
        else:
            os.environ["PYTHONHASHSEED"] = before


def _elsewhere(work: Callable[[Item], Answer], items: Sequence[Item], jobs: int) -> Generator[tuple[int, int, Answer]]:
    """(which hash seed, which item, the answer), in processes that are never this one."""
    for which, seed in enumerate(HASH_SEEDS):
        # One item would be done here.
        with _hash_seed(seed), contextlib.closing(do_all(work, [*items, *items[:1]], max(jobs, 2))) as answers:
            for number, answer in answers:
                if number < len(items):
                    yield which, number, answer


def selfcheck(subjects: Sequence[Subject], jobs: int, tally: Tally) -> Generator[Tally]:
    """Check all of them; the tally comes whenever there is something new."""
    chunks = [subjects[at : at + _CHUNK] for at in range(0, len(subjects), _CHUNK)]
    first: dict[int, list[Checked]] = {}
    with contextlib.closing(_elsewhere(_check_chunk, chunks, jobs)) as answers:
        for which, number, checked in answers:
            if not which:
                first[number] = checked
                _take(tally, chunks[number], checked)
            else:
                _compare(tally, chunks[number], first[number], checked)
            yield tally


def _take(tally: Tally, subjects: Sequence[Subject], checked: Sequence[Checked]) -> None:
    for subject, one in zip(subjects, checked, strict=True):
        tally.subjects += 1
        if one.once.error:
            tally.errors[one.once.error] += 1
        _count(tally, one)
        for way, other in one.differ.items():
            lines = first_difference(events_of(subject), events_of(subject, way))
            tally.differences.append(Difference(subject.name, way, _told(lines, one.once, other)))


def _compare(tally: Tally, subjects: Sequence[Subject], ours: Sequence[Checked], theirs: Sequence[Checked]) -> None:
    """What another process with another hash seed had to say."""
    for subject, one, other in zip(subjects, ours, theirs, strict=True):
        _count(tally, other)
        if one.once != other.once:
            found = {which: lines for which, _, lines in _elsewhere(functools.partial(_events), [subject], 2)}
            lines = first_difference(found[0], found[1])
            tally.differences.append(Difference(subject.name, ELSEWHERE, _told(lines, one.once, other.once)))


def _events(subject: Subject) -> list[str]:
    return events_of(subject)


def _count(tally: Tally, one: Checked) -> None:
    tally.runs += one.runs
    tally.events += one.once.events * one.runs


def _told(lines: list[str], one: Ran, other: Ran) -> tuple[str, ...]:
    """The events that differ; where a third look finds none, what does."""
    if lines:
        return tuple(lines)
    return (
        f"once: {one.ended} {one.error}, {one.events:,} events, {one.steps:,} steps",
        f"then: {other.ended} {other.error}, {other.events:,} events, {other.steps:,} steps",
    )
