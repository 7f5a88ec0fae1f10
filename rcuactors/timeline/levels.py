"""What each CPU's krcp and page list hold, whenever that has changed.

A krcp changes under its lock, and with its works' timers and works: it is looked at when the lock is let go of, and
when these change. A page list changes under a lock or with interrupts off.
"""

from __future__ import annotations

import attrs

from ..context.locks import Lock
from ..kernel.cpu import Cpu
from ..kernel.time.timer import Timer
from ..kernel.workqueue import Work
from ..kvfree.krc import LOCK_NAME, Batch, Block, Krc
from ..kvfree.words import krc_words
from ..machine import MachineProbes
from ..mm.objects import KObject
from ..mm.page.zone import Zone
from .board import Board, Curve
from .elements import CounterKind, Krcp
from .places import Places


@attrs.define(eq=False)
class Levels:
    """Tells of krcps, and the curves of blocks, cached pages and page lists."""

    board: Board
    places: Places
    _krcs: dict[int, Krc] = attrs.field(factory=dict)
    """By the id of the lock, of a work or of a timer: what a krcp is made of lives as long as the machine."""
    _seen: dict[int, list[int]] = attrs.field(factory=dict)
    """By CPU."""
    _curves: dict[int, tuple[Curve, Curve]] = attrs.field(factory=dict)
    _listed: dict[int, int] = attrs.field(factory=dict)
    _pages: Zone = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._pages = self.places.machine.pages.zone

    def listen(self, probes: MachineProbes) -> None:
        """From now on."""
        told = probes.kernel
        told.lock_taken.listen(self._taken)
        told.lock_let_go.listen(self._let_go)
        told.irqs_on.listen(self._irqs_on)
        told.timer_started.listen(lambda timer, _delay: self._changed(timer))
        told.timer_left.listen(lambda _cpu, timer, _expired: self._changed(timer))
        told.work_queued.listen(lambda work, _workqueue: self._changed(work))
        told.work_started.listen(lambda work, _workqueue, _worker: self._changed(work))
        told.work_withdrawn.listen(self._changed)
        probes.kvfree.queued.listen(self._queued)
        probes.kvfree.batched.listen(self._batched)
        for krcp in self.places.machine.kvfree.all_krcs():
            self._know(krcp)

    def _know(self, krcp: Krc) -> None:
        parts: tuple[object, ...] = (krcp.lock, *(batch.rcu_work.work for batch in krcp.batches))
        for dwork in (krcp.monitor_work, krcp.page_work):
            parts = (*parts, dwork.work, dwork.timer)
        for part in parts:
            self._krcs[id(part)] = krcp
        self._look(krcp)

    def _taken(self, _cpu: Cpu, lock: Lock, _waited_ns: int) -> None:
        if lock.name == LOCK_NAME and id(lock) not in self._krcs:
            for krcp in self.places.machine.kvfree.all_krcs():
                if id(krcp.lock) not in self._krcs:
                    self._know(krcp)

    def _let_go(self, cpu: Cpu, lock: Lock, _held_ns: int) -> None:
        krcp = self._krcs.get(id(lock))
        if krcp is not None:
            self._look(krcp)
        self._look_at_pages(cpu)

    def _irqs_on(self, cpu: Cpu, nested: bool, _off_ns: int) -> None:
        if not nested:
            self._look_at_pages(cpu)

    def _queued(self, krcp: Krc, _item: KObject) -> None:
        self._look(krcp)

    def _batched(self, krcp: Krc, _batch: Batch) -> None:
        self._look(krcp)

    def _changed(self, what: Timer | Work) -> None:
        krcp = self._krcs.get(id(what))
        if krcp is not None:
            self._look(krcp)

    def _look(self, krcp: Krc) -> None:
        cpu_id, shape = krcp.cpu_id, _shape_of(krcp)
        if self._seen.get(cpu_id) == shape:
            return
        self._seen[cpu_id] = shape
        now = self.places.now()
        self.board.drawing.krcp(Krcp(cpu_id, now, krc_words(krcp)))
        held, cached = self._curves_of(cpu_id)
        channels = (*krcp.blocks, *(blocks for batch in krcp.batches for blocks in batch.blocks))
        held.set(now, sum(map(len, channels)))
        cached.set(now, len(krcp.cache))

    def _curves_of(self, cpu_id: int) -> tuple[Curve, Curve]:
        curves = self._curves.get(cpu_id)
        if curves is None:
            curves = self._curves[cpu_id] = (
                self.board.curve(CounterKind.BLOCKS, f"blocks held, CPU {cpu_id}", "blocks", cpu_id),
                self.board.curve(CounterKind.CACHED_PAGES, f"cached pages, CPU {cpu_id}", "pages", cpu_id),
            )
        return curves

    def _look_at_pages(self, cpu: Cpu) -> None:
        cpu_id = cpu.cpu_id
        listed = self._pages.listed(cpu_id)
        if self._listed.get(cpu_id) != listed:
            self._listed[cpu_id] = listed
            name = f"pages on the list of CPU {cpu_id}"
            self.board.curve(CounterKind.PCPLIST, name, "pages", cpu_id).set(cpu.clock, listed)


def _shape_of(krcp: Krc) -> list[int]:
    """What its words follow from, so far as it changes: quicker to compare than they are to make."""
    shape = [krcp.count, len(krcp.head), len(krcp.cache), krcp.monitor_work.work.pending, krcp.page_work.work.pending]
    shape += [_size_of(blocks) for blocks in krcp.blocks]
    for batch in krcp.batches:
        shape.append(len(batch.head))
        shape += [_size_of(blocks) for blocks in batch.blocks]
    return shape


def _size_of(blocks: list[Block]) -> int:
    """How many, and how full the last is: only the newest is being filled; a batch's are taken all at once."""
    return len(blocks) << _ROOM | len(blocks[-1].records) if blocks else 0


_ROOM = 16
"""Bits: no block has as many records."""
