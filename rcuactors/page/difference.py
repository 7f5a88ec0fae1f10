"""Where two runs first differ in what happened.

Two versions or two designs differ in time from their first instructions on: a lock that one of them has not, a constant
of the cost model. So times are left out. What happened is one sequence for each thread and each work (its events), for
each object (the stations of its life), each reader, each kind of timer, work, handler's event, for the grace periods,
the decisions and the reports. Where two sequences of one name part, the runs differ, and the first of these places is
wanted. Which of two CPUs is first with what does not depend on the other is time, too, and nothing of it is compared:
where it mattered, it shows in one of the sequences.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from itertools import zip_longest
from typing import Final

import attrs

from ..timeline import Lane, LaneKind, Life, Mark, MarkKind, Sketch, Span, SpanKind, Stage

LEFT_OUT: Final = (
    "when it is and on which CPU, the tick, who holds or waits for which lock, where interrupts and preemption are "
    "off, when threads are switched, what the page allocator does to its own lists, names of workers, lines of files"
)
_LISTS: Final = frozenset({"mm_page_alloc_zone_locked", "mm_page_pcpu_drain"})
"""The page allocator's lists, which each version fills and empties in its own way."""
_TICK: Final = "tick_sched_timer"
_COUNTED: Final = frozenset({SpanKind.NMI, SpanKind.TIMER_ARMED, SpanKind.WORK_PENDING, SpanKind.CALL, SpanKind.OTHER})
_LINE: Final = re.compile(r" ?\(?[^ ()]*\.py:\d+\)?")
_NUMBERED: Final = re.compile(r"\b(?:CPU|batch|block|record) \d+(?:, )?")
_FUNCTION: Final = re.compile(r"\bfunction=(\w+)")
_WORKER: Final = re.compile(r"kworker/[^/]+(?:/\d+)?")

_Key = tuple[str, ...]
"""Whose sequence it is."""


@attrs.frozen
class Difference:
    """Where two panels first differ: the moment in each, and what there is in each.

    `left_out` says what was not compared for that, and `besides` where the two differ if all of it is.
    """

    times_ns: tuple[int, int]
    texts: tuple[str, str]
    left_out: str = ""
    besides: tuple[int, int] | None = None


@attrs.frozen
class _Deed:
    """One of a sequence: equal if `what` is; the rest tells of it."""

    what: str
    time_ns: int = attrs.field(eq=False)
    text: str = attrs.field(eq=False)


@attrs.define
class _Told:
    """One of the two, as sequences."""

    sketch: Sketch
    lanes: dict[int, Lane] = attrs.field(init=False)
    _threads: dict[str, str] = attrs.field(init=False)
    """A thread's name with its pid, and what it is called here: the how manieth of its name it is."""
    _works: dict[str, list[Span]] = attrs.field(init=False)
    """Those that each worker did, in order."""

    def __attrs_post_init__(self) -> None:
        self.lanes = {lane.number: lane for lane in self.sketch.lanes}
        self._threads = _ranked({mark.who for mark in self.sketch.marks} | {span.who for span in self.sketch.spans})
        self._works = defaultdict(list)
        for span in sorted(self.sketch.spans, key=lambda span: span.begin_ns):
            if span.kind is SpanKind.WORK_RUNS:
                self._works[span.who].append(span)

    def where(self, lane: int) -> str:
        """A lane in words."""
        found = self.lanes.get(lane)
        return f"{found.group}, {found.name}" if found is not None else "?"

    def sequences(self) -> dict[_Key, list[_Deed]]:
        """All of it."""
        found: dict[_Key, list[_Deed]] = defaultdict(list)
        for key, deed in (*self._of_spans(), *self._of_marks(), *self._of_lives()):
            found[key].append(deed)
        for deeds in found.values():
            deeds.sort(key=lambda deed: deed.time_ns)
        return found

    def _of_spans(self) -> Iterator[tuple[_Key, _Deed]]:
        for span in self.sketch.spans:
            label = _plain(span.label)
            if span.kind is SpanKind.READER:
                key: _Key = ("reader", self._threads.get(span.who, span.who))
            elif span.kind is SpanKind.GRACE_PERIOD:
                key = ("grace periods", label.partition(" ")[0])
            elif span.kind in _COUNTED and label != _TICK:
                key = (span.kind.value, label)
            else:
                continue
            yield key, _Deed(label, span.begin_ns, described(self, span))

    def _of_marks(self) -> Iterator[tuple[_Key, _Deed]]:
        for mark in self.sketch.marks:
            if mark.kind in (MarkKind.DEPARTURE, MarkKind.VIOLATION, MarkKind.GAP):
                yield (mark.kind.value,), _Deed(_plain(mark.label), mark.time_ns, described(self, mark))
            elif mark.kind is MarkKind.EVENT and mark.label not in _LISTS and (key := self._whose(mark)) is not None:
                yield key, _Deed(mark.label, mark.time_ns, described(self, mark))

    def _whose(self, mark: Mark) -> _Key | None:
        """In whose sequence an event is; None for a step of a grace period, of which there are as many as it takes."""
        lane = self.lanes.get(mark.lane)
        kind = lane.kind if lane is not None else LaneKind.OTHER
        if kind is LaneKind.GRACE_PERIOD:
            return None
        if kind is not LaneKind.THREADS:
            # Who was interrupted is a matter of time.
            function = _FUNCTION.search(" ".join(value for _, value in mark.detail))
            return (kind.value, mark.label, function[1] if function else "")
        if not _WORKER.match(mark.who):
            return ("thread", self._threads.get(mark.who, mark.who))
        works = self._works.get(mark.who, [])
        number = bisect_right(works, mark.time_ns, key=lambda span: span.begin_ns) - 1
        return ("work", works[number].label if number >= 0 and mark.time_ns <= works[number].end_ns else "")

    def _of_lives(self) -> Iterator[tuple[_Key, _Deed]]:
        keys: dict[int, _Key] = {}
        counts: dict[str, int] = defaultdict(int)
        for life in sorted(self.sketch.lives, key=lambda life: life.time_ns):
            key = keys.get(life.serial)
            if key is None:
                lane = self.lanes.get(life.lane)
                where = lane.group if lane is not None else ""
                counts[where] += 1
                key = keys[life.serial] = ("object", where, str(counts[where]))
            more = "" if life.stage is Stage.READY else _NUMBERED.sub("", _plain(life.where))
            text = f"{self.where(life.lane)}: object {life.address:#x} {life.stage.value}"
            yield (
                key,
                _Deed(f"{life.stage.value} {more}", life.time_ns, f"{text}, {life.where}" if life.where else text),
            )


def _plain(text: str) -> str:
    """Without lines of files."""
    return _LINE.sub("", text)


def _ranked(names: set[str]) -> dict[str, str]:
    """Threads as comm/pid, by their comm and which of that name they are: pids are given in order of time."""
    by_comm: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for name in names:
        comm, _, pid = name.rpartition("/")
        if comm and pid.isdecimal():
            by_comm[comm].append((int(pid), name))
    return {name: f"{comm} {n}" for comm, of in by_comm.items() for n, (_, name) in enumerate(sorted(of))}


def described(told: _Told, each: Span | Mark | Life) -> str:
    """An element in words: where, of what kind, what. A kind that its lane is named after is not said twice."""
    if isinstance(each, Life):
        return f"{told.where(each.lane)}: object {each.stage.value}"
    lane = told.lanes.get(each.lane)
    kind = "" if lane is not None and lane.kind.value == each.kind.value else each.kind.value
    what = ": ".join(word for word in (kind, each.label) if word)
    by = f" by {each.who}" if isinstance(each, Mark) and each.kind is MarkKind.EVENT and each.who else ""
    return f"{told.where(each.lane)}: {what}{by}" if what else told.where(each.lane)


_Happening = tuple[int, str, str]
"""When, where, and what."""


def _happenings(told: _Told) -> list[_Happening]:
    """All that has a place and a beginning, in order."""
    sketch = told.sketch
    spans = [(span.begin_ns, told.where(span.lane), described(told, span)) for span in sketch.spans]
    marks = [(mark.time_ns, told.where(mark.lane), described(told, mark)) for mark in sketch.marks]
    lives = [(life.time_ns, told.where(life.lane), described(told, life)) for life in sketch.lives]
    return sorted(spans + marks + lives)


def _apart(one: _Told, other: _Told) -> Difference | None:
    """Where the two first differ in anything that begins on their lanes, and when.

    What begins at one moment is compared whatever its order, and what merely lasts longer differs by what follows it.
    """
    for a, b in zip_longest(_happenings(one), _happenings(other)):
        if a != b:
            times = (a[0] if a else one.sketch.end_ns, b[0] if b else other.sketch.end_ns)
            return Difference(times, (a[2] if a else "nothing more", b[2] if b else "nothing more"))
    return None


def _parting(one: _Told, other: _Told) -> Difference | None:
    """Where two sequences of one name part first."""
    mine, theirs = one.sequences(), other.sequences()
    found: list[tuple[int, _Key, Difference]] = []
    for key in mine.keys() | theirs.keys():
        for a, b in zip_longest(mine.get(key, []), theirs.get(key, [])):
            if a == b:
                continue
            times = [deed.time_ns for deed in (a, b) if deed is not None]
            at = (
                a.time_ns if a else min(times[0], one.sketch.end_ns),
                b.time_ns if b else min(times[0], other.sketch.end_ns),
            )
            texts = (a.text if a else "nothing of that", b.text if b else "nothing of that")
            found.append((min(times), key, Difference(at, texts, f"Left out: {LEFT_OUT}.")))
            break
    return min(found, key=lambda each: each[:2])[2] if found else None


def first_difference(one: Sketch, other: Sketch) -> Difference | None:
    """Where the two first differ in what happened, or if they do not, in anything; None where they are the same."""
    told = _Told(one), _Told(other)
    strict, parting = _apart(*told), _parting(*told)
    if parting is not None:
        return attrs.evolve(
            parting, besides=strict.times_ns if strict and strict.times_ns != parting.times_ns else None
        )
    if strict is not None:
        return attrs.evolve(strict, left_out=f"What happened is the same in both, if this is left out: {LEFT_OUT}.")
    return None
