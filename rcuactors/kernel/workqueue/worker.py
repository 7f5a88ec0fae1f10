"""A worker's life (kernel/workqueue.c): worker_thread(), process_one_work(), and what it shares with rescuers.

A worker that leaves its idle sleep and finds that no other is idle now makes one before it starts on anything: it is
the pool's manager then (manager.py). So a pool whose workers all sleep in works still has one that can be woken,
unless there is no memory to make it of.

How soon a worker begins that was woken is up to whoever else wants its CPU. With `slow_workers` it is a decision: it
sleeps for that long before it looks at its list, in whole jiffies, and is one of the idle ones until then. So, as in a
kernel, no other is woken in its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...engine.decision import DecisionKind
from ...marks import machinery, stands_for
from ..balance import Depths, check_work
from ..completion import complete
from ..locking import contention
from ..thread import ThreadState
from ..time.lateness import Lateness
from ..time.timeouts import msleep
from .manager import manage_workers
from .pool import Worker
from .work import Queued

if TYPE_CHECKING:
    from ..cpu import Cpu
    from .core import Workqueues

SLOW_WORKER: Final = DecisionKind("slow worker")

_PWQ_WQ: Final = 8
"""Offset of pool_workqueue->wq."""


async def worker_thread(workqueues: Workqueues, worker: Worker) -> None:
    """worker_thread(): take works off the list, sleep when there are none."""
    system, pool, thread = workqueues.system, worker.pool, worker.thread
    slow = Lateness(system.conductor, SLOW_WORKER, enabled=system.left_open.slow_workers)
    while True:
        if slow.enabled and pool.need_more_worker() and (late_ns := slow.late_by(worker)):
            await msleep(system, thread, -(-late_ns // system.config.jiffy_ns))
        cpu, flags = thread.local_irq_save()
        await system.locks.raw_spin_lock(cpu, pool.lock)
        if worker in pool.idle:
            pool.idle.remove(worker)
        while pool.need_more_worker():
            if not pool.may_start_working() and await manage_workers(workqueues, worker):
                # It has let go of the pool meanwhile, and may be elsewhere.
                cpu = thread.cpu
                continue
            cpu = await _work(workqueues, worker, cpu)
            break
        # It goes to sleep under the lock, so that no wake-up is lost.
        pool.idle.append(worker)
        thread.prepare_to_sleep()
        await system.locks.raw_spin_unlock(cpu, pool.lock)
        await cpu.local_irq_restore(flags)
        if thread.state is ThreadState.SLEEPING:
            await thread.sleep("work")


@machinery
async def _work(workqueues: Workqueues, worker: Worker, cpu: Cpu) -> Cpu:
    """Its loop: works off the list while keep_working(); under the pool's lock, also afterwards. The CPU by then."""
    pool = worker.pool
    worker.busy = True
    while True:
        pool.watchdog_ns = cpu.clock
        cpu = await take_work(workqueues, worker, cpu, pool.worklist.popleft())
        cpu = await process_scheduled_works(workqueues, worker, cpu)
        if not pool.keep_working():
            worker.busy = False
            return cpu


@machinery
async def process_scheduled_works(workqueues: Workqueues, worker: Worker, cpu: Cpu) -> Cpu:
    """process_scheduled_works(): those that are this worker's own; under the pool's lock, also afterwards."""
    while worker.scheduled:
        cpu = await take_work(workqueues, worker, cpu, worker.scheduled.popleft())
    return cpu


@machinery
async def take_work(workqueues: Workqueues, worker: Worker, cpu: Cpu, entry: Queued) -> Cpu:
    """process_one_work(), its first half: under the pool's lock, also afterwards.

    A work that another worker still runs is left to that one.
    """
    system, pool, work = workqueues.system, worker.pool, entry.work
    other = pool.executing(work)
    if other is not None:
        other.scheduled.append(entry)
        return cpu
    if work.lost:
        # get_work_pwq() is NULL, and pwq->wq is read: with pool->lock held, which nobody lets go of any more.
        cpu.judge.null_dereference(cpu, _PWQ_WQ)
        await contention.give_up(cpu)
    work.pending = False
    worker.current, worker.entry = work, entry
    if system.probes.work_started.on:
        system.probes.work_started(work, entry.workqueue, worker.thread)
    worker.begins(cpu.clock)
    worker.flushers, work.flushers = work.flushers, []
    if not pool.counts:
        # Unbound workers are not counted: as many as there are works.
        await workqueues.wake_up_worker(cpu, pool)
    await system.locks.raw_spin_unlock(cpu, pool.lock)
    await cpu.local_irq_enable()
    await _process_one_work(workqueues, worker, entry)
    cpu, _ = worker.thread.local_irq_save()
    await system.locks.raw_spin_lock(cpu, pool.lock)
    worker.cpu_intensive = False
    return cpu


@stands_for("process_one_work")
async def _process_one_work(workqueues: Workqueues, worker: Worker, entry: Queued) -> None:
    """process_one_work(), its second half: with the maps of the workqueue and the work held."""
    system, work, thread = workqueues.system, entry.work, worker.thread
    cpu = thread.cpu
    if work.inside is not None:
        system.debug_objects.used(cpu, work, "deactivate")
    thread.in_work = f"{entry.workqueue.name} {work.name}"
    workqueues.poke_grabbers(cpu, work)
    lockdep, factory = system.lockdep, system.lock_factory
    depths = Depths.of(cpu) if system.rules.leaks_are_compared else None
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
    check_work(cpu, work.func, depths)
    work.runs += 1
    workqueues.executed += 1
    if system.events.on:
        system.emit(cpu, "workqueue_execute_end", f"work struct {work.name}: function {work.name}")
    if system.probes.work_ended.on:
        system.probes.work_ended(work, thread)
    worker.current = worker.entry = None
    thread.in_work = ""
    worker.pool.gone(entry, was_active=True)
    flushers, worker.flushers = worker.flushers, []
    for done in (*flushers, *entry.workqueue.done(entry.color)):
        await complete(system, thread.cpu, done)
    await thread.cond_resched()
