"""What was reported, and where a decision was not the first of its options."""

from __future__ import annotations

import attrs

from ..context.violation import Violation
from ..engine.choice import Timed
from ..engine.decision import Decision
from ..engine.events import Event
from ..hunt.steps import decided
from ..machine import MachineProbes
from .board import Board
from .elements import LaneKind, MarkKind, Told
from .places import Places

_CONTEXTS = {
    "s": LaneKind.SOFTIRQ,
    "h": LaneKind.HARDIRQ,
    "H": LaneKind.HARDIRQ,
    "z": LaneKind.NMI,
    "Z": LaneKind.NMI,
}
"""The third of ftrace's flags: in what it happened."""


@attrs.define(eq=False)
class Findings:
    """Reports, departures, and if wanted the tracepoints."""

    board: Board
    places: Places

    def listen(self, probes: MachineProbes, *, events: bool) -> None:
        """From now on."""
        probes.violation.listen(self._reported)
        if self.places.machine.setup.strategy.name != Timed.name:
            # In order of time nobody departs from anything: that is how ties are decided.
            probes.engine.decision.listen(self._decided)
        if events:
            probes.event.listen(self._happened)

    def _reported(self, found: Violation) -> None:
        lane, time_ns, kind = self.places.of_cpu(max(found.cpu, 0)), found.time_ns, found.kind.value
        detail = (("kind", kind), ("by", found.by), *((("line", found.line),) if found.line else ()))
        self.board.mark(lane, time_ns, MarkKind.VIOLATION, found.title, detail=detail)
        self.board.drawing.told(Told(lane, time_ns, kind, found.title, found.text))

    def _decided(self, decision: Decision, picked: int) -> None:
        if picked:
            self.places.mark_here(MarkKind.DEPARTURE, decided(decision, picked))

    def _happened(self, event: Event) -> None:
        lane = lane_of_event(self.places, event)
        who = f"{event.comm}/{event.pid}"
        self.board.mark(lane, event.time_ns, MarkKind.EVENT, event.name, who=who, detail=(("", event.text),))


def lane_of_event(places: Places, event: Event) -> int:
    """Where an event happened, as its line says it."""
    if event.comm == places.machine.gp.name:
        return places.of_actor(event.comm)
    kind = _CONTEXTS.get(event.flags[2:3], LaneKind.THREADS)
    return places.of_cpu(event.cpu, kind)
