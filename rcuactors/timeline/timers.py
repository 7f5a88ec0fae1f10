"""Timers and high-resolution timers, each from when it is armed until it expires or is taken back.

A lane is that of the timers of one name on one CPU; those that are armed at the same time lie beside each other.
"""

from __future__ import annotations

import attrs

from ..kernel.cpu import Cpu
from ..kernel.time.hrtimer import Hrtimer
from ..kernel.time.timer import Timer
from ..machine import MachineProbes
from .board import Board, Tracks
from .elements import LaneKind, MarkKind, Span, SpanKind
from .places import TIMERS, Places


@attrs.define(eq=False)
class Timers:
    """The lanes of timers."""

    board: Board
    places: Places
    _tracks: dict[tuple[LaneKind, str, int], Tracks] = attrs.field(factory=dict)
    _armed: dict[int, tuple[object, Span]] = attrs.field(factory=dict)
    """By the timer's id, with the timer, so that no other one gets that meanwhile."""

    def listen(self, probes: MachineProbes) -> None:
        """From now on."""
        probes.kernel.hrtimer_started.listen(self._hrtimer_started)
        probes.kernel.hrtimer_left.listen(self._left)
        probes.kernel.timer_started.listen(self._timer_started)
        probes.kernel.timer_left.listen(self._left)

    def _hrtimer_started(self, cpu: Cpu, timer: Hrtimer) -> None:
        expires = (("expires", f"{timer.expires_ns} ns"),)
        self._arm(timer, LaneKind.HRTIMER, timer.name, timer.cpu_id, cpu.clock, expires)

    def _timer_started(self, timer: Timer, delay_jiffies: int) -> None:
        detail = (("expires", f"jiffy {timer.expires}"), ("asked for", f"{delay_jiffies} jiffies"))
        self._arm(timer, LaneKind.TIMER, name_of(timer), timer.cpu_id, self.places.now(), detail)

    def _arm(
        self, timer: object, kind: LaneKind, name: str, cpu_id: int, now: int, detail: tuple[tuple[str, str], ...]
    ) -> None:
        _, before = self._armed.pop(id(timer), (None, None))
        if before is not None:
            self.board.close(before, now, (("moved", "to another time"),))
        tracks = self._tracks.get((kind, name, cpu_id))
        if tracks is None:
            tracks = Tracks(self.board, TIMERS, f"{name}, CPU {cpu_id}", kind, cpu_id)
            self._tracks[kind, name, cpu_id] = tracks
        begun = tracks.open(now, SpanKind.TIMER_ARMED, name, who=self._who(), about=name, detail=detail)
        self._armed[id(timer)] = timer, begun

    def _who(self) -> str:
        cpu = self.places.running_cpu()
        return str(cpu.current) if cpu is not None else ""

    def _left(self, cpu: Cpu, timer: Hrtimer | Timer, expired: bool) -> None:
        _, begun = self._armed.pop(id(timer), (None, None))
        if begun is None:
            return
        self.board.close(begun, cpu.clock, (("ended", "expired" if expired else f"taken back by {cpu.current}"),))
        if expired:
            self.board.mark(
                begun.lane, cpu.clock, MarkKind.TIMER_FIRED, begun.label, who=str(cpu.current), about=begun.about
            )


def name_of(timer: Timer) -> str:
    """A timer's name; that of a delayed work says which work it is of."""
    if timer.name == "delayed_work_timer_fn":
        return timer.key.removeprefix("(&(&").removesuffix(")->timer)") + " (delayed work)"
    return timer.name
