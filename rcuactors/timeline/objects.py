"""The lives of objects: allocated, given up, queued where, in which batch, its grace period over, freed.

Kept is what is needed of objects that are not free yet, nothing of others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs

from ..kernel.workqueue import Work, Workqueue
from ..kvfree.krc import CHANNELS, SLAB, Batch, Krc
from ..machine import MachineProbes
from ..mm.objects import KObject
from ..rcu.oracle import Tracked
from .board import Board, Curve
from .elements import ArrowKind, CounterKind, Life, Stage
from .periods import Periods
from .places import Places


@attrs.define
class _Known:
    """What is known of an object that is not free."""

    serial: int
    stage: Stage


@attrs.define(eq=False)
class Objects:
    """Tells of lives, and of how many there are."""

    board: Board
    places: Places
    periods: Periods
    _objects: Curve = attrs.field(init=False)
    _bytes: Curve = attrs.field(init=False)
    _serials: int = 0
    _known: dict[int, _Known] = attrs.field(factory=dict)
    """By address."""
    _batches: dict[int, tuple[Krc, Batch]] = attrs.field(factory=dict)
    """By the id of the work that frees it; both live as long as the machine."""

    _draw: Callable[[Life], None] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._draw = self.board.drawing.life
        self._objects = self.board.curve(CounterKind.OBJECTS, "outstanding objects", "objects")
        self._bytes = self.board.curve(CounterKind.BYTES, "outstanding bytes", "bytes")

    def listen(self, probes: MachineProbes) -> None:
        """From now on."""
        probes.rcu.object_allocated.listen(self._allocated)
        probes.rcu.object_retired.listen(self._retired)
        probes.rcu.object_freed.listen(self._freed)
        probes.kvfree.queued.listen(self._queued)
        probes.kvfree.batched.listen(self._batched)
        probes.kernel.work_queued.listen(self._work_queued)

    def _tell(self, item: Tracked, stage: Stage, where: str = "", time_ns: int | None = None) -> None:
        lane, now = self.places.moment()
        self._tell_at(item, stage, where, lane, now if time_ns is None else time_ns)

    def _tell_at(self, item: Tracked, stage: Stage, where: str, lane: int, time_ns: int) -> None:
        address = item.address
        known = self._known.get(address)
        if known is None:
            self._serials += 1
            known = self._known[address] = _Known(self._serials, stage)
        known.stage = stage
        self._draw(Life(known.serial, address, stage, lane, time_ns, where))

    def _count(self, now: int) -> None:
        oracle = self.places.machine.oracle
        self._objects.set(now, len(oracle.live))
        self._bytes.set(now, oracle.live_bytes)

    def _allocated(self, item: Tracked) -> None:
        self._known.pop(item.address, None)
        lane, now = self.places.moment()
        self._tell_at(item, Stage.ALLOCATED, f"{item.size} bytes, {item.allocated_at}", lane, now)
        self._count(now)

    def _retired(self, item: Tracked, time_ns: int) -> None:
        self._tell(item, Stage.RETIRED, time_ns=time_ns)

    def _freed(self, item: Tracked, how: str) -> None:
        lane, now = self.places.moment()
        self._tell_at(item, Stage.FREED, how, lane, now)
        del self._known[item.address]
        self._count(now)

    def _queued(self, krcp: Krc, item: KObject) -> None:
        if krcp.head and krcp.head[-1] is item:
            where = "rcu_head list"
        else:
            channel = krcp.blocks[item.is_vmalloc]
            where = f"{'vmalloc' if item.is_vmalloc else 'slab'} block {len(channel)}"
            where += f", record {len(channel[-1].records)}"
        self._tell(item, Stage.QUEUED, f"CPU {krcp.cpu_id}, {where}")

    def _batched(self, krcp: Krc, batch: Batch) -> None:
        self._batches[id(batch.rcu_work.work)] = krcp, batch
        number = krcp.batches.index(batch)
        lane, now = self.places.moment()
        for item, channel in _items(batch):
            known = self._known.get(item.address)
            if known is not None and known.stage is not Stage.BATCHED:
                where = f"CPU {krcp.cpu_id}, batch {number}, {channel}"
                self._tell_at(item, Stage.BATCHED, where, lane, now)

    def _work_queued(self, work: Work, _workqueue: Workqueue) -> None:
        krcp, batch = self._batches.get(id(work), (None, None))
        if krcp is None or batch is None:
            return
        gp_seq = batch.rcu_work.rcu.seq
        relies_on = f"gp_seq {gp_seq}" if gp_seq is not None else ""
        ended = self.periods.ended.get(gp_seq) if gp_seq is not None else None
        lane, now = to = self.places.moment()
        if ended is not None:
            label = f"CPU {krcp.cpu_id}, batch {krcp.batches.index(batch)}"
            self.board.arrow(ArrowKind.RELIES_ON, (self.periods.lane, ended), to, label, relies_on)
        for item, _ in _items(batch):
            self._tell_at(item, Stage.READY, relies_on, lane, now)


def _items(batch: Batch) -> Iterator[tuple[KObject, str]]:
    """All that waits in a batch, and in which channel."""
    for channel in CHANNELS:
        name = "slab" if channel == SLAB else "vmalloc"
        for block in batch.blocks[channel]:
            for item in block.records:
                yield item, name
    for item in batch.head:
        yield item, "rcu_head list"
