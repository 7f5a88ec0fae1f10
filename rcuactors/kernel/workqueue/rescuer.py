"""Rescuers (kernel/workqueue.c): rescuer_thread(), send_mayday().

A workqueue with WQ_MEM_RECLAIM has one thread of its own, which needs no memory any more. When a pool cannot get a
worker, its mayday timer calls the rescuers of the workqueues whose works wait there (manager.py). Each goes to that
pool, takes all works of its own workqueue off the list and runs them, one after the other. So they run even when
memory can only be had by their running. A rescuer is called as its workqueue is (init_rescuer() of v5.9 to v6.1), later
after "kworker/R-", and counts for no concurrency.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..thread import Thread, ThreadState, Urgency
from .hotplug import rebind_worker, unbind_worker
from .pool import Pool, Worker
from .workqueue import Workqueue, WqFlags

if TYPE_CHECKING:
    from ..cpu import Cpu
    from .core import Workqueues


def rescuer_of(workqueues: Workqueues, cpu: Cpu, workqueue: Workqueue) -> Worker | None:
    """wq->rescuer, made when it is first called: init_rescuer() has made it with the workqueue."""
    if workqueue.rescuer is None and workqueue.flags & WqFlags.MEM_RECLAIM and not workqueue.stopping:
        rescuer: list[Worker] = []
        thread = workqueues.system.create_thread(
            cpu,
            workqueues.system.rules.rescuer_name.format(workqueue.name)[:15],
            lambda: _rescuer_thread(workqueues, rescuer[0], workqueue),
            urgency=Urgency.HIGH,
            service=True,
            bound=False,
        )
        rescuer.append(Worker(thread, None, rescue_wq=workqueue))
        workqueues.add_worker(rescuer[0])
        workqueue.rescuer = rescuer[0]
    return workqueue.rescuer


async def send_mayday(workqueues: Workqueues, cpu: Cpu, workqueue: Workqueue, pool: Pool) -> None:
    """send_mayday(): under wq_mayday_lock."""
    rescuer = rescuer_of(workqueues, cpu, workqueue)
    if rescuer is not None and pool not in workqueue.maydays:
        workqueue.maydays.append(pool)
        await cpu.wake_up_process(rescuer.thread)


async def _rescuer_thread(workqueues: Workqueues, rescuer: Worker, workqueue: Workqueue) -> None:
    """rescuer_thread(): see to the pools that have called; leave when the workqueue goes and none has."""
    system, thread = workqueues.system, rescuer.thread
    while True:
        should_stop = workqueue.stopping is not None
        cpu, _ = thread.local_irq_save()
        await system.locks.raw_spin_lock(cpu, workqueues.mayday_lock)
        while workqueue.maydays:
            pool = workqueue.maydays.popleft()
            await system.locks.raw_spin_unlock(cpu, workqueues.mayday_lock)
            await cpu.local_irq_enable()
            await _rescue(workqueues, rescuer, workqueue, pool)
            cpu, _ = thread.local_irq_save()
            await system.locks.raw_spin_lock(cpu, workqueues.mayday_lock)
        if not should_stop:
            thread.prepare_to_sleep()
        await system.locks.raw_spin_unlock(cpu, workqueues.mayday_lock)
        await cpu.local_irq_enable()
        if should_stop:
            await workqueues.rescuer_ended(rescuer, workqueue)
            return
        if thread.state is ThreadState.SLEEPING:
            await thread.sleep("a mayday")


async def _rescue(workqueues: Workqueues, rescuer: Worker, workqueue: Workqueue, pool: Pool) -> None:
    """One pool: run all works of the workqueue that wait on its list, and those that become active by that."""
    system, thread = workqueues.system, rescuer.thread
    rescuer.join(pool)
    await attached(workqueues, thread, rescuer)
    cpu, _ = thread.local_irq_save()
    await system.locks.raw_spin_lock(cpu, pool.lock)
    if pool.worklist and pool.worklist[0].workqueue is workqueue:
        pool.watchdog_ns = cpu.clock
    mine = [entry for entry in pool.worklist if entry.workqueue is workqueue]
    for entry in mine:
        pool.worklist.remove(entry)
    rescuer.scheduled.extend(mine)
    if mine:
        cpu = await workqueues.process_scheduled_works(rescuer, cpu)
        if pool.pwq(workqueue).active and pool.needs_help():
            await system.locks.raw_spin_lock(cpu, workqueues.mayday_lock)
            if workqueue.stopping is None and pool not in workqueue.maydays:
                workqueue.maydays.append(pool)
            await system.locks.raw_spin_unlock(cpu, workqueues.mayday_lock)
    if pool.need_more_worker():
        await workqueues.wake_up_worker(cpu, pool)
    await system.locks.raw_spin_unlock(cpu, pool.lock)
    await cpu.local_irq_enable()
    await system.locks.mutex_lock(thread, workqueues.attach_mutex)
    rescuer.leave(pool)
    await system.locks.mutex_unlock(thread, workqueues.attach_mutex)


async def attached(workqueues: Workqueues, thread: Thread, worker: Worker) -> None:
    """worker_attach_to_pool(): `thread` makes `worker` one of its pool's, and has it go to the pool's CPU."""
    system, pool = workqueues.system, worker.pool
    await system.locks.mutex_lock(thread, workqueues.attach_mutex)
    if worker.rescue_wq is not None:
        bound = pool.cpu is not None and pool.counts
        cpus = frozenset({pool.cpu.cpu_id}) if pool.cpu is not None and bound else frozenset(system.masks.possible)
        await system.migration.set_cpus_allowed_ptr(thread, worker.thread, cpus)
    elif pool.cpu is not None and worker.thread.per_cpu is not pool.counts:
        # Its CPU has come, or gone, since it was made.
        if pool.counts:
            await rebind_worker(system, thread, worker, pool.cpu.cpu_id)
        else:
            unbind_worker(worker)
    pool.workers.append(worker)
    await system.locks.mutex_unlock(thread, workqueues.attach_mutex)
