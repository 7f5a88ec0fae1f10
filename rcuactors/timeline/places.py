"""Where in a picture a machine's parts are: the lanes of each CPU, and of the devices."""

from __future__ import annotations

from typing import Final

import attrs

from ..engine.actor import Actor
from ..kernel.cpu import Cpu
from ..machine import Machine
from .board import Board
from .elements import LaneKind, MarkKind

PERIODS: Final = "grace periods"
TIMERS: Final = "timers"
WORKERS: Final = "workers"
DEVICES: Final = "devices"

_CLOCK_EVENTS: Final = "clock event devices"


def group_of(cpu_id: int) -> str:
    """The heading of a CPU's lanes."""
    return f"CPU {cpu_id}"


class CpuLanes(dict[int, int]):
    """The lanes of one kind, by CPU, which are told of when they are first asked for."""

    def __init__(self, board: Board, kind: LaneKind) -> None:
        super().__init__()
        self._board, self._kind = board, kind

    def __missing__(self, cpu_id: int) -> int:
        lane = self[cpu_id] = self._board.lane(group_of(cpu_id), self._kind.value, self._kind, cpu_id)
        return lane


@attrs.define(eq=False)
class Places:
    """The lanes of one machine."""

    board: Board
    machine: Machine
    threads: CpuLanes = attrs.field(init=False)
    """Where each CPU's threads are."""
    _actors: dict[str, int] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.threads = self.lanes(LaneKind.THREADS)

    def lanes(self, kind: LaneKind) -> CpuLanes:
        """Those of a kind."""
        return CpuLanes(self.board, kind)

    def now(self) -> int:
        """The clock of whoever runs."""
        running = self.machine.conductor.running
        return running.clock if running is not None else self.machine.conductor.now

    def running_cpu(self) -> Cpu | None:
        """Who runs, if it is a CPU."""
        running = self.machine.conductor.running
        return running if isinstance(running, Cpu) else None

    def of_cpu(self, cpu_id: int, kind: LaneKind = LaneKind.THREADS) -> int:
        """A lane of a CPU."""
        return self.board.lane(group_of(cpu_id), kind.value, kind, cpu_id)

    def of_actor(self, name: str) -> int:
        """The lane of an actor: that of a CPU's threads, or of a device."""
        lane = self._actors.get(name)
        if lane is None:
            lane = self._actors[name] = self._lane_of(name)
        return lane

    def _lane_of(self, name: str) -> int:
        number = name.removeprefix("cpu")
        if number != name and number.isdigit():
            return self.of_cpu(int(number))
        if name == self.machine.gp.name:
            return self.board.lane(PERIODS, name, LaneKind.GRACE_PERIOD)
        if name == self.machine.system.hrtimers.device.name:
            return self.board.lane(TIMERS, _CLOCK_EVENTS, LaneKind.HRTIMER)
        return self.board.lane(DEVICES, name, LaneKind.OTHER)

    def moment(self) -> tuple[int, int]:
        """The lane of whoever runs, and its clock."""
        running = self.machine.conductor.running
        if running is None:
            return self.here(), self.now()
        lane = self._actors.get(running.name)
        return (self.of_actor(running.name) if lane is None else lane), running.clock

    def here(self) -> int:
        """The lane of whoever runs."""
        running: Actor | None = self.machine.conductor.running
        return self.of_actor(running.name) if running is not None else self.of_actor("conductor")

    def mark_here(self, kind: MarkKind, label: str, about: str = "") -> None:
        """Something happens where it runs."""
        self.board.mark(self.here(), self.now(), kind, label, about=about)
