"""Who holds which lock, who waits for it and since when, and from whom it comes to the next.

Each lies on a lane of the CPU on which it was asked for, beside others that are held or waited for there at the time:
locks need not be let go of in the order in which they were taken, and one that may be slept under may go to another
CPU with its thread.
"""

from __future__ import annotations

import attrs

from ..context.locks import Lock
from ..kernel.cpu import Cpu
from ..machine import MachineProbes
from .board import Board, Open, Tracks
from .elements import ArrowKind, LaneKind, SpanKind
from .places import Places, group_of

Key = tuple[int, int]
"""A lock and a thread, which both live as long as what is kept of them: by their ids."""


@attrs.define(eq=False)
class Locks:
    """The lanes of locks."""

    board: Board
    places: Places
    _tracks: dict[int, Tracks] = attrs.field(factory=dict)
    _waits: dict[Key, Open] = attrs.field(factory=dict)
    _held: dict[int, list[tuple[int, Open]]] = attrs.field(factory=dict)
    """By lock: who has it."""
    _given_up: dict[int, tuple[int, int]] = attrs.field(factory=dict)
    """By lock: where and when it was let go of, while somebody waits for it."""

    def listen(self, probes: MachineProbes) -> None:
        """From now on."""
        probes.kernel.lock_wanted.listen(self._wanted)
        probes.kernel.lock_taken.listen(self._taken)
        probes.kernel.lock_let_go.listen(self._let_go)

    def _of(self, cpu: Cpu) -> Tracks:
        cpu_id = cpu.cpu_id
        tracks = self._tracks.get(cpu_id)
        if tracks is None:
            kind = LaneKind.LOCKS
            tracks = self._tracks[cpu_id] = Tracks(self.board, group_of(cpu_id), kind.value, kind, cpu_id)
        return tracks

    def _wanted(self, cpu: Cpu, lock: Lock) -> None:
        key = id(lock), id(cpu.current)
        if key in self._waits:
            return
        holders = ", ".join(map(str, lock.holders())) or "nobody: it is on its way to another"
        self._waits[key] = self._of(cpu).open(
            cpu.clock,
            SpanKind.LOCK_WAITED_FOR,
            lock.name,
            who=str(cpu.current),
            about=lock.name,
            detail=(("type", lock.lock_class.kind.value), ("held by", holders)),
        )

    def _taken(self, cpu: Cpu, lock: Lock, waited_ns: int) -> None:
        who, now = cpu.current, cpu.clock
        wait = self._waits.pop((id(lock), id(who)), None)
        if wait is not None:
            self.board.close(wait, now, (("waited", f"{waited_ns} ns"),))
        begun = self._of(cpu).open(
            now,
            SpanKind.LOCK_HELD,
            lock.name,
            who=str(who),
            about=lock.name,
            detail=(("type", lock.lock_class.kind.value), ("address", f"{lock.address:016x}")),
        )
        self._held.setdefault(id(lock), []).append((id(who), begun))
        given_up = self._given_up.get(id(lock))
        if given_up is not None and wait is not None:
            self.board.arrow(ArrowKind.HAND_OVER, given_up, (begun.lane, now), f"{lock.name} to {who}", lock.name)
        if not lock.waiters:
            self._given_up.pop(id(lock), None)

    def _let_go(self, cpu: Cpu, lock: Lock, _held_ns: int) -> None:
        held = self._held.get(id(lock))
        if not held:
            return
        mine = next((at for at, (who, _) in enumerate(held) if who == id(cpu.current)), 0)
        _, begun = held.pop(mine)
        if not held:
            del self._held[id(lock)]
        if lock.waiters:
            self._given_up[id(lock)] = begun.lane, cpu.clock
        other = group_of(cpu.cpu_id)
        more = (("let go of by", f"{cpu.current} on {other}"),) if str(cpu.current) != begun.who else ()
        self.board.close(begun, cpu.clock, more)
