"""What happened, as a picture draws it: lanes, spans, marks, arrows and curves on one axis of virtual time.

One vocabulary for everybody who draws: the report in HTML, the traces for viewers. Who knows what happened tells a
`Drawing` of it, element by element, as it happens; who draws is such a `Drawing`. Nothing is kept on the way, so a
trace of any length can be written as it comes.
"""

from __future__ import annotations

from .drawing import Drawing, Sketch
from .elements import (
    Arrow,
    ArrowKind,
    Counter,
    CounterKind,
    Krcp,
    Lane,
    LaneKind,
    Life,
    Mark,
    MarkKind,
    Sample,
    Span,
    SpanKind,
    Stage,
    Told,
)
from .watch import Watch

__all__ = [
    "Arrow",
    "ArrowKind",
    "Counter",
    "CounterKind",
    "Drawing",
    "Krcp",
    "Lane",
    "LaneKind",
    "Life",
    "Mark",
    "MarkKind",
    "Sample",
    "Sketch",
    "Span",
    "SpanKind",
    "Stage",
    "Told",
    "Watch",
]
