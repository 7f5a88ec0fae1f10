"""A report as packed data: columns of whole numbers in JSON, deflated, in base64.

A table of 200,000 rows as objects of JSON would name each field 200,000 times. Here each field is a column; times are
differences from the row before, texts are numbers in one list of texts, what is told of an element is a number in one
list of such. That leaves small numbers that repeat, on which deflate does well, and each step is a call into C for
Python, and into the browser's own code (JSON.parse, DecompressionStream) for the page. Columns of bytes would be
a little shorter, and slower in both. The base64 alphabet has no character that HTML reads.
"""

from __future__ import annotations

import base64
import enum
import json
import zlib
from collections.abc import Iterable, Sequence
from typing import Any, Final

import attrs

from ..timeline import ArrowKind, Counter, CounterKind, Krcp, Lane, LaneKind, MarkKind, Sample, Sketch, SpanKind, Stage
from ..timeline.elements import Detail
from .difference import Difference, first_difference
from .report import Panel, Report, Story

FORMAT: Final = 1
_KINDS: Final[dict[str, type[enum.Enum]]] = {
    "lane": LaneKind,
    "span": SpanKind,
    "mark": MarkKind,
    "arrow": ArrowKind,
    "counter": CounterKind,
    "stage": Stage,
}
_NUMBER_OF: Final = {member: number for kind in _KINDS.values() for number, member in enumerate(kind)}


@attrs.define
class Pool:
    """Texts, and what is told of elements, each once. Number 0 of both is nothing."""

    texts: dict[str, int] = attrs.field(factory=lambda: {"": 0})
    details: dict[Detail, int] = attrs.field(factory=lambda: {(): 0})

    def text(self, text: str) -> int:
        """Its number."""
        return self.texts.setdefault(text, len(self.texts))

    def detail(self, detail: Detail) -> int:
        """Its number."""
        return self.details.setdefault(detail, len(self.details))

    def as_data(self) -> dict[str, Any]:
        """Both lists, in the order of their numbers; a detail as numbers of texts, name and value by turns."""
        details = [[self.text(word) for pair in detail for word in pair] for detail in self.details]
        return {"texts": list(self.texts), "details": details}


def differences(numbers: Iterable[int]) -> list[int]:
    """The first, and what each of the others is more than the one before."""
    before, out = 0, []
    for number in numbers:
        out.append(number - before)
        before = number
    return out


def _text_columns(elements: Sequence[Any], names: Sequence[str], pool: Pool) -> dict[str, list[int]]:
    return {name: [pool.text(getattr(each, name)) for each in elements] for name in names}


def _spans(sketch: Sketch, pool: Pool) -> dict[str, Any]:
    """In the order of their beginnings, and what encloses another before it."""
    spans = sorted(sketch.spans, key=lambda span: (span.begin_ns, -span.end_ns))
    return {
        "lane": [span.lane for span in spans],
        "begin": differences(span.begin_ns for span in spans),
        "length": [span.end_ns - span.begin_ns for span in spans],
        "kind": [_NUMBER_OF[span.kind] for span in spans],
        "detail": [pool.detail(span.detail) for span in spans],
        "open": [number for number, span in enumerate(spans) if span.open_ended],
        **_text_columns(spans, ("label", "who", "about"), pool),
    }


def _marks(sketch: Sketch, pool: Pool) -> dict[str, Any]:
    marks = sorted(sketch.marks, key=lambda mark: mark.time_ns)
    return {
        "lane": [mark.lane for mark in marks],
        "time": differences(mark.time_ns for mark in marks),
        "kind": [_NUMBER_OF[mark.kind] for mark in marks],
        "detail": [pool.detail(mark.detail) for mark in marks],
        **_text_columns(marks, ("label", "who", "about"), pool),
    }


def _arrows(sketch: Sketch, pool: Pool) -> dict[str, Any]:
    arrows = sorted(sketch.arrows, key=lambda arrow: arrow.from_ns)
    return {
        "kind": [_NUMBER_OF[arrow.kind] for arrow in arrows],
        "from": [arrow.from_lane for arrow in arrows],
        "time": differences(arrow.from_ns for arrow in arrows),
        "to": [arrow.to_lane for arrow in arrows],
        "length": [arrow.to_ns - arrow.from_ns for arrow in arrows],
        **_text_columns(arrows, ("label", "about"), pool),
    }


def _lives(sketch: Sketch, pool: Pool) -> dict[str, Any]:
    """An address has 64 bits, of which a number in JavaScript has 53: it goes as text."""
    lives = sorted(sketch.lives, key=lambda life: life.time_ns)
    return {
        "serial": differences(life.serial for life in lives),
        "address": [pool.text(f"{life.address:#x}") for life in lives],
        "stage": [_NUMBER_OF[life.stage] for life in lives],
        "lane": [life.lane for life in lives],
        "time": differences(life.time_ns for life in lives),
        "where": [pool.text(life.where) for life in lives],
    }


def _samples(samples: Iterable[Sample]) -> dict[str, Any]:
    ordered = sorted(samples, key=lambda sample: sample.time_ns)
    return {
        "counter": [sample.counter for sample in ordered],
        "time": differences(sample.time_ns for sample in ordered),
        "value": [sample.value for sample in ordered],
    }


def _krcps(krcps: Iterable[Krcp], pool: Pool) -> dict[str, Any]:
    """Only what is new of each: names and values that were others before, or were not there; no value is -1."""
    before: dict[int, dict[str, str]] = {}
    ordered = sorted(krcps, key=lambda krcp: krcp.time_ns)
    changes = []
    for krcp in ordered:
        was, now = before.get(krcp.cpu, {}), dict(krcp.state)
        changed = [word for name, value in now.items() if was.get(name) != value for word in (name, value)]
        gone = [number for name in was if name not in now for number in (pool.text(name), -1)]
        changes.append([*(pool.text(word) for word in changed), *gone])
        before[krcp.cpu] = now
    return {
        "cpu": [krcp.cpu for krcp in ordered],
        "time": differences(krcp.time_ns for krcp in ordered),
        "change": changes,
    }


def _lane(lane: Lane, pool: Pool) -> list[int]:
    return [lane.number, pool.text(lane.group), pool.text(lane.name), _NUMBER_OF[lane.kind], lane.cpu]


def _counter(counter: Counter, pool: Pool) -> list[int]:
    texts = [pool.text(counter.name), pool.text(counter.unit)]
    return [counter.number, _NUMBER_OF[counter.kind], *texts, counter.cpu]


def _panel(panel: Panel, pool: Pool) -> dict[str, Any]:
    sketch = panel.sketch
    return {
        "title": panel.title,
        "notes": list(panel.notes),
        "end": sketch.end_ns,
        "lanes": [_lane(lane, pool) for lane in sketch.lanes],
        "spans": _spans(sketch, pool),
        "marks": _marks(sketch, pool),
        "arrows": _arrows(sketch, pool),
        "lives": _lives(sketch, pool),
        "counters": [_counter(counter, pool) for counter in sketch.counters],
        "samples": _samples(sketch.samples),
        "krcps": _krcps(sketch.krcps, pool),
        "reports": [attrs.asdict(told) for told in sketch.reports],
    }


def _story(story: Story | None) -> dict[str, Any] | None:
    return attrs.asdict(story) if story is not None else None


def _difference(report: Report) -> Difference | None:
    if report.difference is not None or len(report.panels) < 2 or not report.looks_for_difference:
        return report.difference
    return first_difference(report.panels[0].sketch, report.panels[1].sketch)


def as_data(report: Report) -> dict[str, Any]:
    """All of it, as what JSON knows."""
    pool = Pool()
    difference = _difference(report)
    panels = [_panel(panel, pool) for panel in report.panels]
    return {
        "format": FORMAT,
        "title": report.title,
        "facts": [list(pair) for pair in report.facts],
        "alike": report.looks_for_difference,
        "kinds": {name: [member.value for member in kind] for name, kind in _KINDS.items()},
        "panels": panels,
        "story": _story(report.story),
        "difference": attrs.asdict(difference) if difference is not None else None,
        **pool.as_data(),
    }


def packed(report: Report) -> str:
    """All of it, in characters that are nothing to HTML."""
    text = json.dumps(as_data(report), separators=(",", ":"), ensure_ascii=True)
    return base64.b64encode(zlib.compress(text.encode("ascii"), 6)).decode("ascii")
