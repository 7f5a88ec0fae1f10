"""The lanes and curves of one picture, by their names, and what lies open on them.

Who looks on opens a span when something begins and closes it when that ends. Only then is it told; what is still open
at the end of the telling is told then, as open-ended. Kept is what is open, never what was.
"""

from __future__ import annotations

import attrs

from .drawing import Drawing
from .elements import (
    Arrow,
    ArrowKind,
    Counter,
    CounterKind,
    Detail,
    Lane,
    LaneKind,
    Mark,
    MarkKind,
    Sample,
    Span,
    SpanKind,
)


@attrs.define(eq=False)
class Track:
    """One lane of several that show the same kind of thing beside each other."""

    lane: int
    taken: bool = False
    free_ns: int = 0
    """When the last that lay here ended."""


@attrs.define(eq=False)
class Tracks:
    """As many lanes as things go on at one time; the first of them keeps the name, the others get a number."""

    board: Board
    group: str
    name: str
    kind: LaneKind
    cpu: int = -1
    _tracks: list[Track] = attrs.field(factory=list)

    def free(self, begin_ns: int) -> Track:
        """The first on which nothing lies then or later."""
        for track in self._tracks:
            if not track.taken and track.free_ns <= begin_ns:
                return track
        number = len(self._tracks) + 1
        name = self.name if number == 1 else f"{self.name} ({number})"
        track = Track(self.board.lane(self.group, name, self.kind, self.cpu))
        self._tracks.append(track)
        return track

    def open(
        self, begin_ns: int, kind: SpanKind, label: str, *, who: str = "", about: str = "", detail: Detail = ()
    ) -> Span:
        """Something begins."""
        first = self._tracks[0] if self._tracks else None
        track = first if first is not None and not first.taken and first.free_ns <= begin_ns else self.free(begin_ns)
        track.taken = True
        return self.board.begin(track.lane, begin_ns, kind, label, who, about, detail, track)


@attrs.define(eq=False)
class Nest:
    """One lane on which things lie within each other.

    Where one ends before what began later, a handler that has gone to sleep, what began later is told in two parts.
    """

    board: Board
    lane: int
    _open: list[Span] = attrs.field(factory=list)

    def open(
        self, begin_ns: int, kind: SpanKind, label: str, *, who: str = "", about: str = "", detail: Detail = ()
    ) -> Span:
        """Something begins within what lies open."""
        begun = self.board.begin(self.lane, begin_ns, kind, label, who, about, detail)
        self._open.append(begun)
        return begun

    def close(self, begun: Span, end_ns: int, more: Detail = ()) -> None:
        """It ends."""
        at = next(at for at, other in enumerate(self._open) if other is begun)
        above = self._open[at + 1 :]
        for other in reversed(above):
            self.board.tell(attrs.evolve(other), end_ns)
        del self._open[at]
        self.board.close(begun, end_ns, more)
        for other in above:
            other.begin_ns = max(other.begin_ns, end_ns)

    def innermost(self, who: str) -> Span | None:
        """What began last of what that one does."""
        return next((begun for begun in reversed(self._open) if begun.who == who), None)

    @property
    def outermost(self) -> Span | None:
        """What began first."""
        return self._open[0] if self._open else None


@attrs.define(eq=False)
class Curve:
    """One curve, and what it is at. It gets its number, and is told of, when it first has a value."""

    board: Board
    kind: CounterKind
    name: str
    unit: str
    cpu: int
    _number: int = -1
    _value: int | None = None

    def set(self, time_ns: int, value: int) -> None:
        """What it is at that time; told if it was something else before."""
        if value == self._value:
            return
        if self._value is None:
            self._number = self.board.new_curve(self.kind, self.name, self.unit, self.cpu)
        self._value = value
        self.board.drawing.sample(Sample(self._number, time_ns, value))


@attrs.define(eq=False)
class Board:
    """Gives numbers to lanes and curves, and tells a drawing what there is to tell."""

    drawing: Drawing
    latest_ns: int = 0
    """The end of what was told so far."""
    _lanes: dict[tuple[str, str], int] = attrs.field(factory=dict)
    _curves: dict[tuple[CounterKind, int], Curve] = attrs.field(factory=dict)
    _told_curves: int = 0
    _open: dict[int, tuple[Span, Track | None]] = attrs.field(factory=dict)
    """By id: what has begun, and where it lies, if its lane is one of several beside each other."""

    def lane(self, group: str, name: str, kind: LaneKind, cpu: int = -1) -> int:
        """The number of a lane, which is told of when it is first asked for."""
        number = self._lanes.get((group, name))
        if number is None:
            number = self._lanes[group, name] = len(self._lanes)
            self.drawing.lane(Lane(number, group, name, kind, cpu))
        return number

    def begin(
        self,
        lane: int,
        begin_ns: int,
        kind: SpanKind,
        label: str,
        who: str = "",
        about: str = "",
        detail: Detail = (),
        track: Track | None = None,
    ) -> Span:
        """Something begins, and lies on that track, if its lane is one of several."""
        begun = Span(lane, begin_ns, begin_ns, kind, label, who, about, detail)
        self._open[id(begun)] = begun, track
        return begun

    def close(self, begun: Span, end_ns: int, more: Detail = ()) -> None:
        """It ends; `more` is known of it now."""
        _, track = self._open.pop(id(begun))
        if track is not None:
            track.taken, track.free_ns = False, max(begun.begin_ns, end_ns)
        self.tell(begun, end_ns, more)

    def tell(self, begun: Span, end_ns: int, more: Detail = (), *, open_ended: bool = False) -> None:
        """A span has come to its end, or to that of the telling."""
        begun.end_ns = end_ns = max(begun.begin_ns, end_ns)
        self.latest_ns = max(self.latest_ns, end_ns)
        if more:
            begun.detail += more
        begun.open_ended = open_ended
        self.drawing.span(begun)

    def mark(
        self,
        lane: int,
        time_ns: int,
        kind: MarkKind,
        label: str,
        *,
        who: str = "",
        about: str = "",
        detail: Detail = (),
    ) -> None:
        """Something happens."""
        self.latest_ns = max(self.latest_ns, time_ns)
        self.drawing.mark(Mark(lane, time_ns, kind, label, who, about, detail))

    def arrow(self, kind: ArrowKind, begin: tuple[int, int], end: tuple[int, int], label: str, about: str = "") -> None:
        """From one lane and moment to another; one CPU may be behind the other's clock, and then it is that moment."""
        self.drawing.arrow(Arrow(kind, begin[0], begin[1], end[0], max(begin[1], end[1]), label, about))

    def curve(self, kind: CounterKind, name: str, unit: str, cpu: int = -1) -> Curve:
        """The curve of that kind, of that CPU or the whole machine."""
        curve = self._curves.get((kind, cpu))
        if curve is None:
            curve = self._curves[kind, cpu] = Curve(self, kind, name, unit, cpu)
        return curve

    def new_curve(self, kind: CounterKind, name: str, unit: str, cpu: int) -> int:
        """The next number, for a curve that begins."""
        number = self._told_curves
        self._told_curves += 1
        self.drawing.counter(Counter(number, kind, name, unit, cpu))
        return number

    def end(self, time_ns: int) -> None:
        """All that is still open is told, and the end."""
        end_ns = max(time_ns, self.latest_ns)
        # What lies within something is told before it.
        for begun, _ in reversed(self._open.values()):
            self.tell(begun, end_ns, open_ended=True)
        self._open.clear()
        self.drawing.ended(end_ns)
