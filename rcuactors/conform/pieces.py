"""A recording, piece by piece: as much of it as is held in memory at once.

A piece ends where something is missing, or where it is long enough. In the second case the next one begins at a state
that both of them hold, the last from which one can begin: the first is compared up to it, and knows what comes later.
What is known for good (where timers and works are, jiffies, which events there are) goes on to the next piece.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import attrs

from ..traces import Event, Gap, Item, Missing, Trace
from .lines import Known, Line, LineReader, Told, named, nothing_from

PIECE: Final = 20_000
"""Lines, some 15 MB. The longest of the real recordings that we have has 16,000."""
LONGEST: Final = 16 * PIECE
"""A piece in which there is no state to go on from is read on up to this."""

_BEFORE: Final = 200
"""So many lines before the state at which a piece begins are kept: contexts that they are in go on."""


@attrs.define(eq=False)
class Pieces:
    """Reads the pieces of one recording, from its line `first` on; each is asked for when the last is done with."""

    trace: Trace
    first: int = 0
    most: int = PIECE
    watch: Callable[[int], bool] | None = None
    """Says whether to read on."""
    known: Known = attrs.field(factory=Known)
    lines_read: int = 0
    """The number of the last line."""
    stopped: bool = False
    """Nobody wants to read on."""
    _items: Iterator[Item] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._items = iter(self.trace)

    def begin(self) -> Told:
        """The first. Raises BadInput."""
        told = self._read(LineReader(self.first, self.known))
        if told is None and self.stopped:
            raise KeyboardInterrupt
        if told is None:
            raise nothing_from(self.trace, self.first)
        return told

    def longer(self, told: Told) -> Told:
        """The same, and as many lines again."""
        return self._again(told, LineReader(self.first, self.known, told.starts, told.behind), 0, 2 * len(told.lines))

    def rest(self, told: Told, starts: int) -> Told:
        """What begins at the state that is told next after a line of the piece before."""
        base = max(starts - _BEFORE, 0)
        self.known.jiffies = told.jiffies_before(base)
        reader = LineReader(self.first, self.known, starts - base)
        return self._again(told, reader, base, self.most + len(told.lines) - base)

    def behind(self, told: Told) -> Told | None:
        """What comes where nothing is known of what was before; None where nothing comes."""
        if told.gap is not None and told.gap.missing in (Missing.CUT, Missing.BACKWARDS):
            self.known.jiffies = 0
        elif told.known:
            self.known.jiffies = told.known[-1][1]
        return self._read(LineReader(self.first, self.known, 0, named(told.gap) if told.gap else told.ends_early))

    def _again(self, told: Told, reader: LineReader, base: int, most: int) -> Told:
        for line in told.lines[base:]:
            if line.number:
                reader.feed(line.raw)
            else:
                reader.lines.append(_nobodys(line.raw))
        again = self._read(reader, most)
        assert again is not None
        return again

    def _read(self, reader: LineReader, most: int = 0) -> Told | None:
        most = most or self.most
        for item in self._items:
            self.lines_read = item.number
            if self.watch is not None and not self.watch(item.number):
                reader.ends_early = f"line {item.number}: interrupted"
                self.stopped = True
                break
            if isinstance(item, Gap) and (item.missing is Missing.OVERWRITTEN or not reader.lines):
                # Of that CPU the lines before are missing: they tell half of what was.
                reader = LineReader(self.first, self.known, 0, named(item))
                continue
            if reader.starts == 0 and not reader.lines and isinstance(item, Event) and item.number >= self.first:
                reader.lines.append(_nobodys(item))
            if reader.take(item):
                break
            if len(reader.lines) >= most:
                reader.full, reader.ends_early = True, f"line {item.number}: it was read no further"
                break
        return reader.finish(self.trace.header) if any(line.number for line in reader.lines) else None


def _nobodys(event: Event) -> Line:
    """A line behind which a piece begins, as long as there is none."""
    return Line(0, 0, ("nobody", 0), event.cpu, irqs_off=False, event="", raw=event)
