"""Works: on a pool's list, and then on a worker."""

from __future__ import annotations

import attrs

from ..kernel.thread import Thread
from ..kernel.workqueue import Work, Workqueue
from ..machine import MachineProbes
from .board import Board, Tracks
from .elements import ArrowKind, LaneKind, Span, SpanKind
from .places import WORKERS, Places


@attrs.define(eq=False)
class Works:
    """The lanes of pools and workers."""

    board: Board
    places: Places
    _pools: dict[str, Tracks] = attrs.field(factory=dict)
    _pending: dict[int, tuple[Work, Span]] = attrs.field(factory=dict)
    """By the work's id, with the work, so that no other one gets that meanwhile."""
    _at_work: dict[int, Span] = attrs.field(factory=dict)
    """By the worker's pid."""

    def listen(self, probes: MachineProbes) -> None:
        """From now on."""
        probes.kernel.work_queued.listen(self._queued)
        probes.kernel.work_started.listen(self._started)
        probes.kernel.work_ended.listen(self._ended)
        probes.kernel.work_withdrawn.listen(self._withdrawn)

    def _queued(self, work: Work, workqueue: Workqueue) -> None:
        name = _pool_name(work)
        tracks = self._pools.get(name)
        if tracks is None:
            tracks = self._pools[name] = Tracks(self.board, WORKERS, name, LaneKind.POOL)
        cpu = self.places.running_cpu()
        begun = tracks.open(
            self.places.now(),
            SpanKind.WORK_PENDING,
            work.name,
            who=str(cpu.current) if cpu is not None else "",
            about=work.name,
            detail=(("workqueue", workqueue.name),),
        )
        self._pending[id(work)] = work, begun

    def _started(self, work: Work, workqueue: Workqueue, worker: Thread) -> None:
        now = self.places.now()
        lane = self.board.lane(WORKERS, worker.comm, LaneKind.WORKER)
        _, pending = self._pending.pop(id(work), (None, None))
        if pending is not None:
            self.board.close(pending, now, (("taken by", str(worker)),))
            self.board.arrow(ArrowKind.MESSAGE, (pending.lane, now), (lane, now), f"{work.name} begins", work.name)
        detail = (("workqueue", workqueue.name), ("on", f"CPU {worker.cpu.cpu_id}"))
        begun = self.board.begin(lane, now, SpanKind.WORK_RUNS, work.name, str(worker), work.name, detail)
        self._at_work[worker.pid] = begun

    def _ended(self, _work: Work, worker: Thread) -> None:
        begun = self._at_work.pop(worker.pid, None)
        if begun is not None:
            self.board.close(begun, self.places.now())

    def _withdrawn(self, work: Work) -> None:
        _, pending = self._pending.pop(id(work), (None, None))
        if pending is not None:
            self.board.close(pending, self.places.now(), (("ended", "taken off its list"),))


def _pool_name(work: Work) -> str:
    pool = work.pool
    if pool is None:
        return "pool"
    where = f"CPU {pool.cpu.cpu_id}" if pool.cpu is not None else "unbound"
    return f"pool, {where}{', high priority' if pool.highpri else ''}"
