"""Pools of CPUs that come and go (kernel/workqueue.c): workqueue_prepare_cpu(), unbind_workers(), rebind_workers().

The pool of a CPU that goes is cut off from it (POOL_DISASSOCIATED): its workers may run anywhere from then on, nobody
counts how many of them run at once, and its works, those that were queued and those that are queued on it later, are
run by them. When the CPU comes back, they are bound to it again; one that is in the middle of a work counts for its
pool's concurrency from its next one on (WORKER_REBOUND). A CPU that was never there has pools without workers: a work
that is queued on it waits until it comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..hotplug.states import CpuhpState
from ..thread import ThreadState
from .flush import flush_work
from .work import Work

if TYPE_CHECKING:
    from ..cpu import Cpu
    from ..hotplug.cpuhp import OnCpu
    from ..system import System
    from ..thread import Thread
    from .core import Workqueues
    from .pool import Pool, Worker


class WorkqueueHotplug:
    """The workqueues' callbacks."""

    def __init__(self, workqueues: Workqueues) -> None:
        self._workqueues = workqueues
        workqueues.system.hotplug.works_by(self.work_on_cpu)
        workqueues.system.hotplug.sets_up(self._set_up)

    def _set_up(self) -> None:
        setup_state = self._workqueues.system.hotplug.setup_state
        setup_state(CpuhpState.WORKQUEUE_PREP, "workqueue:prepare", startup=self.workqueue_prepare_cpu)
        setup_state(
            CpuhpState.AP_WORKQUEUE_ONLINE,
            "workqueue:online",
            startup=self.workqueue_online_cpu,
            teardown=self.workqueue_offline_cpu,
        )

    async def work_on_cpu(self, thread: Thread, cpu: Cpu, function: OnCpu) -> int:
        """work_on_cpu(): what a function returns that a worker of that CPU runs. Sleeps."""
        results: list[int] = []

        async def work_for_cpu_fn(on: Cpu) -> None:
            results.append(await function(on.current))

        work = Work("work_for_cpu_fn", work_for_cpu_fn, key="(work_completion)(&wfc.work)", site=WorkqueueHotplug)
        await self._workqueues.queue_work(thread.cpu, self._workqueues.system_wq, work, on=cpu)
        await flush_work(self._workqueues, thread, work)
        return results[0]

    def _pools_of(self, cpu_id: int) -> list[Pool]:
        """for_each_cpu_worker_pool(), those that anything has touched."""
        pools = self._workqueues.pools()
        return [pool for pool in pools if pool.cpu is not None and pool.cpu.cpu_id == cpu_id]

    async def workqueue_prepare_cpu(self, thread: Thread, cpu_id: int) -> None:
        """workqueue_prepare_cpu(): a pool that never had a worker gets one, which starts on what waits there."""
        locks = self._workqueues.system.locks
        self._workqueues.disassociated.add(cpu_id)
        for pool in self._pools_of(cpu_id):
            if not pool.workers:
                self._workqueues.first_worker(pool, thread.cpu)
                cpu, flags = thread.local_irq_save()
                await locks.raw_spin_lock(cpu, pool.lock)
                await self._workqueues.wake_up_worker(cpu, pool)
                await locks.raw_spin_unlock(cpu, pool.lock)
                await cpu.local_irq_restore(flags)

    async def workqueue_offline_cpu(self, thread: Thread, cpu_id: int) -> None:
        """workqueue_offline_cpu(), on the CPU that goes: unbind_workers()."""
        system, workqueues = self._workqueues.system, self._workqueues
        workqueues.disassociated.add(cpu_id)
        for pool in self._pools_of(cpu_id):
            await system.locks.mutex_lock(thread, workqueues.attach_mutex)
            cpu, flags = thread.local_irq_save()
            await system.locks.raw_spin_lock(cpu, pool.lock)
            pool.counts = False
            for worker in pool.workers:
                unbind_worker(worker)
            await workqueues.wake_up_worker(cpu, pool)
            await system.locks.raw_spin_unlock(cpu, pool.lock)
            await cpu.local_irq_restore(flags)
            await system.locks.mutex_unlock(thread, workqueues.attach_mutex)

    async def workqueue_online_cpu(self, thread: Thread, cpu_id: int) -> None:
        """workqueue_online_cpu(): rebind_workers(): each is on its CPU when it next runs."""
        system, workqueues = self._workqueues.system, self._workqueues
        await system.locks.mutex_lock(thread, workqueues.pool_mutex)
        workqueues.disassociated.discard(cpu_id)
        for pool in self._pools_of(cpu_id):
            await system.locks.mutex_lock(thread, workqueues.attach_mutex)
            for worker in list(pool.workers):
                await rebind_worker(system, thread, worker, cpu_id)
            cpu, flags = thread.local_irq_save()
            await system.locks.raw_spin_lock(cpu, pool.lock)
            pool.counts = True
            for worker in pool.workers:
                # WORKER_REBOUND: what it is at does not count.
                worker.busy = False
            await system.locks.raw_spin_unlock(cpu, pool.lock)
            await cpu.local_irq_restore(flags)
            await system.locks.mutex_unlock(thread, workqueues.attach_mutex)
        await system.locks.mutex_unlock(thread, workqueues.pool_mutex)


def unbind_worker(worker: Worker) -> None:
    """unbind_worker(): it is allowed everywhere."""
    if worker.rescue_wq is None:
        worker.thread.bound = worker.thread.per_cpu = False
    worker.thread.cpus_allowed = None


async def rebind_worker(system: System, me: Thread, worker: Worker, cpu_id: int) -> None:
    """What rebind_workers() does for each: it belongs to the CPU, and is there when it next runs."""
    thread = worker.thread
    thread.per_cpu = worker.rescue_wq is None
    await system.migration.set_cpus_allowed_ptr(me, thread, frozenset({cpu_id}))
    if thread.state is ThreadState.SLEEPING:
        # Where it will be woken.
        system.migration.set_task_cpu(thread, system.cpu(cpu_id))
    thread.bound = worker.rescue_wq is None
