"""Waiting for a lock: spinning, sleeping, and spinning for as long as the owner runs.

A raw spinlock's waiter burns time where it is (kernel/locking/qspinlock.c). A sleeping lock's waiter gives up its CPU
(rt_mutex_slowlock(), schedule_rtlock() in kernel/locking/rtmutex.c). A mutex that is no rt_mutex does both:
mutex_optimistic_spin() (kernel/locking/mutex.c) spins while the owner runs on its CPU and nobody wants this one. With
interrupts off no tick and no wake-up arrives, so such a waiter never sleeps, and nothing complains.

A lock is handed to its first waiter; spinners queue with the others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NoReturn, cast

from ...context.locks import LockKind
from ...engine.errors import RunOver
from ...marks import inline, machinery
from ..thread import ThreadState
from .deadlock import report_cycle, report_lockup

if TYPE_CHECKING:
    from ...context.locks import Lock
    from ...context.processor import Sleeper
    from ..cpu import Cpu
    from ..thread import Thread


_LOOK_NS: Final = 1000
_PATIENCE: Final = 10
"""poll() looks once more when it has waited longer by a thousandth."""


@machinery
async def spin(cpu: Cpu, lock: Lock) -> None:
    """Burn time until the lock is handed over; interrupts are served meanwhile if they are on."""
    await _spin(cpu, lock, optimistic=False)


async def mutex_optimistic_spin(cpu: Cpu, lock: Lock) -> bool:
    """mutex_optimistic_spin(): spin on the owner; False when it left its CPU, or when another thread wants this one."""
    cpu.preempt_disable("mutex_lock")
    taken = await _spin(cpu, lock, optimistic=True)
    cpu.preempt_enable_no_resched()
    return taken


@machinery
async def sleep_on(me: Thread, lock: Lock, *, rtlock: bool) -> None:
    """Sleep until the lock is handed over. With `rtlock` the switch counts as a preemption (schedule_rtlock())."""
    cpu = me.cpu
    outer, me.blocked_on = me.blocked_on, lock
    cpu.system.locks.slept += 1
    if cpu.system.probes.lock_wanted.on:
        cpu.system.probes.lock_wanted(cpu, lock)
    lock.waiters.append(me)
    if lock.owner is me and _detects_deadlock(cpu, lock):
        await _rt_mutex_handle_deadlock(me, lock)
    # The kernel says nothing of the cycle; but it does complain about this switch, if it has to.
    if report_cycle(cpu, me, first=lambda: cpu.note_switch(me, preempted=rtlock)):
        await give_up(cpu)
    me.rtlock_wait = rtlock
    while me in lock.waiters:
        await me.sleep(f"sleeps on {lock.name}", rtlock=rtlock)
    me.rtlock_wait = False
    me.blocked_on = outer


def hand(cpu: Cpu, to: Sleeper) -> None:
    """A lock was given to a waiter: a spinner goes on when the cache line reaches it, a sleeper is woken."""
    thread = cast("Thread", to)
    if thread.cpu.spinning and thread.cpu.current is thread:
        poke(cpu, thread)
    elif thread.state is ThreadState.SLEEPING:
        if cpu.system.migration.select_task_rq(thread) is cpu:
            cpu.make_runnable(thread)
        else:
            cpu.post_wake_up(thread)
    look_again(cpu, cpu.current)


def look_again(cpu: Cpu, owner: Thread) -> None:
    """A thread has let go of a lock, or left its CPU: have those look again who spin because it owns a mutex."""
    for spinner in owner.spun_on_by:
        poke(cpu, spinner)


def poke(cpu: Cpu, spinner: Thread) -> None:
    """What a thread that spins looks at has changed; it sees that when the cache line reaches its CPU.

    One that was preempted looks when it runs again.
    """
    target = spinner.cpu
    if target.spinning and target.current is spinner:
        target.listening = False
        cpu.conductor.enqueue(target, max(target.clock, cpu.clock + cpu.system.costs.lock_handover_ns))


@inline
async def busy_wait(me: Thread, done: Callable[[], bool], reason: str) -> None:
    """Burn time until it is so; interrupts are served meanwhile if they are on. Who makes it so calls `poke`.

    Whether that never ends is decided when the kernel would have told of a grace period that this holds up.
    """
    began = me.cpu.clock
    while not done():
        cpu = me.cpu
        me.waiting_for = reason
        if cpu.can_serve():
            await cpu.attend()
        else:
            await _stand_still(cpu, reason)
        if not done() and report_lockup(me.cpu, me, began, reason):
            await give_up(me.cpu)
    me.waiting_for = ""


async def poll(me: Thread, done: Callable[[], bool], reason: str) -> None:
    """The same where nobody pokes: it looks again and again, the longer it takes the more rarely.

    Who has spun for longer than a jiffy gives way to whom an interrupt has woken here meanwhile.
    """
    began = me.cpu.clock
    while not done():
        me.waiting_for = reason
        await me.cpu_relax(max(_LOOK_NS, (me.cpu.clock - began) >> _PATIENCE))
        if report_lockup(me.cpu, me, began, reason):
            await give_up(me.cpu)
    me.waiting_for = ""
    cpu = me.cpu
    if cpu.clock - began >= cpu.system.config.jiffy_ns and cpu.runqueue.best() is not None:
        cpu.resched_curr()
        await me.point()


async def _spin(cpu: Cpu, lock: Lock, *, optimistic: bool) -> bool:
    """Spin until the lock is handed over, or, if `optimistic`, until there is a reason to sleep; whether it is ours."""
    me = cpu.current
    outer = me.blocked_on, me.spins
    me.blocked_on, me.spins = lock, True
    began = cpu.clock
    cpu.system.locks.spun += 1
    if cpu.system.probes.lock_wanted.on:
        cpu.system.probes.lock_wanted(cpu, lock)
    lock.waiters.append(me)
    while me in lock.waiters:
        if report_cycle(cpu, me) or (cpu.clock > began and report_lockup(cpu, me, began, lock.name)):
            await give_up(cpu)
        if cpu.can_serve():
            # What the handler holds it lets go before we spin on: meanwhile nobody waits for us to get this lock.
            me.blocked_on, me.spins = outer
            await cpu.attend()
            me.blocked_on, me.spins = lock, True
        elif optimistic:
            if cpu.need_resched or not _owner_on_cpu(lock):
                lock.waiters.remove(me)
                me.blocked_on, me.spins = outer
                return False
            owner = cast("Thread", lock.owner)
            owner.spun_on_by.append(me)
            await _stand_still(cpu, f"spins on {lock.name}")
            owner.spun_on_by.remove(me)
        else:
            await _stand_still(cpu, f"spins on {lock.name}", lock)
    me.blocked_on, me.spins = outer
    return True


async def give_up(cpu: Cpu) -> NoReturn:
    """What was reported never ends: the run does, at this CPU's time."""
    cpu.conductor.finish()
    await cpu.point()
    raise RunOver


async def _stand_still(cpu: Cpu, reason: str, lock: Lock | None = None) -> None:
    """Until something comes. With interrupts off that may be the watchdog's NMI, and nothing else.

    While a holder of the lock runs there is no need to wait for that here: the others' watchdogs look (lockup.py).
    """
    cpu.spinning = True
    irqs_off, lockups = cpu.ctx.irqs_disabled, cpu.system.lockups
    until = None
    if irqs_off and (lock is None or not any(_runs(holder) for holder in lock.holders())):
        until = lockups.next_nmi(cpu)
    began = cpu.clock
    await cpu.conductor.block(cpu, reason, listening=not irqs_off, until=until)
    if irqs_off:
        lockups.nmi(cpu, began)
    cpu.spinning = False


def _runs(holder: Sleeper) -> bool:
    thread = cast("Thread", holder)
    return thread.cpu.current is thread


def _owner_on_cpu(lock: Lock) -> bool:
    """owner_on_cpu()."""
    return _runs(cast("Sleeper", lock.owner))


def _detects_deadlock(cpu: Cpu, lock: Lock) -> bool:
    """The lock is an rt_mutex whose waiters look for deadlocks; those of a spinlock_t on PREEMPT_RT do not."""
    kind = lock.lock_class.kind
    return kind is LockKind.RT_MUTEX or (kind is LockKind.MUTEX and cpu.system.config.PREEMPT_RT)


async def _rt_mutex_handle_deadlock(me: Thread, lock: Lock) -> None:
    """rt_mutex_handle_deadlock(): say so, and never come back."""
    me.cpu.judge.rtmutex_deadlock(me.cpu)
    while True:
        await me.sleep(f"sleeps for ever on {lock.name}, which it holds")
