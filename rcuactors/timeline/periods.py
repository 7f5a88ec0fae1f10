"""Grace periods and their steps: the normal ones of the kthread, and the expedited ones.

The steps have the words of the kernel's tracepoints. When an expedited one interrupts a CPU is seen there.
"""

from __future__ import annotations

import attrs

from ..machine import MachineProbes
from .board import Board
from .elements import LaneKind, MarkKind, Span, SpanKind
from .places import PERIODS, Places

_EXPEDITED = "expedited"


@attrs.define(eq=False)
class Periods:
    """The lanes of grace periods."""

    board: Board
    places: Places
    ended: dict[int, int] = attrs.field(factory=dict)
    """When the last normal ones ended, by gp_seq."""
    _open: dict[int, Span] = attrs.field(factory=dict)
    """By lane."""

    def listen(self, probes: MachineProbes) -> None:
        """From now on."""
        probes.rcu.gp_step.listen(self._step)
        probes.rcu.gp_started.listen(self._started)
        probes.rcu.exp_step.listen(self._exp_step)

    @property
    def lane(self) -> int:
        """That of the normal ones."""
        return self.places.of_actor(self.places.machine.gp.name)

    def _steps(self, of: str) -> int:
        return self.board.lane(PERIODS, f"{of}, steps", LaneKind.GRACE_PERIOD)

    def _begin(self, lane: int, time_ns: int, kind: SpanKind, label: str, about: str = "") -> None:
        self._end(lane, time_ns)
        self._open[lane] = self.board.begin(lane, time_ns, kind, label, about=about)

    def _end(self, lane: int, time_ns: int) -> None:
        begun = self._open.pop(lane, None)
        if begun is not None:
            self.board.close(begun, time_ns)

    def _step(self, gp_seq: int, step: str, time_ns: int) -> None:
        lane = self.lane
        steps = self._steps(self.places.machine.gp.name)
        if step == "start":
            self._begin(lane, time_ns, SpanKind.GRACE_PERIOD, f"gp_seq {gp_seq}", f"gp_seq {gp_seq}")
            self._begin(steps, time_ns, SpanKind.GP_STEP, "rcu_gp_init")
        elif step == "cleanup":
            self._begin(steps, time_ns, SpanKind.GP_STEP, "rcu_gp_cleanup")
        elif step == "end":
            self._end(steps, time_ns)
            self._end(lane, time_ns)
            self.ended[gp_seq] = time_ns
            if len(self.ended) > _REMEMBERED:
                del self.ended[next(iter(self.ended))]
        else:
            self.board.mark(steps, time_ns, MarkKind.EVENT, step)

    def _started(self, _gp_seq: int, time_ns: int) -> None:
        steps = self._steps(self.places.machine.gp.name)
        self._begin(steps, time_ns, SpanKind.GP_STEP, "waits for quiescent states")

    def _exp_step(self, sequence: int, step: str, time_ns: int) -> None:
        lane, steps = self.board.lane(PERIODS, _EXPEDITED, LaneKind.GRACE_PERIOD), self._steps(_EXPEDITED)
        if step == "start":
            self._begin(lane, time_ns, SpanKind.GRACE_PERIOD, f"expedited {sequence}", f"expedited {sequence}")
            self._begin(steps, time_ns, SpanKind.GP_STEP, "start")
        elif step == "selectofl":
            self._begin(steps, time_ns, SpanKind.GP_STEP, "selectofl")
        elif step == "end":
            self._end(lane, time_ns)
            self._begin(steps, time_ns, SpanKind.GP_STEP, "end")
        elif step == "endwake":
            self._end(steps, time_ns)
        else:
            self.board.mark(steps, time_ns, MarkKind.EVENT, step)


_REMEMBERED = 64
"""A callback runs soon after its grace period."""
