"""Workqueues (kernel/workqueue.c): per-CPU pools of normal and high-priority workers, pending bits, delayed work.

queue_work() and __queue_work(), worker_thread() and process_one_work(), flush_work(), struct worker_pool.

Queueing takes the pool's raw lock and wakes a worker, which takes the scheduler's locks: that is why a request made
under them must go through an hrtimer first. The manager is an actor: it hears of queued work and of workers that
sleep in the middle of an item, and wakes or creates a worker; an item that cannot be started right away waits on the
pool's list.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, cast

import attrs

from ..context.locks import Lock, LockKind
from ..engine.device import Device
from ..marks import machinery, stands_for
from .balance import check_work
from .completion import Completion, complete, wait_for_completion
from .messages import WakeUp, WorkerSleeping, WorkQueued
from .percpu import PerCpu
from .thread import Thread, ThreadState, Urgency
from .time.timer import Timer

if TYPE_CHECKING:
    from .cpu import Cpu
    from .system import System

Function = Callable[["Cpu"], Awaitable[None]]


@attrs.define(eq=False)
class Work:
    """struct work_struct.

    `function` runs on a worker; `pending` is WORK_STRUCT_PENDING: set while queued, cleared just before the function
    runs.
    """

    name: str
    function: Function
    pending: bool = False
    runs: int = 0
    pool: Pool | None = None
    """Where it was queued last."""
    flushers: list[Completion] = attrs.field(factory=list)


@attrs.define(eq=False)
class DelayedWork:
    """struct delayed_work: a work and the timer that queues it."""

    work: Work
    timer: Timer
    workqueue: Workqueue | None = None


@attrs.frozen(eq=False)
class Workqueue:
    """struct workqueue_struct, a bound one: its works run on the CPU that queued them."""

    name: str
    highpri: bool = False


@attrs.define(eq=False)
class Worker:
    """struct worker: a kworker, a thread, and what it is doing."""

    thread: Thread
    pool: Pool
    busy: bool = False
    current: Work | None = None
    workqueue: Workqueue | None = None
    scheduled: deque[tuple[Work, Workqueue]] = attrs.field(factory=deque)
    """Works that this worker has to run after its current one, because they are the current one again."""
    flushers: list[Completion] = attrs.field(factory=list)
    """Who waits for the end of the current work."""


@attrs.define(eq=False)
class Pool:
    """struct worker_pool: one CPU's workers of one priority."""

    cpu: Cpu
    highpri: bool
    lock: Lock
    worklist: deque[tuple[Work, Workqueue]] = attrs.field(factory=deque)
    idle: list[Worker] = attrs.field(factory=list)
    workers: list[Worker] = attrs.field(factory=list)

    def name(self, worker: int) -> str:
        """A worker's comm."""
        return f"kworker/{self.cpu.cpu_id}:{worker}{'H' if self.highpri else ''}"

    def anyone_running(self) -> bool:
        """nr_running: a worker that is busy and does not sleep will see to the list."""
        return any(worker.busy and worker.thread.state is ThreadState.RUNNABLE for worker in self.workers)

    def executing(self, work: Work) -> Worker | None:
        """find_worker_executing_work()."""
        return next((worker for worker in self.workers if worker.current is work), None)


@attrs.frozen(kw_only=True)
class WorkqueueStatistics:
    """The worker pools of all CPUs.

    * `pools` (pools): that something has touched, two to a CPU at most.
    * `workers` (threads): that they have.
    * `idle` (threads): of these, with nothing to do.
    * `waiting` (works): on the pools' lists.
    * `executed` (times): a work has run.
    """

    pools: int
    workers: int
    idle: int
    waiting: int
    executed: int


class Workqueues:
    """All pools, the two system workqueues, and the manager."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._pools = PerCpu(self._new_pool, system.masks)
        self._highpri_pools = PerCpu(lambda cpu_id: self._new_pool(cpu_id, highpri=True), system.masks)
        self._by_thread: dict[int, Worker] = {}
        self.system_wq = Workqueue("events")
        self.system_highpri_wq = Workqueue("events_highpri", highpri=True)
        self.manager = Manager(self, index=system.next_actor_index())
        system.add_device(self.manager)
        system.hooks.on_switch.append(self._worker_sleeping)
        self.executed = 0

    def statistics(self) -> WorkqueueStatistics:
        """Their figures, as they are now."""
        pools = [*self._pools.values(), *self._highpri_pools.values()]
        return WorkqueueStatistics(
            pools=len(pools),
            workers=sum(len(pool.workers) for pool in pools),
            idle=sum(len(pool.idle) for pool in pools),
            waiting=sum(len(pool.worklist) for pool in pools)
            + sum(len(worker.scheduled) for pool in pools for worker in pool.workers),
            executed=self.executed,
        )

    @property
    def system(self) -> System:
        """The machine's floor."""
        return self._system

    def pool(self, cpu: Cpu, *, highpri: bool) -> Pool:
        """The CPU's pool of that priority."""
        return (self._highpri_pools if highpri else self._pools)[cpu.cpu_id]

    def _new_pool(self, cpu_id: int, *, highpri: bool = False) -> Pool:
        make = self._system.lock_factory.make
        pool = Pool(self._system.cpu(cpu_id), highpri, make("&pool->lock", LockKind.RAW_SPINLOCK))
        # workqueue_init() has made every pool's first worker long before.
        self.create_worker(pool)
        return pool

    async def queue_work(self, cpu: Cpu, workqueue: Workqueue, work: Work) -> bool:
        """queue_work() on this CPU; False when the work is pending already."""
        flags = cpu.local_irq_save()
        fresh = not work.pending
        if fresh:
            work.pending = True
            await self.queue_work_irqoff(cpu, workqueue, work)
        await cpu.local_irq_restore(flags)
        return fresh

    @stands_for("__queue_work")
    async def queue_work_irqoff(self, cpu: Cpu, workqueue: Workqueue, work: Work) -> None:
        """__queue_work(): with the pending bit ours and interrupts off; pool->lock, then the locks of a wake-up."""
        system, pool = self._system, self._pool_for(cpu, workqueue, work)
        await system.locks.raw_spin_lock(cpu, pool.lock)
        pool.worklist.append((work, workqueue))
        cpu.clock += system.costs.queue_work_ns
        if system.events.on:
            system.emit(
                cpu,
                "workqueue_queue_work",
                f"work struct={work.name} function={work.name} workqueue={workqueue.name} "
                f"req_cpu={system.config.nr_cpus} cpu={pool.cpu.cpu_id}",
            )
        if pool.anyone_running():
            # The running worker takes it next; if it sleeps first, the manager hears of that.
            pass
        elif pool.idle:
            await cpu.wake_up_process(pool.idle[-1].thread)
        else:
            system.conductor.post(self.manager, WorkQueued(sender=cpu.name, time_ns=cpu.clock, pool=pool))
        await system.locks.raw_spin_unlock(cpu, pool.lock)

    def _pool_for(self, cpu: Cpu, workqueue: Workqueue, work: Work) -> Pool:
        """This CPU's pool; but a work that still runs elsewhere is queued there, or it would run twice at once."""
        last = work.pool
        worker = last.executing(work) if last is not None else None
        if worker is None or worker.workqueue is not workqueue:
            work.pool = self.pool(cpu, highpri=workqueue.highpri)
            return work.pool
        return worker.pool

    async def queue_delayed_work(
        self, cpu: Cpu, workqueue: Workqueue, dwork: DelayedWork, delay_jiffies: int, *, on: Cpu | None = None
    ) -> bool:
        """queue_delayed_work(): a zero delay queues at once, any other takes the timer base's lock only."""
        flags = cpu.local_irq_save()
        fresh = not dwork.work.pending
        if fresh:
            dwork.work.pending = True
            dwork.workqueue = workqueue
            if delay_jiffies == 0:
                await self.queue_work_irqoff(cpu, workqueue, dwork.work)
            else:
                await self._system.timers.add_timer(cpu, dwork.timer, delay_jiffies, on=on)
        await cpu.local_irq_restore(flags)
        return fresh

    async def mod_delayed_work(self, cpu: Cpu, workqueue: Workqueue, dwork: DelayedWork, delay_jiffies: int) -> bool:
        """mod_delayed_work(): the delay begins anew, whether it is pending or not; whether it was."""
        flags = cpu.local_irq_save()
        was_pending = dwork.work.pending
        if was_pending:
            await self._try_to_grab_pending(cpu, dwork)
        await self.queue_delayed_work(cpu, workqueue, dwork, delay_jiffies)
        await cpu.local_irq_restore(flags)
        return was_pending

    async def _try_to_grab_pending(self, cpu: Cpu, dwork: DelayedWork) -> None:
        """try_to_grab_pending(): back from its timer, or from the list of the pool or worker where it waits."""
        locks, work, pool = self._system.locks, dwork.work, dwork.work.pool
        if not await self._system.timers.timer_delete(cpu, dwork.timer) and pool is not None:
            await locks.raw_spin_lock(cpu, pool.lock)
            for waiting in (pool.worklist, *(worker.scheduled for worker in pool.workers)):
                for entry in [entry for entry in waiting if entry[0] is work]:
                    waiting.remove(entry)
            await locks.raw_spin_unlock(cpu, pool.lock)
        work.pending = False

    def new_delayed_work(self, name: str, function: Function) -> DelayedWork:
        """INIT_DELAYED_WORK()."""
        dwork = DelayedWork(
            Work(name, function), Timer("delayed_work_timer_fn", _unset, irqsafe=True, key=f"(&(&{name})->timer)")
        )

        async def delayed_work_timer_fn(cpu: Cpu) -> None:
            assert dwork.workqueue is not None
            await self.queue_work_irqoff(cpu, dwork.workqueue, dwork.work)

        dwork.timer.function = delayed_work_timer_fn
        return dwork

    async def flush_work(self, thread: Thread, work: Work) -> None:
        """flush_work(): sleep until the last queueing of the work has finished."""
        thread.cpu.judge.might_sleep(thread.cpu)
        running = next((worker for worker in self._by_thread.values() if worker.current is work), None)
        if not work.pending and running is None:
            return
        done = self._system.new_completion(f"flush of {work.name}")
        if running is None or work.pending:
            work.flushers.append(done)
        else:
            running.flushers.append(done)
        await wait_for_completion(self._system, thread, done)

    # -- workers -----------------------------------------------------------------------------------------------------

    def create_worker(self, pool: Pool) -> Worker:
        """create_worker(): a new kworker of the pool, asleep."""
        number = len(pool.workers) + 1
        holder: list[Worker] = []
        urgency = Urgency.HIGH if pool.highpri else Urgency.NORMAL
        thread = self._system.create_thread(
            pool.cpu, pool.name(number), lambda: self._worker_thread(holder[0]), urgency=urgency, service=True
        )
        worker = Worker(thread, pool)
        holder.append(worker)
        pool.workers.append(worker)
        pool.idle.append(worker)
        self._by_thread[thread.pid] = worker
        return worker

    def _worker_sleeping(self, cpu: Cpu, thread: Thread, preempted: bool) -> None:
        """wq_worker_sleeping(): a busy worker blocks while others wait in its pool."""
        if preempted or thread.state is ThreadState.RUNNABLE:
            return
        worker = self._by_thread.get(thread.pid)
        if worker is not None and worker.busy and worker.pool.worklist and not worker.pool.anyone_running():
            message = WorkerSleeping(sender=cpu.name, time_ns=cpu.clock, pool=worker.pool)
            self._system.conductor.post(self.manager, message)

    async def _worker_thread(self, worker: Worker) -> None:
        """worker_thread(): take works off the list, sleep when there are none."""
        system, pool = self._system, worker.pool
        cpu = pool.cpu
        while True:
            flags = cpu.local_irq_save()
            await system.locks.raw_spin_lock(cpu, pool.lock)
            if not pool.worklist and not worker.scheduled:
                if worker not in pool.idle:
                    pool.idle.append(worker)
                worker.busy = False
                worker.thread.prepare_to_sleep()
                await system.locks.raw_spin_unlock(cpu, pool.lock)
                await cpu.local_irq_restore(flags)
                if worker.thread.state is ThreadState.SLEEPING:
                    await worker.thread.sleep("work")
                continue
            if worker in pool.idle:
                pool.idle.remove(worker)
            worker.busy = True
            work = self._assign(worker)
            await system.locks.raw_spin_unlock(cpu, pool.lock)
            await cpu.local_irq_restore(flags)
            if work is not None:
                await self._process(cpu, worker, work)

    @staticmethod
    def _assign(worker: Worker) -> Work | None:
        """Under pool->lock: the worker's next work; None when it had to be left to the worker that still runs it.

        The first half of process_one_work(); assign_work() since v6.3.
        """
        work, workqueue = (worker.scheduled or worker.pool.worklist).popleft()
        other = worker.pool.executing(work)
        if other is not None:
            other.scheduled.append((work, workqueue))
            return None
        work.pending = False
        worker.current, worker.workqueue = work, workqueue
        worker.flushers, work.flushers = work.flushers, []
        return work

    async def _process(self, cpu: Cpu, worker: Worker, work: Work) -> None:
        """process_one_work()."""
        system = self._system
        if system.events.on:
            system.emit(cpu, "workqueue_execute_start", f"work struct {work.name}: function {work.name}")
        await work.function(cpu)
        check_work(cpu, work.name)
        work.runs += 1
        self.executed += 1
        if system.events.on:
            system.emit(cpu, "workqueue_execute_end", f"work struct {work.name}: function {work.name}")
        worker.current = None
        flushers, worker.flushers = worker.flushers, []
        for done in flushers:
            await complete(system, cpu, done)
        await worker.thread.cond_resched()


async def _unset(_cpu: Cpu) -> None:
    """Stands in a timer until its work is known."""


class Manager(Device):
    """The workqueue actor: makes sure that a pool with waiting work and no running worker gets one."""

    def __init__(self, workqueues: Workqueues, *, index: int) -> None:
        super().__init__(name="workqueue", index=index)
        self._workqueues = workqueues

    @machinery
    async def main(self) -> None:
        """Wait for messages, for ever."""
        system = self._workqueues.system
        while True:
            message = await system.conductor.receive(self)
            if isinstance(message, WorkQueued | WorkerSleeping):
                self._see_to(cast("Pool", message.pool))

    def _see_to(self, pool: Pool) -> None:
        if not pool.worklist or pool.anyone_running():
            return
        system = self._workqueues.system
        if not pool.idle:
            self.clock += system.costs.worker_create_ns
            self._workqueues.create_worker(pool)
        thread = pool.idle[-1].thread
        message = WakeUp(sender=self.name, time_ns=self.clock, thread=thread, sleep=thread.sleeps)
        system.conductor.post(pool.cpu, message)
