"""Pools of workers (kernel/workqueue.c, struct worker_pool): who works, who is idle, who manages.

Each CPU has a pool of normal and one of high-priority workers, bound to it; unbound workqueues share a pool of each
priority whose workers are bound to nothing. In a bound pool one worker runs at a time: nr_running counts those that
are busy and have not said that they sleep. They say so in sched_submit_work(), which schedule_rtlock() skips: behind a
spinlock_t of PREEMPT_RT a worker counts as running, and the pool's next work waits.

What a worker does is in worker.py; how a pool gets another one, in manager.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, cast

import attrs

from ...context.locks import Lock
from ...engine.device import Device
from ...marks import machinery
from ..messages import WakeUp, WorkerSleeping
from ..thread import Thread, ThreadState
from ..time.timer import Timer
from .work import Queued, Work
from .workqueue import Pwq, Workqueue

if TYPE_CHECKING:
    from ..completion import Completion
    from ..cpu import Cpu
    from ..system import System


@attrs.define(eq=False)
class Worker:
    """struct worker: a kworker, a thread, and what it is doing; or a rescuer, in no pool but while it rescues there."""

    thread: Thread
    _pool: Pool | None
    busy: bool = False
    """It works, and counts for the pool's concurrency; a rescuer never does (WORKER_NOT_RUNNING)."""
    sleeping: bool = False
    """wq_worker_sleeping() has heard of its sleep."""
    cpu_intensive: bool = False
    """WORKER_CPU_INTENSIVE: its work has run for too long without sleeping (wq_worker_tick())."""
    _ran_ns: int = 0
    _since_ns: int = 0
    current: Work | None = None
    entry: Queued | None = None
    scheduled: deque[Queued] = attrs.field(factory=deque)
    """Works that this worker has to run after its current one, because they are the current one again."""
    flushers: list[Completion] = attrs.field(factory=list)
    """Who waits for the end of the current work."""
    rescue_wq: Workqueue | None = attrs.field(default=None, kw_only=True)
    """A rescuer's."""

    def identity(self) -> str:
        """Its thread's path, the same in every schedule."""
        return self.thread.strand.path

    @property
    def pool(self) -> Pool:
        """Where it works. Raises RuntimeError for a rescuer that has nothing to do."""
        if self._pool is None:
            raise RuntimeError(f"{self.thread} is in no pool")
        return self._pool

    def join(self, pool: Pool) -> None:
        """A rescuer comes to a pool."""
        self._pool = pool

    def leave(self, pool: Pool) -> None:
        """worker_detach_from_pool()."""
        pool.workers.remove(self)
        self._pool = None

    @property
    def workqueue(self) -> Workqueue | None:
        """That of the current work (current_pwq->wq)."""
        return self.entry.workqueue if self.entry is not None else None

    @property
    def counts(self) -> bool:
        """Its pool's concurrency is managed, and it has part in that: not WORKER_NOT_RUNNING."""
        return self.busy and not self.cpu_intensive and self.pool.cpu is not None

    @property
    def asleep(self) -> bool:
        """It has been heard of going to sleep, and has not been woken."""
        return self.sleeping and self.thread.state is not ThreadState.RUNNABLE

    @property
    def running(self) -> bool:
        """It counts for nr_running."""
        return self.busy and not (self.asleep or self.cpu_intensive)

    def begins(self, now: int) -> None:
        """worker->current_at: from here on its work's time on the CPU is counted."""
        self._ran_ns, self._since_ns = 0, now

    def off_cpu(self, cpu: Cpu) -> None:
        """It gives the CPU up: what it has run till now. It begins anew after a sleep (wq_worker_running())."""
        self._ran_ns, self._since_ns = 0 if self.sleeping else self.ran_ns(cpu), cpu.clock

    def ran_ns(self, cpu: Cpu) -> int:
        """How long it has run without sleeping; for the worker that runs here (sum_exec_runtime - current_at)."""
        return self._ran_ns + cpu.clock - max(self._since_ns, cpu.switched_ns)


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
    counts: bool = attrs.field(default=attrs.Factory(lambda pool: pool.cpu is not None, takes_self=True))
    """Not POOL_DISASSOCIATED: it is bound to its CPU, and at most one of its workers runs at a time."""
    spare: int = 1
    """So many more idle workers than `idle` has: those that boot has left, whose threads are made when wanted."""
    numbers: int = 0
    """Of its workers, so far."""
    manager: Worker | None = None
    """Who makes another worker now (POOL_MANAGER_ACTIVE)."""
    mayday_timer: Timer | None = None
    watchdog_ns: int = 0
    """When it last started a work, or got one while it had none (watchdog_ts)."""

    def name(self, worker: int) -> str:
        """A worker's comm."""
        where = f"{self.cpu.cpu_id}" if self.cpu is not None else f"u{self.number}"
        return f"kworker/{where}:{worker}{'H' if self.highpri and self.cpu is not None else ''}"

    def anyone_running(self) -> bool:
        """nr_running: a worker that will see to the list when it has done. Unbound workers are not counted."""
        return self.counts and any(worker.running for worker in self.workers)

    def need_more_worker(self) -> bool:
        """need_more_worker(): there is work, and nobody runs."""
        return bool(self.worklist) and not self.anyone_running()

    def may_start_working(self) -> bool:
        """may_start_working(): somebody is idle, and could be woken."""
        return bool(self.idle or self.spare)

    def needs_help(self) -> bool:
        """need_to_create_worker(): there is work, nobody runs, and nobody could be woken."""
        return self.need_more_worker() and not self.may_start_working()

    def keep_working(self) -> bool:
        """keep_working(): for a worker that has done one. Not beside another that runs: this one goes to sleep."""
        return bool(self.worklist) and (not self.counts or sum(worker.running for worker in self.workers) <= 1)

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
        flags, nice = 0 if self.counts else 4, -20 if self.highpri else 0
        return f"cpus={cpus}{node} flags=0x{flags:x} nice={nice}"


class Waker(Device):
    """The workqueue actor: wakes an idle worker when another goes to sleep in the middle of a work.

    wq_worker_sleeping() does that itself, under the pool's lock. If nobody is idle, somebody is the manager.
    """

    passes_on: ClassVar[bool] = False

    def __init__(self, system: System, first_idle_worker: Callable[[Pool], Worker | None], *, index: int) -> None:
        super().__init__(name="workqueue", index=index)
        self._system = system
        self._first_idle_worker = first_idle_worker

    @machinery
    async def main(self) -> None:
        """Wait for messages, for ever."""
        while True:
            message = await self._system.conductor.receive(self)
            if isinstance(message, WorkerSleeping):
                self._see_to(cast("Pool", message.pool))

    def _see_to(self, pool: Pool) -> None:
        worker = self._first_idle_worker(pool) if pool.need_more_worker() else None
        if worker is not None:
            thread = worker.thread
            message = WakeUp(sender=self.name, time_ns=self.clock, thread=thread, sleep=thread.sleeps)
            self._system.conductor.post(thread.cpu, message)
