"""The end of a workqueue (kernel/workqueue.c): drain_workqueue(), destroy_workqueue().

drain_workqueue() flushes until the workqueue is empty. Meanwhile only its own works may queue on it: anything else is
told, WARN_ON_ONCE(!is_chained_work(wq)) in __queue_work(), and the work is not queued, though its pending bit stays.
A work that queues itself again is let through, and keeps the drain from ending; that is said after 10 tries, and after
every 100 up to 1,000.

destroy_workqueue() drains, stops the rescuer, and looks whether somebody has queued in between: then it says so, shows
what is there (WARN_ON(pwq_busy(pwq))) and leaves the workqueue as it is, without its rescuer. Timers and grace periods
of works that were to be queued on it are not looked for. When they are over they use a workqueue that is gone, as does
whoever else still has it. The kernel frees it after a grace period; nobody may count on that. From v6.3 on it says so
where it looks at the flags of what is gone: WARN_ON_ONCE() as for one that is being drained (__WQ_DESTROYING).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...context.memory import FREED
from ...context.violation import ORACLE, ViolationKind
from ...marks import machinery
from ..completion import wait_for_completion
from ..locking import contention
from .flush import flush_workqueue
from .show import show_pwq, show_workqueue

if TYPE_CHECKING:
    from ..thread import Thread
    from .core import Workqueues
    from .pool import Pool
    from .workqueue import Workqueue

_LAST_WARNING: Final = 1000


async def drain_workqueue(workqueues: Workqueues, thread: Thread, workqueue: Workqueue) -> None:
    """drain_workqueue(): flush until it is empty; meanwhile only its own works may queue on it."""
    locks = workqueues.system.locks
    mutex = workqueue.mutex(workqueues.system.lock_factory)
    await locks.mutex_lock(thread, mutex)
    workqueue.draining += 1
    await locks.mutex_unlock(thread, mutex)
    tries = 0
    while True:
        await flush_workqueue(workqueues, thread, workqueue)
        await locks.mutex_lock(thread, mutex)
        if not await _busy_pools(workqueues, thread, workqueue):
            break
        tries += 1
        await locks.mutex_unlock(thread, mutex)
        await _not_complete(thread, workqueue, tries)
    workqueue.draining -= 1
    await locks.mutex_unlock(thread, mutex)


@machinery
async def _not_complete(thread: Thread, workqueue: Workqueue, tries: int) -> None:
    """What the kernel says of a drain that does not end. After its last word the run is given up."""
    if tries != 10 and (tries % 100 or tries > _LAST_WARNING):
        return
    cpu = thread.cpu
    said = f"workqueue {workqueue.name}: drain_workqueue() isn't complete after {tries} tries"
    cpu.judge.report(cpu, ViolationKind.WORKQUEUE_LOCKUP, said, said)
    if tries == _LAST_WARNING:
        title = f"DEADLOCK: {thread} waits for ever for {workqueue}, whose works queue themselves again"
        cpu.judge.report(cpu, ViolationKind.DEADLOCK, title, title, ORACLE)
        await contention.give_up(cpu)


async def _busy_pools(workqueues: Workqueues, thread: Thread, workqueue: Workqueue) -> list[Pool]:
    """for_each_pwq(): those with works that are active or wait for max_active, each looked at under its lock."""
    locks, busy = workqueues.system.locks, []
    for pool in workqueues.pools():
        pwq = pool.pwqs.get(workqueue)
        if pwq is None:
            continue
        cpu, _ = thread.local_irq_save()
        await locks.raw_spin_lock(cpu, pool.lock)
        if pwq.active or pwq.inactive:
            busy.append(pool)
        await locks.raw_spin_unlock(cpu, pool.lock)
        await cpu.local_irq_enable()
    return busy


async def destroy_workqueue(workqueues: Workqueues, thread: Thread, workqueue: Workqueue) -> None:
    """destroy_workqueue(): all works that are queued now are done first; works of timers are not waited for."""
    system = workqueues.system
    locks, mutex = system.locks, workqueue.mutex(system.lock_factory)
    system.judge.used(thread.cpu, workqueue, "destroy_workqueue()")
    if system.rules.destroying_is_told:
        await locks.mutex_lock(thread, mutex)
        workqueue.destroying = True
        await locks.mutex_unlock(thread, mutex)
    await drain_workqueue(workqueues, thread, workqueue)
    await _stop_rescuer(workqueues, thread, workqueue)
    await locks.mutex_lock(thread, workqueues.pool_mutex)
    await locks.mutex_lock(thread, mutex)
    busy = await _busy_pools(workqueues, thread, workqueue)
    if busy:
        cpu = thread.cpu
        cpu.judge.warn_on(cpu, ViolationKind.BAD_CONTEXT, "pwq_busy(pwq)", "destroy_workqueue")
        lines = [
            f"destroy_workqueue: {workqueue.name} has the following busy pwq",
            *show_pwq(workqueues, busy[0], workqueue),
            *show_workqueue(workqueues, workqueue),
        ]
        cpu.judge.report(cpu, ViolationKind.BAD_CONTEXT, lines[0], "\n".join(lines))
    await locks.mutex_unlock(thread, mutex)
    await locks.mutex_unlock(thread, workqueues.pool_mutex)
    if not busy:
        workqueue.state = FREED
        workqueue.destroyed_by = f"{thread.comm}/{thread.pid} at {thread.cpu.clock / 1e9:.6f} s"


async def _stop_rescuer(workqueues: Workqueues, thread: Thread, workqueue: Workqueue) -> None:
    """No mayday is heard from here on; kthread_stop() waits until the rescuer has seen to those that were."""
    system, rescuer = workqueues.system, workqueue.rescuer
    if workqueue.stopping is not None:
        return
    stopping = system.new_completion(f"the end of {workqueue.name}'s rescuer")
    cpu, _ = thread.local_irq_save()
    await system.locks.raw_spin_lock(cpu, workqueues.mayday_lock)
    workqueue.rescuer, workqueue.stopping = None, stopping
    await system.locks.raw_spin_unlock(cpu, workqueues.mayday_lock)
    await cpu.local_irq_enable()
    if rescuer is not None:
        await thread.cpu.wake_up_process(rescuer.thread)
        await wait_for_completion(system, thread, stopping)
