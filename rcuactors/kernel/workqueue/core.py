"""All pools and workqueues of a machine (kernel/workqueue.c).

queue_work(), __queue_work(), and their workers.

Queueing takes the pool's raw lock and wakes a worker, which takes the scheduler's locks: that is why a request made
under them must go through an hrtimer first.

process_one_work() holds the lockdep maps of the workqueue and of the work, and whoever flushes or cancels takes them
(flush.py, cancel.py), also when the work is idle: so lockdep knows of a deadlock that did not happen this time.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import attrs

from ...context import preempt
from ...context.locks import Lock, LockKind
from ...context.memory import FREED
from ...context.violation import ViolationKind
from ...errors import bad_value
from ...marks import stands_for
from ..completion import complete
from ..debugobjects import Descr
from ..locking import contention, poison
from ..messages import WorkerSleeping
from ..percpu import PerCpu
from ..thread import Thread, ThreadState, Urgency
from ..time.timer import Timer
from .cancel import cancel_work_sync
from .hotplug import WorkqueueHotplug
from .pool import Pool, Waker, Worker
from .watchdog import WorkqueueWatchdog
from .work import DelayedWork, Function, Queued, Work
from .worker import process_scheduled_works, worker_thread
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
        self.disassociated: set[int] = set()
        """CPUs whose pools are bound to nothing (POOL_DISASSOCIATED): on their way out, away, or not quite back."""
        self._pools_of_cpu = 4 if system.rules.bh_pools else 2
        self._at_boot = {False: system.rules.workers_at_boot, True: 2}
        self._by_thread: dict[int, Worker] = {}
        both = int(system.rules.has_percpu_wq)
        self.system_wq = Workqueue("events", namesakes=both)
        self.system_highpri_wq = Workqueue("events_highpri", WqFlags.HIGHPRI)
        self.system_long_wq = Workqueue("events_long")
        self.system_unbound_wq = Workqueue("events_unbound", WqFlags.UNBOUND, 512, namesakes=both)
        self.system_percpu_wq = Workqueue("events") if both else self.system_wq
        self.system_dfl_wq = Workqueue("events_unbound", WqFlags.UNBOUND, 512) if both else self.system_unbound_wq
        self.scheduled_on = self.system_percpu_wq if system.rules.schedules_on_percpu_wq else self.system_wq
        self._waker = Waker(system, self.first_idle_worker, index=system.next_actor_index())
        system.add_device(self._waker)
        system.hooks.on_switch.append(self._worker_sleeping)
        if system.rules.cpu_intensive_by_itself and system.config.cpu_intensive_thresh_us:
            system.hooks.worker_tick_by(self._wq_worker_tick)
        self.watchdog = WorkqueueWatchdog(self)
        self.executed = 0
        WorkqueueHotplug(self)
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

    @cached_property
    def mayday_lock(self) -> Lock:
        """wq_mayday_lock."""
        return self._system.lock_factory.make("wq_mayday_lock", LockKind.RAW_SPINLOCK)

    @cached_property
    def pool_mutex(self) -> Lock:
        """wq_pool_mutex."""
        return self._system.lock_factory.make("wq_pool_mutex", LockKind.MUTEX)

    @cached_property
    def attach_mutex(self) -> Lock:
        """wq_pool_attach_mutex."""
        return self._system.lock_factory.make("wq_pool_attach_mutex", LockKind.MUTEX)

    @property
    def online(self) -> bool:
        """wq_online: workqueue_init() has been, which comes with the scheduler."""
        return not self._system.judge.booting

    # -- workqueues and pools ----------------------------------------------------------------------------------------

    def alloc_workqueue(self, name: str, flags: WqFlags = NO_FLAGS, max_active: int = 0) -> Workqueue:
        """alloc_workqueue(); a `max_active` of 0 is the default, 256. Raises BadInput for one out of its range."""
        if max_active.__class__ is not int or not 0 <= max_active <= 512:
            raise bad_value(f"alloc_workqueue(max_active={max_active!r})", "a whole number from 0 to 512")
        return Workqueue(name, flags, max_active or DEFAULT_ACTIVE)

    def of_system(self) -> tuple[Workqueue, ...]:
        """Those that boot has made (workqueue_init_early())."""
        old = (self.system_wq, self.system_highpri_wq, self.system_long_wq, self.system_unbound_wq)
        return (*old, self.system_percpu_wq, self.system_dfl_wq) if self._system.rules.has_percpu_wq else old

    def pools(self) -> list[Pool]:
        """Those that something has touched."""
        return [*self._pools.values(), *self._highpri_pools.values(), *self._unbound_pools.values()]

    def pool(self, cpu: Cpu, *, highpri: bool) -> Pool:
        """The CPU's pool of that priority."""
        return (self._highpri_pools if highpri else self._pools)[cpu.cpu_id]

    def _unbound_pool(self, cpu: Cpu, *, highpri: bool) -> Pool:
        pool = self._unbound_pools.get(highpri)
        if pool is None:
            number = self._pools_of_cpu * self._system.config.nr_cpus + highpri
            pool = self._unbound_pools[highpri] = self._make_pool(number, None, highpri=highpri)
            self._boot_worker(pool, self._system.migration.select_idle_sibling(cpu))
        return pool

    def highpri_is_new(self) -> None:
        """Nobody has used the high-priority pools since boot: each has its first worker only."""
        self._at_boot[True] = 1

    def _new_pool(self, cpu: Cpu, *, highpri: bool) -> Pool:
        # Those of BH workqueues come first (bh_worker_pools).
        first = self._pools_of_cpu * cpu.cpu_id + self._pools_of_cpu - 2
        pool = self._make_pool(first + highpri, cpu, highpri=highpri)
        if not self._system.masks.is_online(cpu.cpu_id) or cpu.cpu_id in self.disassociated:
            pool.counts = False
        if self._system.hotplug.was_online(cpu.cpu_id):
            # workqueue_init() has made every pool's first worker long before.
            self._boot_worker(pool, cpu)
        else:
            pool.spare = 0
        return pool

    def first_worker(self, pool: Pool, cpu: Cpu) -> None:
        """create_worker() for a pool that has none yet, with the memory that there is when a CPU comes."""
        self._boot_worker(pool, cpu)
        pool.spare = 0

    def _make_pool(self, number: int, cpu: Cpu | None, *, highpri: bool) -> Pool:
        lock = self._system.lock_factory.make("&pool->lock", LockKind.RAW_SPINLOCK)
        return Pool(number, cpu, highpri, lock, spare=self._at_boot[highpri] - 1)

    # -- queueing ----------------------------------------------------------------------------------------------------

    async def queue_work(self, cpu: Cpu, workqueue: Workqueue, work: Work, *, on: Cpu | None = None) -> bool:
        """queue_work(), or queue_work_on() a CPU's pool; False when the work is pending already."""
        if work.inside is not None:
            self._system.debug_objects.used(cpu, work)
            if poison.is_poisoned(cpu, work.inside):
                # WORK_STRUCT_PENDING is one of its bits.
                return False
        flags = cpu.local_irq_save()
        fresh = not (work.pending or work.disabled)
        if fresh:
            work.pending = True
            await self.queue_work_irqoff(cpu, workqueue, work, on=on)
        await cpu.local_irq_restore(flags)
        return fresh

    @stands_for("__queue_work")
    async def queue_work_irqoff(self, cpu: Cpu, workqueue: Workqueue, work: Work, *, on: Cpu | None = None) -> None:
        """__queue_work(): with the pending bit ours and interrupts off; pool->lock, then the locks of a wake-up."""
        system = self._system
        if workqueue.state == FREED:
            # It stays pending: nobody will ever run it.
            cpu.judge.used(cpu, workqueue, f"queue_work({work.name})")
            if not system.rules.destroying_is_told:
                return
        if (workqueue.draining or workqueue.destroying) and not self._is_chained_work(cpu, workqueue):
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
        if system.probes.work_queued.on:
            system.probes.work_queued(work, workqueue)
        if system.events.on:
            asked, where = on.cpu_id if on is not None else system.config.nr_cpus, pool.cpu
            system.emit(
                cpu,
                "workqueue_queue_work",
                f"work struct={work.name} function={work.name} workqueue={workqueue.name} "
                f"req_cpu={asked} cpu={where.cpu_id if where is not None else -1}",
            )
        await self.wake_up_worker(cpu, pool)
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

    async def wake_up_worker(self, cpu: Cpu, pool: Pool) -> None:
        """Under the pool's lock: wake_up_worker(), if it needs one more (need_more_worker()).

        If a running worker sleeps before it comes to this work, another is woken then. When nobody is idle, somebody
        is making one.
        """
        worker = self.first_idle_worker(pool) if pool.need_more_worker() else None
        if worker is not None:
            await cpu.wake_up_process(worker.thread)

    def _is_chained_work(self, cpu: Cpu, workqueue: Workqueue) -> bool:
        """is_chained_work(): it is queued by a work of the same workqueue."""
        worker = self.current_worker(cpu)
        return worker is not None and worker.workqueue is workqueue

    def current_worker(self, cpu: Cpu) -> Worker | None:
        """current_wq_worker(): the worker that runs here, unless this is an interrupt on its stack (in_task())."""
        return self._by_thread.get(cpu.current.pid) if preempt.in_task(cpu.ctx.preempt_count) else None

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
        fresh = not (dwork.work.pending or dwork.work.disabled)
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
        dwork.workqueue, dwork.on = workqueue, on
        if dwork.work.zeroed:
            for condition in ("timer->function != delayed_work_timer_fn", "!list_empty(&work->entry)"):
                cpu.judge.warn_on_once(cpu, ViolationKind.DEBUG_OBJECTS, condition, "__queue_delayed_work")
        if delay_jiffies == 0:
            await self.queue_work_irqoff(cpu, workqueue, dwork.work, on=on)
        else:
            await self._system.timers.add_timer(cpu, dwork.timer, delay_jiffies, on=on)
            if dwork.work.grabbers:
                # Pending, with no timer yet: they spin, and can take that back now.
                self.poke_grabbers(cpu, dwork.work)

    def new_delayed_work(self, name: str, function: Function, site: object = None) -> DelayedWork:
        """INIT_DELAYED_WORK()."""
        work = Work(name, function, key=f"(work_completion)(&(&{name})->work)", site=site)
        timer = Timer("delayed_work_timer_fn", _unset, irqsafe=True, key=f"(&(&{name})->timer)", site=site or function)
        dwork = DelayedWork(work, timer)

        async def delayed_work_timer_fn(cpu: Cpu) -> None:
            assert dwork.workqueue is not None
            # dwork->cpu: its timer may have been moved, when that CPU went.
            on = dwork.on if dwork.on is not cpu else None
            await self.queue_work_irqoff(cpu, dwork.workqueue, dwork.work, on=on)

        dwork.timer.function = delayed_work_timer_fn
        return dwork

    # -- workers -----------------------------------------------------------------------------------------------------

    def new_worker(self, pool: Pool, cpu: Cpu) -> Worker:
        """A kworker of the pool as kthreadd leaves it: asleep, and known to nobody; an unbound one begins on `cpu`."""
        pool.numbers += 1
        holder: list[Worker] = []
        thread = self._system.create_thread(
            cpu,
            pool.name(pool.numbers),
            lambda: worker_thread(self, holder[0]),
            urgency=Urgency.HIGH if pool.highpri else Urgency.NORMAL,
            service=True,
            bound=pool.counts,
            per_cpu=pool.counts,
        )
        worker = Worker(thread, pool)
        holder.append(worker)
        self.add_worker(worker)
        return worker

    def add_worker(self, worker: Worker) -> None:
        """It is one (PF_WQ_WORKER)."""
        self._by_thread[worker.thread.pid] = worker

    def _boot_worker(self, pool: Pool, cpu: Cpu) -> Worker:
        """One that boot has left, which needs no memory any more."""
        worker = self.new_worker(pool, pool.cpu if pool.counts and pool.cpu is not None else cpu)
        pool.workers.append(worker)
        pool.idle.append(worker)
        return worker

    def cpu_of(self, pool: Pool, cpu: Cpu) -> Cpu:
        """Where a new worker of the pool begins, for who is on that CPU."""
        return pool.cpu if pool.counts and pool.cpu is not None else self._system.migration.select_idle_sibling(cpu)

    def first_idle_worker(self, pool: Pool) -> Worker | None:
        """first_idle_worker(): the one that has slept for the shortest time."""
        if not pool.idle and pool.spare:
            pool.spare -= 1
            self._boot_worker(pool, self._system.migration.select_idle_sibling(pool.workers[-1].thread.cpu))
        return pool.idle[-1] if pool.idle else None

    async def process_scheduled_works(self, worker: Worker, cpu: Cpu) -> Cpu:
        """process_scheduled_works(), for rescuers."""
        return await process_scheduled_works(self, worker, cpu)

    async def rescuer_ended(self, rescuer: Worker, workqueue: Workqueue) -> None:
        """The end of a rescuer's thread, for which kthread_stop() waits."""
        del self._by_thread[rescuer.thread.pid]
        assert workqueue.stopping is not None
        await complete(self._system, rescuer.thread.cpu, workqueue.stopping)

    def _worker_sleeping(self, cpu: Cpu, thread: Thread, preempted: bool) -> None:
        """wq_worker_sleeping(), of sched_submit_work(): a busy worker blocks while others wait in its pool.

        Who is preempted, or waits for a spinlock_t of PREEMPT_RT (schedule_rtlock()), does not come by here.
        """
        worker = self._by_thread.get(thread.pid)
        if worker is None:
            return
        worker.sleeping = not preempted and thread.state is not ThreadState.RUNNABLE
        worker.off_cpu(cpu)
        if worker.sleeping and worker.counts and worker.pool.worklist and not worker.pool.anyone_running():
            message = WorkerSleeping(sender=cpu.name, time_ns=cpu.clock, pool=worker.pool)
            self._system.conductor.post(self._waker, message)

    @stands_for("wq_worker_tick")
    async def _wq_worker_tick(self, cpu: Cpu) -> None:
        """wq_worker_tick(), in the tick's interrupt: a work that hogs its CPU counts for no concurrency any more."""
        worker, system = self._by_thread.get(cpu.current.pid), self._system
        if worker is None or worker.current is None or not worker.counts or worker.asleep:
            return
        if worker.ran_ns(cpu) < system.config.cpu_intensive_thresh_us * 1_000:
            return
        pool = worker.pool
        await system.locks.raw_spin_lock(cpu, pool.lock)
        worker.cpu_intensive = True
        await self.wake_up_worker(cpu, pool)
        await system.locks.raw_spin_unlock(cpu, pool.lock)


async def _unset(_cpu: Cpu) -> None:
    """Stands in a timer until its work is known."""
