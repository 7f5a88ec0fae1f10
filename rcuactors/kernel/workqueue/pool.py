"""Pools of workers (kernel/workqueue.c, struct worker_pool): worker_thread(), process_one_work(), the manager.

Each CPU has a pool of normal and one of high-priority workers, bound to it; unbound workqueues share a pool of each
priority whose workers are bound to nothing. In a bound pool one worker runs at a time: nr_running counts those that
are busy and have not said that they sleep. They say so in sched_submit_work(), which schedule_rtlock() skips: behind a
spinlock_t of PREEMPT_RT a worker counts as running, and the pool's next work waits.

The manager is an actor: it hears of queued work and of workers that sleep in the middle of an item, and wakes or
creates a worker.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import attrs

from ...context.locks import Lock
from ...engine.device import Device
from ...marks import machinery
from ..messages import WakeUp, WorkerSleeping, WorkQueued
from ..thread import Thread, ThreadState
from .work import Queued, Work
from .workqueue import Pwq, Workqueue

if TYPE_CHECKING:
    from ..completion import Completion
    from ..cpu import Cpu
    from ..system import System


@attrs.define(eq=False)
class Worker:
    """struct worker: a kworker, a thread, and what it is doing."""

    thread: Thread
    pool: Pool
    busy: bool = False
    sleeping: bool = False
    """wq_worker_sleeping() has heard of its sleep."""
    current: Work | None = None
    entry: Queued | None = None
    scheduled: deque[Queued] = attrs.field(factory=deque)
    """Works that this worker has to run after its current one, because they are the current one again."""
    flushers: list[Completion] = attrs.field(factory=list)
    """Who waits for the end of the current work."""

    @property
    def workqueue(self) -> Workqueue | None:
        """That of the current work (current_pwq->wq)."""
        return self.entry.workqueue if self.entry is not None else None

    @property
    def running(self) -> bool:
        """It counts for nr_running."""
        return self.busy and not (self.sleeping and self.thread.state is not ThreadState.RUNNABLE)


@attrs.define(eq=False)
class Pool:
    """struct worker_pool: workers of one priority, of one CPU or unbound (`cpu` is None)."""

    number: int
    cpu: Cpu | None
    highpri: bool
    lock: Lock
    worklist: deque[Queued] = attrs.field(factory=deque)
    idle: list[Worker] = attrs.field(factory=list)
    workers: list[Worker] = attrs.field(factory=list)
    pwqs: dict[Workqueue, Pwq] = attrs.field(factory=dict)
    watchdog_ns: int = 0
    """When it last started a work, or got one while it had none (watchdog_ts)."""

    def name(self, worker: int) -> str:
        """A worker's comm."""
        where = f"{self.cpu.cpu_id}" if self.cpu is not None else f"u{self.number}"
        return f"kworker/{where}:{worker}{'H' if self.highpri and self.cpu is not None else ''}"

    def anyone_running(self) -> bool:
        """nr_running: a worker that will see to the list when it has done. Unbound workers are not counted."""
        return self.cpu is not None and any(worker.running for worker in self.workers)

    def executing(self, work: Work) -> Worker | None:
        """find_worker_executing_work()."""
        return next((worker for worker in self.workers if worker.current is work), None)

    def find(self, work: Work) -> tuple[deque[Queued], Queued] | None:
        """The list that it waits on, and its entry there."""
        waiting = (self.worklist, *(worker.scheduled for worker in self.workers))
        for entries in (*waiting, *(pwq.inactive for pwq in self.pwqs.values())):
            for entry in entries:
                if entry.work is work:
                    return entries, entry
        return None

    def pwq(self, workqueue: Workqueue) -> Pwq:
        """The workqueue's part of this pool."""
        return self.pwqs.setdefault(workqueue, Pwq())

    def insert(self, entry: Queued, now: int) -> None:
        """insert_work(), or behind max_active."""
        pwq = self.pwq(entry.workqueue)
        if pwq.active >= entry.workqueue.max_active:
            pwq.inactive.append(entry)
            return
        pwq.active += 1
        if not self.worklist:
            self.watchdog_ns = now
        self.worklist.append(entry)

    def gone(self, entry: Queued, *, was_active: bool) -> None:
        """pwq_dec_nr_in_flight(): one has run, or was taken back; the first that waited for that becomes active."""
        pwq = self.pwq(entry.workqueue)
        pwq.active -= was_active
        if pwq.inactive and pwq.active < entry.workqueue.max_active:
            pwq.active += 1
            self.worklist.append(pwq.inactive.popleft())

    def info(self, nr_cpus: int) -> str:
        """pr_cont_pool_info()."""
        cpus = f"{self.cpu.cpu_id}" if self.cpu is not None else f"0-{nr_cpus - 1}" if nr_cpus > 1 else "0"
        node = " node=0" if self.cpu is not None else ""
        flags, nice = 0 if self.cpu is not None else 4, -20 if self.highpri else 0
        return f"cpus={cpus}{node} flags=0x{flags:x} nice={nice}"


class Manager(Device):
    """The workqueue actor: makes sure that a pool with waiting work and no running worker gets one."""

    def __init__(self, system: System, create_worker: Callable[[Pool], Worker], *, index: int) -> None:
        super().__init__(name="workqueue", index=index)
        self._system = system
        self._create_worker = create_worker

    @machinery
    async def main(self) -> None:
        """Wait for messages, for ever."""
        while True:
            message = await self._system.conductor.receive(self)
            if isinstance(message, WorkQueued | WorkerSleeping):
                self._see_to(cast("Pool", message.pool))

    def _see_to(self, pool: Pool) -> None:
        if not pool.worklist or pool.anyone_running():
            return
        system = self._system
        if not pool.idle:
            self.clock += system.costs.worker_create_ns
            self._create_worker(pool)
        thread = pool.idle[-1].thread
        message = WakeUp(sender=self.name, time_ns=self.clock, thread=thread, sleep=thread.sleeps)
        system.conductor.post(thread.cpu, message)
