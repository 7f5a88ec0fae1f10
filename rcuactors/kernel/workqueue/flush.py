"""Waiting for works (kernel/workqueue.c): flush_work(), flush_delayed_work(), flush_workqueue().

flush_work() waits for what is queued or runs; it knows of no timer and no grace period. flush_delayed_work() queues at
once what still waits for its timer. Each takes the lockdep map of the work, or of the workqueue, whether there is
something to wait for or not; later versions take a work's only if there is (KernelRules.idle_work_tells_lockdep).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...context.violation import ViolationKind
from ...marks import machinery, stands_for
from ..completion import wait_for_completion
from ..locking import poison
from .workqueue import WqFlags

if TYPE_CHECKING:
    from ...context.locks import Lock
    from ..completion import Completion
    from ..cpu import Cpu
    from ..thread import Thread
    from .core import Workqueues
    from .work import DelayedWork, Work
    from .workqueue import Workqueue


async def flush_work(workqueues: Workqueues, thread: Thread, work: Work) -> bool:
    """flush_work(): sleep until its last queueing has finished; whether there was something to wait for."""
    return await flush_work_from(workqueues, thread, work, from_cancel=False)


@stands_for("__flush_work")
async def flush_work_from(workqueues: Workqueues, thread: Thread, work: Work, *, from_cancel: bool) -> bool:
    """__flush_work(): too early in boot it only warns, in v5.9, v5.11 and 6.1 alike."""
    system = workqueues.system
    if not _online(workqueues, thread.cpu, "__flush_work"):
        return False
    if work.inside is not None:
        system.debug_objects.used(thread.cpu, work)
        if poison.is_poisoned(thread.cpu, work.inside):
            if system.lockdep.on:
                await poison.lockdep_map(thread.cpu, work.inside, "__flush_work")
            # get_work_pool() finds no pool of that number.
            return False
    if work.zeroed:
        thread.cpu.judge.warn_on(thread.cpu, ViolationKind.DEBUG_OBJECTS, "!work->func", "__flush_work")
        return False
    if system.rules.idle_work_tells_lockdep:
        if not from_cancel or system.rules.cancel_tells_lockdep:
            _touch(workqueues, thread.cpu, work.lockdep_map(system.lock_factory), "__flush_work")
        done = await _start_flush_work(workqueues, thread, work, from_cancel=from_cancel)
    else:
        thread.cpu.judge.might_sleep(thread.cpu)
        system.locks.rcu_enter(thread.cpu)
        done = await _start_flush_work(workqueues, thread, work, from_cancel=from_cancel)
        system.locks.rcu_leave(thread.cpu)
    if done is None:
        return False
    await wait_for_completion(system, thread, done)
    return True


@machinery
def _online(workqueues: Workqueues, cpu: Cpu, function: str) -> bool:
    """WARN_ON(!wq_online): workqueue_init() has not been yet, and there are no workers to wait for."""
    if workqueues.online:
        return True
    cpu.judge.warn_on(cpu, ViolationKind.BAD_CONTEXT, "!wq_online", function)
    return False


@stands_for("start_flush_work")
async def _start_flush_work(
    workqueues: Workqueues, thread: Thread, work: Work, *, from_cancel: bool
) -> Completion | None:
    """start_flush_work(): insert a barrier behind the work, if it is queued or runs.

    Its rcu_read_lock(), without which the pool could go, is seen only where the work's map is taken inside it.
    """
    system, rules = workqueues.system, workqueues.system.rules
    if rules.idle_work_tells_lockdep:
        thread.cpu.judge.might_sleep(thread.cpu)
    pool = work.pool
    if pool is None:
        return None
    cpu, _ = thread.local_irq_save()
    await system.locks.raw_spin_lock(cpu, pool.lock)
    found, worker = pool.find(work), pool.executing(work)
    target = found[1].workqueue if found is not None else worker.workqueue if worker is not None else None
    done = None
    if target is not None:
        if not from_cancel or rules.cancel_checks_dependency:
            check_flush_dependency(workqueues, cpu, target, work.func)
        system.debug_objects.init_on_stack(cpu, type(work))
        done = system.new_completion(f"flush of {work.name}")
        # Behind the queued one, which its worker takes over; else behind the one that runs.
        (work.flushers if found is not None else worker.flushers if worker is not None else []).append(done)
    await system.locks.raw_spin_unlock(cpu, pool.lock)
    await cpu.local_irq_enable()
    if target is not None and not rules.idle_work_tells_lockdep:
        _touch(workqueues, thread.cpu, work.lockdep_map(system.lock_factory), "__flush_work")
    if target is not None and not from_cancel and (target.max_active == 1 or target.flags & WqFlags.MEM_RECLAIM):
        _touch(workqueues, thread.cpu, target.lockdep_map(system.lock_factory), "__flush_work")
    return done


@machinery
def _touch(workqueues: Workqueues, cpu: Cpu, lockdep_map: Lock, site: str) -> None:
    """lock_map_acquire(), lock_map_release()."""
    lockdep = workqueues.system.lockdep
    if lockdep.on:
        lockdep.acquire(cpu, lockdep_map, site=site)
    if lockdep.on:
        lockdep.release(cpu, lockdep_map)


def check_flush_dependency(workqueues: Workqueues, cpu: Cpu, target: Workqueue, function: str) -> None:
    """check_flush_dependency(): who has to work when memory is short must not wait for who need not.

    That is whoever reclaims memory (PF_MEMALLOC), and the works of a workqueue with WQ_MEM_RECLAIM. Each is told once.
    A flush of a workqueue that is idle does not come by here (kernel/workqueue.c, v5.9 to v6.1).
    """
    if target.flags & WqFlags.MEM_RECLAIM:
        return
    current, worker = cpu.current, workqueues.current_worker(cpu)
    flushing = f"is flushing !WQ_MEM_RECLAIM {target.name}:{function}"
    if current.memalloc:
        message = f"workqueue: PF_MEMALLOC task {current.pid}({current.comm}) {flushing}"
        cpu.judge.warn_once(
            cpu, ViolationKind.FLUSH_DEPENDENCY, message, "check_flush_dependency", place="PF_MEMALLOC task is flushing"
        )
    mine = worker.workqueue if worker is not None else None
    if worker is not None and worker.current is not None and mine is not None and mine.flags & WqFlags.MEM_RECLAIM:
        message = f"workqueue: WQ_MEM_RECLAIM {mine.name}:{worker.current.func} {flushing}"
        cpu.judge.warn_once(
            cpu, ViolationKind.FLUSH_DEPENDENCY, message, "check_flush_dependency", place="WQ_MEM_RECLAIM is flushing"
        )


async def flush_delayed_work(workqueues: Workqueues, thread: Thread, dwork: DelayedWork) -> bool:
    """flush_delayed_work(): queue it now if its timer is pending, and wait for its end."""
    if dwork.work.inside is not None:
        workqueues.system.debug_objects.used(thread.cpu, dwork.work)
    cpu, _ = thread.local_irq_save()
    if await workqueues.system.timers.timer_delete_sync(thread, dwork.timer) and dwork.workqueue is not None:
        await workqueues.queue_work_irqoff(cpu, dwork.workqueue, dwork.work)
    await cpu.local_irq_enable()
    return await flush_work(workqueues, thread, dwork.work)


@stands_for("__flush_workqueue")
async def flush_workqueue(workqueues: Workqueues, thread: Thread, workqueue: Workqueue) -> None:
    """flush_workqueue(): sleep until every work that is queued now has run, and none that is queued later."""
    system = workqueues.system
    system.judge.used(thread.cpu, workqueue, "flush_workqueue()")
    if not _online(workqueues, thread.cpu, "__flush_workqueue"):
        return
    _touch(workqueues, thread.cpu, workqueue.lockdep_map(system.lock_factory), "__flush_workqueue")
    mutex = workqueue.mutex(system.lock_factory)
    await system.locks.mutex_lock(thread, mutex)
    color, workqueue.color = workqueue.color, workqueue.color + 1
    if workqueue.flushed(color):
        await system.locks.mutex_unlock(thread, mutex)
        return
    done = system.new_completion(f"flush of workqueue {workqueue.name}")
    workqueue.flushers.append((color, done))
    check_flush_dependency(workqueues, thread.cpu, workqueue, "0x0")
    await system.locks.mutex_unlock(thread, mutex)
    await wait_for_completion(system, thread, done)
