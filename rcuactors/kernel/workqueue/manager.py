"""The manager of a pool (kernel/workqueue.c): manage_workers(), maybe_create_worker(), create_worker(), mayday.

A worker becomes its pool's manager when it is the last that could be woken. It makes another: it allocates, has
kthreadd make a thread, and waits for that; all of it with GFP_KERNEL, so it blocks where that blocks, in direct
reclaim, and tries again a second after a failure (CREATE_COOLDOWN). Meanwhile nobody looks at the pool's list. After
MAYDAY_INITIAL_TIMEOUT, and every MAYDAY_INTERVAL from then on, the rescuers of the workqueues whose works wait there
are called (rescuer.py); the works of a workqueue without WQ_MEM_RECLAIM wait on.

At boot every pool has got a worker, and that one has made a second when it first had something to do, long before a
scenario begins: so a pool starts with two here, or with what a version was seen to have (workqueue_init();
KernelRules.workers_at_boot).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..thread import Thread
from ..time.timeouts import schedule_timeout_uninterruptible
from ..time.timer import Timer
from .pool import Pool, Worker
from .rescuer import attached, send_mayday

if TYPE_CHECKING:
    from ..cpu import Cpu
    from .core import Workqueues


def mayday_initial_timeout(hz: int) -> int:
    """MAYDAY_INITIAL_TIMEOUT: 10 ms, but two jiffies at least."""
    return max(hz // 100, 2)


def mayday_interval(hz: int) -> int:
    """MAYDAY_INTERVAL: 100 ms."""
    return hz // 10


async def manage_workers(workqueues: Workqueues, worker: Worker) -> bool:
    """manage_workers(): under the pool's lock, which it lets go of, and holds again when it returns true.

    False: another is the manager already, so this one may start working. Nobody but the manager needs an idle one.
    """
    pool = worker.pool
    if pool.manager is not None:
        return False
    pool.manager = worker
    with worker.thread.working():
        await _maybe_create_worker(workqueues, worker)
    pool.manager = None
    return True


async def _maybe_create_worker(workqueues: Workqueues, worker: Worker) -> None:
    """maybe_create_worker(): until the pool needs no more of them."""
    system, pool, thread = workqueues.system, worker.pool, worker.thread
    hz = system.config.HZ
    cpu = thread.cpu
    while True:
        await system.locks.raw_spin_unlock(cpu, pool.lock)
        await cpu.local_irq_enable()
        timer = _mayday_timer(workqueues, pool)
        await system.timers.mod_timer(thread.cpu, timer, mayday_initial_timeout(hz))
        while await create_worker(workqueues, worker) is None and pool.needs_help():
            with thread.interruptibly():
                await schedule_timeout_uninterruptible(system, thread, hz)
            if not pool.needs_help():
                break
        await system.timers.timer_delete_sync(thread, timer)
        cpu, _ = thread.local_irq_save()
        await system.locks.raw_spin_lock(cpu, pool.lock)
        if not pool.needs_help():
            return


async def create_worker(workqueues: Workqueues, manager: Worker) -> Worker | None:
    """create_worker(): a new kworker of the pool, idle; None when there was no memory for it. May sleep."""
    system, pool, thread = workqueues.system, manager.pool, manager.thread
    memory = system.kthreadd.memory
    block = await memory.alloc(thread, 256)
    if block is None:
        return None
    where = workqueues.cpu_of(pool, thread.cpu)
    made: list[Worker] = []

    def make() -> Thread:
        # Its CPU may have come meanwhile.
        made.append(workqueues.new_worker(pool, pool.cpu if pool.cpu is not None and pool.counts else where))
        return made[0].thread

    if await system.kthreadd.kthread_create_on_node(thread, make) is None:
        await memory.free(thread, block)
        return None
    worker = made[0]
    await attached(workqueues, thread, worker)
    cpu, _ = thread.local_irq_save()
    await system.locks.raw_spin_lock(cpu, pool.lock)
    pool.idle.append(worker)
    await cpu.wake_up_process(worker.thread)
    await system.locks.raw_spin_unlock(cpu, pool.lock)
    await cpu.local_irq_enable()
    return worker


def _mayday_timer(workqueues: Workqueues, pool: Pool) -> Timer:
    """pool->mayday_timer."""
    if pool.mayday_timer is None:

        async def pool_mayday_timeout(cpu: Cpu) -> None:
            await _pool_mayday_timeout(workqueues, pool, cpu)

        key = "(&pool->mayday_timer)"
        pool.mayday_timer = Timer("pool_mayday_timeout", pool_mayday_timeout, key=key, site=_mayday_timer)
    return pool.mayday_timer


async def _pool_mayday_timeout(workqueues: Workqueues, pool: Pool, cpu: Cpu) -> None:
    """pool_mayday_timeout(): call the rescuers of all that waits, again and again."""
    system, timer = workqueues.system, pool.mayday_timer
    assert timer is not None
    interval = mayday_interval(system.config.HZ)
    cpu.local_irq_save()
    await system.locks.raw_spin_lock(cpu, pool.lock)
    await system.locks.raw_spin_lock(cpu, workqueues.mayday_lock)
    if pool.needs_help():
        for entry in pool.worklist:
            await send_mayday(workqueues, cpu, entry.workqueue, pool)
    await system.locks.raw_spin_unlock(cpu, workqueues.mayday_lock)
    await system.locks.raw_spin_unlock(cpu, pool.lock)
    await cpu.local_irq_enable()
    # The only thing that still moves may be this timer: the time between its turns counts as ticks do.
    system.ticks.quiet += interval
    await system.timers.mod_timer(cpu, timer, interval)
