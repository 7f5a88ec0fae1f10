"""The end of a thread (kernel/exit.c, do_exit()): what it leaves behind, as far as the kernel looks.

Hardly anything asks a thread whether it has preemption or interrupts off. They show in what it does on its way out: it
takes a spinlock with interrupts off and enables them with it, it asks whether it may sleep, it takes a mutex, and it
gives up its CPU for good. Lockdep looks on purpose (debug_check_no_locks_held()); later ones look for interrupts, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..context.lockdep.demands import used_before
from ..context.locks import Lock, LockKind
from ..context.violation import ViolationKind
from . import balance

if TYPE_CHECKING:
    from .thread import Thread


async def do_exit(thread: Thread) -> None:
    """do_exit(): the running thread ends here."""
    ctx, system = thread.ctx, thread.cpu.system
    # What lockdep has noted before it went off says nothing of what is held now.
    held = system.lockdep.on and ctx.held
    if ctx.preempt_count or ctx.irqs_disabled or held or ctx.rcu_nesting:
        await _what_it_stumbles_over(thread)
    cpu = thread.cpu
    system.lockdep.check_no_locks_held(cpu)
    for hook in cpu.hooks.on_exit:
        hook(cpu)
    if ctx.preempt_count:
        do_task_dead(thread)


async def _what_it_stumbles_over(thread: Thread) -> None:
    """What do_exit() does to a thread that has left something, in its order. Nobody else takes these locks."""
    ctx, rules = thread.ctx, thread.cpu.system.rules
    if rules.exit_warns_of_irqs and ctx.irqs_disabled:
        thread.cpu.judge.warn_on(thread.cpu, ViolationKind.BAD_CONTEXT, "irqs_disabled()", "do_exit")
    if rules.exit_takes_locks:
        await synchronize_group_exit(thread)
    exit_signals(thread)
    if rules.exit_notes_preempt_count and ctx.preempt_count:
        balance.report(thread.cpu, f"note: {ctx.comm}[{ctx.pid}] exited with preempt_count {ctx.preempt_count}")
        ctx.preempt_count = 0
    if rules.exit_takes_locks:
        await perf_event_exit_task(thread)
    # Of the locks on the way the last that is let go of with spin_unlock_irq() (exit_notify()).
    if ctx.irqs_disabled:
        await thread.cpu.local_irq_enable()


def _lock_of_every_thread(thread: Thread, name: str, kind: LockKind) -> Lock:
    """One that each thread has, and took when it ended, those before this one too."""
    system = thread.cpu.system
    lock = system.lock_factory.make(name, kind)
    if kind is LockKind.MUTEX or system.locks.rt:
        used_before(lock)
    return lock


async def synchronize_group_exit(thread: Thread) -> None:
    """synchronize_group_exit(): spin_lock_irq(&sighand->siglock), whose unlock enables interrupts but on PREEMPT_RT."""
    locks = thread.cpu.system.locks
    siglock = _lock_of_every_thread(thread, "&sighand->siglock", LockKind.SPINLOCK)
    if not locks.rt:
        thread.cpu.local_irq_save("do_exit")
    await locks.spin_lock(thread, siglock)
    await locks.spin_unlock(thread.cpu, siglock)
    if not locks.rt:
        await thread.cpu.local_irq_enable()


def exit_signals(thread: Thread) -> None:
    """exit_signals(): cgroup_threadgroup_change_begin() may sleep, and says so."""
    thread.cpu.judge.might_sleep(thread.cpu)


async def perf_event_exit_task(thread: Thread) -> None:
    """perf_event_exit_task(): mutex_lock(&child->perf_event_mutex) (kernel/events/core.c)."""
    locks = thread.cpu.system.locks
    mutex = _lock_of_every_thread(thread, "&child->perf_event_mutex", LockKind.MUTEX)
    await locks.mutex_lock(thread, mutex)
    await locks.mutex_unlock(thread, mutex)


def do_task_dead(thread: Thread) -> None:
    """do_task_dead(): the last __schedule(), with a preempt_count that nobody has taken away."""
    complaint = thread.cpu.judge.scheduling_while_atomic(thread.cpu, thread.ctx)
    if complaint is not None:
        raise complaint
    thread.cpu.forget_preempt_count(thread)
