"""All pools and workqueues of a machine (kernel/workqueue.c).

queue_work(), __queue_work(), worker_thread(), process_one_work().

Queueing takes the pool's raw lock and wakes a worker, which takes the scheduler's locks: that is why a request made
under them must go through an hrtimer first.

process_one_work() holds the lockdep maps of the workqueue and of the work, and whoever flushes or cancels takes them
(flush.py, cancel.py), also when the work is idle: so lockdep knows of a deadlock that did not happen this time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from ...context.locks import LockKind
from ...context.violation import ViolationKind
from ...errors import BadInput
from ...marks import stands_for
from ..balance import check_work
from ..completion import complete
from ..debugobjects import Descr
from ..locking import contention, poison
from ..messages import WorkerSleeping, WorkQueued
from ..percpu import PerCpu
from ..thread import Thread, ThreadState, Urgency
from ..time.timer import Timer
from .cancel import cancel_work_sync
from .pool import Manager, Pool, Worker
from .watchdog import WorkqueueWatchdog
from .work import DelayedWork, Function, Queued, Work
from .workqueue import DEFAULT_ACTIVE, NO_FLAGS, Workqueue, WqFlags

if TYPE_CHECKING:
    from ..cpu import Cpu
    from ..system import System


@attrs.frozen(kw_only=True)
class WorkqueueStatistics:
    """The worker pools of all CPUs, and the unbound ones.

    * `pools` (pools): that something has touched, two to a CPU at most, and two unbound ones.
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
    """All pools, the system's workqueues, and the manager."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._pools = PerCpu(lambda cpu_id: self._new_pool(system.cpu(cpu_id), highpri=False), system.masks)
        self._highpri_pools = PerCpu(lambda cpu_id: self._new_pool(system.cpu(cpu_id), highpri=True), system.masks)
        self._unbound_pools: dict[bool, Pool] = {}
        self._by_thread: dict[int, Worker] = {}
        self.system_wq = Workqueue("events")
        self.system_highpri_wq = Workqueue("events_highpri", WqFlags.HIGHPRI)
        self.system_long_wq = Workqueue("events_long")
        self.system_unbound_wq = Workqueue("events_unbound", WqFlags.UNBOUND, 512)
        self.manager = Manager(system, self.create_worker, index=system.next_actor_index())
        system.add_device(self.manager)
        system.hooks.on_switch.append(self._worker_sleeping)
        self.watchdog = WorkqueueWatchdog(self)
        self.executed = 0
        system.debug_objects.register(
            Work,
            Descr(
                name="work_struct",
                option=lambda config: config.DEBUG_OBJECTS_WORK,
                active=lambda work: work.queued(),
                hint=lambda work: "0x0" if work.zeroed else work.name,
                stop=self._work_fixup_free,
            ),
        )

    async def _work_fixup_free(self, thread: Thread, work: Work) -> None:
        """work_fixup_free(): cancel_work_sync(), which may sleep and says so."""
        await cancel_work_sync(self, thread, work)

    def statistics(self) -> WorkqueueStatistics:
        """Their figures, as they are now."""
        pools = self.pools()
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

    # -- workqueues and pools ----------------------------------------------------------------------------------------

    def alloc_workqueue(self, name: str, flags: WqFlags = NO_FLAGS, max_active: int = 0) -> Workqueue:
        """alloc_workqueue(); a `max_active` of 0 is the default, 256. Raises BadInput for one out of its range."""
        if max_active.__class__ is not int or not 0 <= max_active <= 512:
            raise BadInput(f"alloc_workqueue(max_active={max_active!r}): needs a whole number from 0 to 512")
        return Workqueue(name, flags, max_active or DEFAULT_ACTIVE)

    def pools(self) -> list[Pool]:
        """Those that something has touched."""
        return [*self._pools.values(), *self._highpri_pools.values(), *self._unbound_pools.values()]

    def pool(self, cpu: Cpu, *, highpri: bool) -> Pool:
        """The CPU's pool of that priority."""
        return (self._highpri_pools if highpri else self._pools)[cpu.cpu_id]

    def _unbound_pool(self, cpu: Cpu, *, highpri: bool) -> Pool:
        pool = self._unbound_pools.get(highpri)
        if pool is None:
            number = 2 * self._system.config.nr_cpus + highpri
            pool = self._unbound_pools[highpri] = self._make_pool(number, None, highpri=highpri)
            self.create_worker(pool, self._idle_cpu(cpu))
        return pool

    def _idle_cpu(self, cpu: Cpu) -> Cpu:
        """select_idle_sibling(): a CPU with nothing to do, if there is one: where an unbound worker begins."""
        others = [self._system.cpu(cpu_id) for cpu_id in sorted(self._system.masks.online()) if cpu_id != cpu.cpu_id]
        return next((other for other in others if other.idle), cpu)

    def _new_pool(self, cpu: Cpu, *, highpri: bool) -> Pool:
        pool = self._make_pool(2 * cpu.cpu_id + highpri, cpu, highpri=highpri)
        # workqueue_init() has made every pool's first worker long before.
        self.create_worker(pool)
        return pool

    def _make_pool(self, number: int, cpu: Cpu | None, *, highpri: bool) -> Pool:
        return Pool(number, cpu, highpri, self._system.lock_factory.make("&pool->lock", LockKind.RAW_SPINLOCK))

    # -- queueing ----------------------------------------------------------------------------------------------------

    async def queue_work(self, cpu: Cpu, workqueue: Workqueue, work: Work, *, on: Cpu | None = None) -> bool:
        """queue_work(), or queue_work_on() a CPU's pool; False when the work is pending already."""
        if work.inside is not None:
            self._system.debug_objects.used(cpu, work)
            if poison.is_poisoned(cpu, work.inside):
                # WORK_STRUCT_PENDING is one of its bits.
                return False
        flags = cpu.local_irq_save()
        fresh = not work.pending
        if fresh:
            work.pending = True
            await self.queue_work_irqoff(cpu, workqueue, work, on=on)
        await cpu.local_irq_restore(flags)
        return fresh

    @stands_for("__queue_work")
    async def queue_work_irqoff(self, cpu: Cpu, workqueue: Workqueue, work: Work, *, on: Cpu | None = None) -> None:
        """__queue_work(): with the pending bit ours and interrupts off; pool->lock, then the locks of a wake-up."""
        system = self._system
        if workqueue.draining and not self._is_chained_work(cpu, workqueue):
            condition = "!is_chained_work(wq)"
            cpu.judge.warn_on_once(cpu, ViolationKind.BAD_CONTEXT, condition, "__queue_work")
            return
        pool = self._pool_for(cpu, workqueue, work, on)
        await system.locks.raw_spin_lock(cpu, pool.lock)
        if work.inside is not None and not self._debug_work_activate(cpu, work):
            await system.locks.raw_spin_unlock(cpu, pool.lock)
            return
        workqueue.in_flight[workqueue.color] += 1
        pool.insert(Queued(work, workqueue, workqueue.color), cpu.clock)
        self.poke_grabbers(cpu, work)
        cpu.clock += system.costs.queue_work_ns
        if system.events.on:
            asked, where = on.cpu_id if on is not None else system.config.nr_cpus, pool.cpu
            system.emit(
                cpu,
                "workqueue_queue_work",
                f"work struct={work.name} function={work.name} workqueue={workqueue.name} "
                f"req_cpu={asked} cpu={where.cpu_id if where is not None else -1}",
            )
        await self._wake_up_worker(cpu, pool)
        await system.locks.raw_spin_unlock(cpu, pool.lock)

    def _debug_work_activate(self, cpu: Cpu, work: Work) -> bool:
        """debug_work_activate(), and WARN_ON(!list_empty(&work->entry)) as the version has it, before or after.

        The entry of a work that nobody has initialised is no empty list: it is not queued, though it stays pending.
        """
        first = self._system.rules.activates_work_first
        if first or not work.zeroed:
            self._system.debug_objects.tell(cpu, work, "activate")
        if work.zeroed:
            cpu.judge.warn_on(cpu, ViolationKind.DEBUG_OBJECTS, "!list_empty(&work->entry)", "__queue_work")
        return not work.zeroed

    async def _wake_up_worker(self, cpu: Cpu, pool: Pool) -> None:
        """Under the pool's lock: wake_up_worker(), if it needs one more (need_more_worker())."""
        if not pool.worklist or pool.anyone_running():
            # The running worker takes it next; if it sleeps first, the manager hears of that.
            return
        if pool.idle:
            await cpu.wake_up_process(pool.idle[-1].thread)
        else:
            self._system.conductor.post(self.manager, WorkQueued(sender=cpu.name, time_ns=cpu.clock, pool=pool))

    def _is_chained_work(self, cpu: Cpu, workqueue: Workqueue) -> bool:
        """is_chained_work(): it is queued by a work of the same workqueue."""
        worker = self.current_worker(cpu)
        return worker is not None and worker.workqueue is workqueue

    def current_worker(self, cpu: Cpu) -> Worker | None:
        """current_wq_worker(): the worker whose stack this runs on."""
        return self._by_thread.get(cpu.current.pid)

    def _pool_for(self, cpu: Cpu, workqueue: Workqueue, work: Work, on: Cpu | None) -> Pool:
        """This CPU's pool; but a work that still runs elsewhere is queued there, or it would run twice at once."""
        last = work.pool
        worker = last.executing(work) if last is not None else None
        if worker is not None and worker.workqueue is workqueue:
            return worker.pool
        highpri = workqueue.highpri
        pool = self._unbound_pool(cpu, highpri=highpri) if workqueue.unbound else self.pool(on or cpu, highpri=highpri)
        work.pool = pool
        return pool

    @staticmethod
    def poke_grabbers(cpu: Cpu, work: Work) -> None:
        """Who spins in try_to_grab_pending() finds something else now."""
        for thread in work.grabbers:
            contention.poke(cpu, thread)

    # -- delayed works -----------------------------------------------------------------------------------------------

    async def queue_delayed_work(
        self, cpu: Cpu, workqueue: Workqueue, dwork: DelayedWork, delay_jiffies: int, *, on: Cpu | None = None
    ) -> bool:
        """queue_delayed_work(): a zero delay queues at once, any other takes the timer base's lock only."""
        if dwork.work.inside is not None:
            self._system.debug_objects.used(cpu, dwork.work)
            if poison.is_poisoned(cpu, dwork.work.inside):
                return False
        flags = cpu.local_irq_save()
        fresh = not dwork.work.pending
        if fresh:
            dwork.work.pending = True
            await self.queue_delayed_work_irqoff(cpu, workqueue, dwork, delay_jiffies, on=on)
        await cpu.local_irq_restore(flags)
        return fresh

    @stands_for("__queue_delayed_work")
    async def queue_delayed_work_irqoff(
        self, cpu: Cpu, workqueue: Workqueue, dwork: DelayedWork, delay_jiffies: int, *, on: Cpu | None = None
    ) -> None:
        """__queue_delayed_work(), with the pending bit ours."""
        dwork.workqueue = workqueue
        if dwork.work.zeroed:
            for condition in ("timer->function != delayed_work_timer_fn", "!list_empty(&work->entry)"):
                cpu.judge.warn_on_once(cpu, ViolationKind.DEBUG_OBJECTS, condition, "__queue_delayed_work")
        if delay_jiffies == 0:
            await self.queue_work_irqoff(cpu, workqueue, dwork.work, on=on)
        else:
            await self._system.timers.add_timer(cpu, dwork.timer, delay_jiffies, on=on)

    def new_delayed_work(self, name: str, function: Function, site: object = None) -> DelayedWork:
        """INIT_DELAYED_WORK()."""
        work = Work(name, function, key=f"(work_completion)(&(&{name})->work)", site=site)
        timer = Timer("delayed_work_timer_fn", _unset, irqsafe=True, key=f"(&(&{name})->timer)", site=site or function)
        dwork = DelayedWork(work, timer)

        async def delayed_work_timer_fn(cpu: Cpu) -> None:
            assert dwork.workqueue is not None
            await self.queue_work_irqoff(cpu, dwork.workqueue, dwork.work)

        dwork.timer.function = delayed_work_timer_fn
        return dwork

    # -- workers -----------------------------------------------------------------------------------------------------

    def create_worker(self, pool: Pool, cpu: Cpu | None = None) -> Worker:
        """create_worker(): a new kworker of the pool, asleep; an unbound one begins on `cpu`."""
        number = len(pool.workers) + 1
        holder: list[Worker] = []
        where = pool.cpu or cpu or self._idle_cpu(pool.workers[-1].thread.cpu)
        thread = self._system.create_thread(
            where,
            pool.name(number),
            lambda: self._worker_thread(holder[0]),
            urgency=Urgency.HIGH if pool.highpri else Urgency.NORMAL,
            service=True,
            bound=pool.cpu is not None,
        )
        worker = Worker(thread, pool)
        holder.append(worker)
        pool.workers.append(worker)
        pool.idle.append(worker)
        self._by_thread[thread.pid] = worker
        return worker

    def _worker_sleeping(self, cpu: Cpu, thread: Thread, preempted: bool) -> None:
        """wq_worker_sleeping(), of sched_submit_work(): a busy worker blocks while others wait in its pool.

        Who is preempted, or waits for a spinlock_t of PREEMPT_RT (schedule_rtlock()), does not come by here.
        """
        worker = self._by_thread.get(thread.pid)
        if worker is None:
            return
        worker.sleeping = not preempted and thread.state is not ThreadState.RUNNABLE
        if worker.sleeping and worker.busy and worker.pool.worklist and not worker.pool.anyone_running():
            message = WorkerSleeping(sender=cpu.name, time_ns=cpu.clock, pool=worker.pool)
            self._system.conductor.post(self.manager, message)

    async def _worker_thread(self, worker: Worker) -> None:
        """worker_thread(): take works off the list, sleep when there are none."""
        system, pool, thread = self._system, worker.pool, worker.thread
        while True:
            cpu, flags = thread.local_irq_save()
            await system.locks.raw_spin_lock(cpu, pool.lock)
            if not pool.worklist and not worker.scheduled:
                if worker not in pool.idle:
                    pool.idle.append(worker)
                worker.busy = False
                thread.prepare_to_sleep()
                await system.locks.raw_spin_unlock(cpu, pool.lock)
                await cpu.local_irq_restore(flags)
                if thread.state is ThreadState.SLEEPING:
                    await thread.sleep("work")
                continue
            if worker in pool.idle:
                pool.idle.remove(worker)
            worker.busy = True
            entry = await self._assign(worker, cpu)
            if pool.cpu is None and entry is not None:
                await self._wake_up_worker(cpu, pool)
            await system.locks.raw_spin_unlock(cpu, pool.lock)
            await cpu.local_irq_restore(flags)
            if entry is not None:
                await self._process_one_work(worker, entry)

    @staticmethod
    async def _assign(worker: Worker, cpu: Cpu) -> Queued | None:
        """Under pool->lock: the worker's next work; None when it had to be left to the worker that still runs it.

        The first half of process_one_work(); assign_work() since v6.3.
        """
        worker.pool.watchdog_ns = cpu.clock
        entry = (worker.scheduled or worker.pool.worklist).popleft()
        work = entry.work
        other = worker.pool.executing(work)
        if other is not None:
            other.scheduled.append(entry)
            return None
        if work.lost:
            # get_work_pwq() is NULL, and pwq->wq is read: with pool->lock held, which nobody lets go of any more.
            cpu.judge.null_dereference(cpu, _PWQ_WQ)
            await contention.give_up(cpu)
        work.pending = False
        worker.current, worker.entry = work, entry
        worker.flushers, work.flushers = work.flushers, []
        return entry

    @stands_for("process_one_work")
    async def _process_one_work(self, worker: Worker, entry: Queued) -> None:
        """process_one_work(), its second half: with the maps of the workqueue and the work held."""
        system, work, thread = self._system, entry.work, worker.thread
        cpu = thread.cpu
        if work.inside is not None:
            system.debug_objects.used(cpu, work, "deactivate")
        thread.in_work = f"{entry.workqueue.name} {work.name}"
        self.poke_grabbers(cpu, work)
        lockdep, factory = system.lockdep, system.lock_factory
        maps = (entry.workqueue.lockdep_map(factory), work.lockdep_map(factory)) if lockdep.on else ()
        for held in maps:
            lockdep.acquire(cpu, held, site="process_one_work")
        if system.events.on:
            system.emit(cpu, "workqueue_execute_start", f"work struct {work.name}: function {work.name}")
        await work.function(cpu)
        cpu = thread.cpu
        for held in reversed(maps):
            if lockdep.on:
                lockdep.release(cpu, held)
        check_work(cpu, work.func)
        work.runs += 1
        self.executed += 1
        if system.events.on:
            system.emit(cpu, "workqueue_execute_end", f"work struct {work.name}: function {work.name}")
        worker.current = worker.entry = None
        thread.in_work = ""
        worker.pool.gone(entry, was_active=True)
        flushers, worker.flushers = worker.flushers, []
        for done in (*flushers, *entry.workqueue.done(entry.color)):
            await complete(system, thread.cpu, done)
        await thread.cond_resched()


_PWQ_WQ: Final = 8
"""Offset of pool_workqueue->wq."""


async def _unset(_cpu: Cpu) -> None:
    """Stands in a timer until its work is known."""
