"""Who holds which lock, who waits for it and since when, and from whom it comes to the next.

Each lies on a lane of the CPU on which it was asked for, beside others that are held or waited for there at the time:
locks need not be let go of in the order in which they were taken, and one that may be slept under may go to another
CPU with its thread.
"""

from __future__ import annotations

from functools import lru_cache

import attrs

from ..context.locks import Lock, LockKind
from ..kernel.cpu import Cpu
from ..machine import MachineProbes
from .board import Board, Tracks
from .elements import ArrowKind, Detail, LaneKind, Span, SpanKind
from .places import Places, group_of

Key = tuple[int, int]
"""A lock and a thread, which both live as long as what is kept of them: by their ids."""


@attrs.define(eq=False)
class Locks:
    """The lanes of locks."""

    board: Board
    places: Places
    _tracks: dict[int, Tracks] = attrs.field(factory=dict)
    _waits: dict[Key, Span] = attrs.field(factory=dict)
    _held: dict[int, list[tuple[int, Span]]] = attrs.field(factory=dict)
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
        who, now, key = cpu.current, cpu.clock, id(lock)
        wait = self._waits.pop((key, id(who)), None) if self._waits else None
        if wait is not None:
            self.board.close(wait, now, (("waited", f"{waited_ns} ns"),))
        name = lock.lock_class.name
        detail = _facts(lock.lock_class.kind, lock.address)
        begun = self._of(cpu).open(now, SpanKind.LOCK_HELD, name, who=str(who), about=name, detail=detail)
        held = self._held.get(key)
        if held is None:
            self._held[key] = [(id(who), begun)]
        else:
            held.append((id(who), begun))
        if not self._given_up:
            return
        given_up = self._given_up.get(key)
        if given_up is not None and wait is not None:
            self.board.arrow(ArrowKind.HAND_OVER, given_up, (begun.lane, now), f"{name} to {who}", name)
        if not lock.waiters:
            self._given_up.pop(key, None)

    def _let_go(self, cpu: Cpu, lock: Lock, _held_ns: int) -> None:
        key, current = id(lock), cpu.current
        held = self._held.get(key)
        if not held:
            return
        mine = next((at for at, (who, _) in enumerate(held) if who == id(current)), 0) if len(held) > 1 else 0
        who, begun = held.pop(mine)
        if not held:
            del self._held[key]
        if lock.waiters:
            self._given_up[key] = begun.lane, cpu.clock
        more: Detail = ()
        if who != id(current) and str(current) != begun.who:
            more = (("let go of by", f"{current} on {group_of(cpu.cpu_id)}"),)
        self.board.close(begun, cpu.clock, more)


@lru_cache(maxsize=4096)
def _facts(kind: LockKind, address: int) -> Detail:
    return ("type", kind.value), ("address", f"{address:016x}")
