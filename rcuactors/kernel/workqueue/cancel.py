"""Taking works back (kernel/workqueue.c): try_to_grab_pending(), mod_delayed_work(), cancel_work_sync() and its kin.

The pending bit is set from the moment a work is asked for. Whoever wants it back finds it with its timer, or on a
list; between the two, while the timer's handler is on its way to the list, on no list and with no timer, and tries
again (-EAGAIN). So a work that was taken back has not run and will not: true means that it runs once more than it was
queued anew, false that it has run already. cancel_work_sync() of a delayed or rcu work looks at no timer and waits for
no grace period, so it tries until the work is on the list, or has run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...marks import stands_for
from ..completion import complete, wait_for_completion
from ..locking import contention, poison
from .flush import flush_work_from

if TYPE_CHECKING:
    from ..cpu import Cpu
    from ..thread import Thread
    from .core import Workqueues
    from .work import DelayedWork, Work
    from .workqueue import Workqueue

_IDLE, _TAKEN, _AGAIN, _CANCELING = 0, 1, -11, -2
"""What try_to_grab_pending() returns: 0, 1, -EAGAIN, -ENOENT."""


@stands_for("try_to_grab_pending")
async def _try_to_grab_pending(workqueues: Workqueues, cpu: Cpu, work: Work, dwork: DelayedWork | None) -> int:
    """try_to_grab_pending(), with interrupts off: 0 and 1 come with the pending bit set, which is ours then."""
    system = workqueues.system
    if dwork is not None and await system.timers.timer_delete(cpu, dwork.timer):
        return _TAKEN
    if not work.pending:
        work.pending = True
        return _IDLE
    pool = work.pool
    if pool is not None:
        await system.locks.raw_spin_lock(cpu, pool.lock)
        found = pool.find(work)
        if found is not None:
            entries, entry = found
            entries.remove(entry)
            pool.gone(entry, was_active=all(pwq.inactive is not entries for pwq in pool.pwqs.values()))
        await system.locks.raw_spin_unlock(cpu, pool.lock)
        if found is not None:
            flushers, work.flushers = work.flushers, []
            for done in (*flushers, *entry.workqueue.done(entry.color)):
                await complete(system, cpu, done)
            return _TAKEN
    return _CANCELING if work.canceling else _AGAIN


async def _grab(workqueues: Workqueues, thread: Thread, work: Work, dwork: DelayedWork | None) -> tuple[int, Cpu, bool]:
    """The loop around it: what came of it in the end, and, unless that is -ENOENT, where interrupts are off now."""
    if work.inside is not None:
        workqueues.system.debug_objects.used(thread.cpu, work)
        if poison.is_poisoned(thread.cpu, work.inside):
            # Pending, and on no list.
            await poison.spin_for_ever(thread.cpu, f"{work.name} in freed memory to be on a list")
    while True:
        cpu, flags = thread.local_irq_save()
        taken = await _try_to_grab_pending(workqueues, cpu, work, dwork)
        if taken >= 0:
            return taken, cpu, flags
        await cpu.local_irq_restore(flags)
        if taken == _CANCELING:
            return taken, cpu, flags
        await _wait_for_list(thread, work, dwork)


async def _wait_for_list(thread: Thread, work: Work, dwork: DelayedWork | None) -> None:
    """Many turns of the loop at once: until the next one would find something else.

    Who has used up its turn gives way to a worker that the timer or the callback has woken here meanwhile: so the
    kernel's scheduler has it, and that is why the work has run before the loop can take it.
    """
    began = thread.cpu.clock
    work.grabbers.append(thread)

    def something_else() -> bool:
        timer = dwork is not None and dwork.timer.pending
        return not work.pending or work.canceling or timer or work.queued()

    await contention.busy_wait(thread, something_else, f"{work.name} to be on a list")
    work.grabbers.remove(thread)
    cpu = thread.cpu
    used_up = cpu.clock - began >= cpu.system.config.jiffy_ns
    waiting = cpu.runqueue.best()
    if used_up and waiting is not None and waiting.urgency >= thread.urgency and cpu.system.config.full_preemption:
        cpu.resched_curr()
        await thread.point()
    else:
        await thread.spend(cpu.system.costs.lock_ns)


async def mod_delayed_work(
    workqueues: Workqueues,
    thread: Thread,
    workqueue: Workqueue,
    dwork: DelayedWork,
    delay_jiffies: int,
    *,
    on: Cpu | None = None,
) -> bool:
    """mod_delayed_work(): the delay begins anew, whether it is pending or not; whether it was."""
    taken, cpu, flags = await _grab(workqueues, thread, dwork.work, dwork)
    if taken >= 0:
        await workqueues.queue_delayed_work_irqoff(cpu, workqueue, dwork, delay_jiffies, on=on)
        workqueues.poke_grabbers(cpu, dwork.work)
        await cpu.local_irq_restore(flags)
    return bool(taken)


@stands_for("__cancel_work")
async def cancel_work(workqueues: Workqueues, thread: Thread, work: Work, dwork: DelayedWork | None = None) -> bool:
    """cancel_work(), and with `dwork` cancel_delayed_work(): whether it was pending. It may still run."""
    taken, cpu, flags = await _grab(workqueues, thread, work, dwork)
    if taken < 0:
        return False
    work.pending = False
    workqueues.poke_grabbers(cpu, work)
    await cpu.local_irq_restore(flags)
    return bool(taken)


@stands_for("__cancel_work_timer")
async def cancel_work_sync(
    workqueues: Workqueues, thread: Thread, work: Work, dwork: DelayedWork | None = None
) -> bool:
    """cancel_work_sync(), and with `dwork` cancel_delayed_work_sync(): neither pending nor running afterwards.

    Returns whether it was pending. Until it is over the work cannot be queued.
    """
    system = workqueues.system
    while True:
        taken, cpu, flags = await _grab(workqueues, thread, work, dwork)
        if taken >= 0:
            break
        if not work.canceling:
            continue
        done = system.new_completion("cancel_waitq")
        work.cancel_waiters.append(done)
        await wait_for_completion(system, thread, done)
    work.canceling = True
    workqueues.poke_grabbers(cpu, work)
    await cpu.local_irq_restore(flags)
    if workqueues.online:
        await flush_work_from(workqueues, thread, work, from_cancel=True)
    work.canceling = work.pending = False
    workqueues.poke_grabbers(thread.cpu, work)
    waiters, work.cancel_waiters = work.cancel_waiters, []
    for waiter in waiters:
        await complete(system, thread.cpu, waiter)
    return bool(taken)
