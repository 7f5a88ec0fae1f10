"""Taking works back (kernel/workqueue.c): try_to_grab_pending(), mod_delayed_work(), cancel_work_sync() and its kin.

The pending bit is set from the moment a work is asked for. Whoever wants it back finds it with its timer, or on a
list; between the two, while the timer's handler is on its way to the list, on no list and with no timer, and tries
again (-EAGAIN). So a work that was taken back has not run and will not: true means that it runs once more than it was
queued anew, false that it has run already. cancel_work_sync() of a delayed or rcu work looks at no timer and waits for
no grace period, so it tries until the work is on the list, or has run.

From v6.10 on a work has a count of who has disabled it (WORK_OFFQ_DISABLE): while that is not 0, nothing queues it, and
whoever asks is told false. disable_work() raises it, enable_work() lowers it, and cancel_work_sync() does both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...context.violation import ViolationKind
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
_MOST_DISABLED: Final = (1 << 16) - 1
"""WORK_OFFQ_DISABLE_BITS."""


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
            if system.probes.work_withdrawn.on:
                system.probes.work_withdrawn(work)
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
    kernel's scheduler has it (KernelRules.woken_preempts_spinner), and that is why the work has run before the loop can
    take it.
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
    # Where another had to run first, a thread that serves softirqs on PREEMPT_RT, schedule() has picked anew.
    turns_are_cut = cpu.system.rules.woken_preempts_spinner or cpu.switched_ns > began
    gives_way = used_up and turns_are_cut and cpu.system.config.full_preemption
    if gives_way and waiting is not None and waiting.urgency >= thread.urgency:
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
        if dwork.work.disabled:
            dwork.work.pending = False
        else:
            await workqueues.queue_delayed_work_irqoff(cpu, workqueue, dwork, delay_jiffies, on=on)
        workqueues.poke_grabbers(cpu, dwork.work)
        await cpu.local_irq_restore(flags)
    return bool(taken)


@stands_for("__cancel_work")
async def cancel_work(
    workqueues: Workqueues, thread: Thread, work: Work, dwork: DelayedWork | None = None, *, disable: bool = False
) -> bool:
    """cancel_work(), and with `dwork` cancel_delayed_work(): whether it was pending. It may still run.

    With `disable` it is disable_work(), disable_delayed_work().
    """
    taken, cpu, flags = await _grab(workqueues, thread, work, dwork)
    if taken < 0:
        return False
    if disable:
        _disable(cpu, work)
    work.pending = False
    workqueues.poke_grabbers(cpu, work)
    await cpu.local_irq_restore(flags)
    return bool(taken)


async def cancel_work_sync(
    workqueues: Workqueues, thread: Thread, work: Work, dwork: DelayedWork | None = None
) -> bool:
    """cancel_work_sync(), and with `dwork` cancel_delayed_work_sync(): neither pending nor running afterwards.

    Returns whether it was pending. Until it is over the work cannot be queued.
    """
    if not workqueues.system.rules.cancel_disables_work:
        return await _cancel_work_timer(workqueues, thread, work, dwork)
    taken = await disable_work_sync(workqueues, thread, work, dwork)
    await enable_work(workqueues, thread, work)
    return taken


@stands_for("__cancel_work_sync")
async def disable_work_sync(
    workqueues: Workqueues, thread: Thread, work: Work, dwork: DelayedWork | None = None
) -> bool:
    """disable_work_sync(), and with `dwork` disable_delayed_work_sync(): and it does not run afterwards."""
    taken = await cancel_work(workqueues, thread, work, dwork, disable=True)
    thread.cpu.judge.might_sleep(thread.cpu)
    if workqueues.online:
        await flush_work_from(workqueues, thread, work, from_cancel=True)
    return taken


async def enable_work(workqueues: Workqueues, thread: Thread, work: Work) -> bool:
    """enable_work(), enable_delayed_work(): one who has disabled it does so no longer; whether it can be queued now."""
    _, cpu, flags = await _grab(workqueues, thread, work, None)
    if work.disabled:
        work.disabled -= 1
    else:
        message = "workqueue: work disable count underflowed"
        cpu.judge.warn_once(cpu, ViolationKind.BAD_CONTEXT, message, "work_offqd_enable")
    work.pending = False
    workqueues.poke_grabbers(cpu, work)
    await cpu.local_irq_restore(flags)
    return not work.disabled


def _disable(cpu: Cpu, work: Work) -> None:
    """work_offqd_disable()."""
    if work.disabled < _MOST_DISABLED:
        work.disabled += 1
    else:
        message = "workqueue: work disable count overflowed"
        cpu.judge.warn_once(cpu, ViolationKind.BAD_CONTEXT, message, "work_offqd_disable")


@stands_for("__cancel_work_timer")
async def _cancel_work_timer(workqueues: Workqueues, thread: Thread, work: Work, dwork: DelayedWork | None) -> bool:
    """__cancel_work_timer(), before works could be disabled: it is marked, and others who cancel it wait their turn."""
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
