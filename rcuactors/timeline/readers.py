"""Who reads: read-side sections, and what else counts as one (rcu/book.py), on the CPU on which they began."""

from __future__ import annotations

import attrs

from ..machine import MachineProbes
from ..rcu.oracle import Reader
from .board import Board, Tracks
from .elements import LaneKind, Span, SpanKind
from .places import Places, group_of


@attrs.define(eq=False)
class Readers:
    """The lanes of readers."""

    board: Board
    places: Places
    _tracks: dict[int, Tracks] = attrs.field(factory=dict)
    _open: dict[int, Span] = attrs.field(factory=dict)
    """By serial number."""

    def listen(self, probes: MachineProbes) -> None:
        """From now on."""
        probes.rcu.reader_entered.listen(self._entered)
        probes.rcu.reader_left.listen(self._left)

    def _entered(self, reader: Reader) -> None:
        cpu = self.places.running_cpu()
        cpu_id = cpu.cpu_id if cpu is not None else 0
        kind = LaneKind.READERS
        tracks = self._tracks.get(cpu_id)
        if tracks is None:
            tracks = self._tracks[cpu_id] = Tracks(self.board, group_of(cpu_id), kind.value, kind, cpu_id)
        detail = (("of", "an srcu_struct"),) if reader.domain is not None else ()
        self._open[reader.serial] = tracks.open(
            self.places.now(), SpanKind.READER, reader.site, who=reader.who, detail=detail
        )

    def _left(self, reader: Reader) -> None:
        begun = self._open.pop(reader.serial, None)
        if begun is None:
            return
        holds = [*map(str, reader.held.values())]
        more = (("held", f"{holds[0]}" + (f" and {len(holds) - 1} more" if len(holds) > 1 else "")),) if holds else ()
        self.board.close(begun, self.places.now(), more)
