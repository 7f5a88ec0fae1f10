"""Who is told of the elements of a timeline, as they come."""

from __future__ import annotations

from typing import Protocol

import attrs

from .elements import Arrow, Counter, Krcp, Lane, Life, Mark, Sample, Span, Told


class Drawing(Protocol):
    """Takes what is told of a timeline.

    Lanes and counters are told of before anything that names them. A span is told of when it ends, so a longer one
    comes after those within it; the rest comes at its moment. Nothing comes after `ended()`.
    """

    def lane(self, lane: Lane) -> None:
        """There is a lane."""

    def span(self, span: Span) -> None:
        """Something has ended."""

    def mark(self, mark: Mark) -> None:
        """Something has happened."""

    def arrow(self, arrow: Arrow) -> None:
        """One thing has led to another."""

    def life(self, life: Life) -> None:
        """An object has come to a station."""

    def counter(self, counter: Counter) -> None:
        """There is a curve."""

    def sample(self, sample: Sample) -> None:
        """A curve has changed."""

    def krcp(self, krcp: Krcp) -> None:
        """What a CPU's krcp holds has changed."""

    def told(self, told: Told) -> None:
        """Something was reported."""

    def ended(self, time_ns: int) -> None:
        """That was all, until then."""


@attrs.define
class Sketch:
    """A drawing that keeps all it is told of, in lists."""

    lanes: list[Lane] = attrs.field(factory=list)
    spans: list[Span] = attrs.field(factory=list)
    marks: list[Mark] = attrs.field(factory=list)
    arrows: list[Arrow] = attrs.field(factory=list)
    lives: list[Life] = attrs.field(factory=list)
    counters: list[Counter] = attrs.field(factory=list)
    samples: list[Sample] = attrs.field(factory=list)
    krcps: list[Krcp] = attrs.field(factory=list)
    reports: list[Told] = attrs.field(factory=list)
    end_ns: int = 0

    def lane(self, lane: Lane) -> None:
        """Keep it."""
        self.lanes.append(lane)

    def span(self, span: Span) -> None:
        """Keep it."""
        self.spans.append(span)

    def mark(self, mark: Mark) -> None:
        """Keep it."""
        self.marks.append(mark)

    def arrow(self, arrow: Arrow) -> None:
        """Keep it."""
        self.arrows.append(arrow)

    def life(self, life: Life) -> None:
        """Keep it."""
        self.lives.append(life)

    def counter(self, counter: Counter) -> None:
        """Keep it."""
        self.counters.append(counter)

    def sample(self, sample: Sample) -> None:
        """Keep it."""
        self.samples.append(sample)

    def krcp(self, krcp: Krcp) -> None:
        """Keep it."""
        self.krcps.append(krcp)

    def told(self, told: Told) -> None:
        """Keep it."""
        self.reports.append(told)

    def ended(self, time_ns: int) -> None:
        """Keep when."""
        self.end_ns = time_ns
