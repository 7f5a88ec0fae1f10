"""Completions and wait queues (kernel/sched/completion.c): sleep until somebody says so."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import attrs

from ..context.locks import Lock, LockKind
from ..context.memory import Memory
from ..marks import machinery
from .locking import poison
from .thread import ThreadState
from .time.timeouts import schedule_timeout

if TYPE_CHECKING:
    from .cpu import Cpu
    from .system import System
    from .thread import Thread


FOR_ALL: Final = -1


@attrs.define(eq=False)
class Completion:
    """struct completion.

    Its wait queue is under a raw lock, so that it may be completed from anywhere but NMI and under the scheduler's
    locks.

    `done` counts completions that nobody has waited for yet; `FOR_ALL` after complete_all().
    """

    name: str
    lock: Lock
    done: int = 0
    waiters: deque[Thread] = attrs.field(factory=deque)
    inside: Memory | None = None


async def wait_for_completion_timeout(system: System, thread: Thread, completion: Completion, jiffies: int) -> int:
    """wait_for_completion_timeout(): 0 when it was not completed in time, else how many jiffies were left."""
    left = await _wait_for_common(system, thread, completion, jiffies)
    assert left is not None
    return left


@machinery
async def _use(system: System, cpu: Cpu, completion: Completion) -> None:
    """It is used: it begins with the lock of its queue."""
    if completion.inside is not None:
        system.debug_objects.used(cpu, completion)
        if poison.is_poisoned(cpu, completion.inside):
            await poison.lock(cpu, completion.inside, LockKind.RAW_SPINLOCK)


async def wait_for_completion(system: System, thread: Thread, completion: Completion) -> None:
    """wait_for_completion(): for as long as it takes."""
    await _wait_for_common(system, thread, completion, None)


async def _wait_for_common(system: System, thread: Thread, completion: Completion, left: int | None) -> int | None:
    """__wait_for_common(): might sleep, and says so. Waits for `left` jiffies at most, and returns what is left.

    Its queue is locked by raw_spin_lock_irq(), so that interrupts are on afterwards, whatever they were.
    """
    thread.cpu.judge.might_sleep(thread.cpu)
    await _use(system, thread.cpu, completion)
    cpu, _ = thread.local_irq_save()
    await system.locks.raw_spin_lock(cpu, completion.lock)
    while not completion.done and left != 0:
        completion.waiters.append(thread)
        thread.prepare_to_sleep()
        await system.locks.raw_spin_unlock(cpu, completion.lock)
        await cpu.local_irq_enable()
        if left is not None:
            left = await schedule_timeout(system, thread, left)
        elif thread.state is ThreadState.SLEEPING:
            await thread.sleep(completion.name)
        cpu, _ = thread.local_irq_save()
        await _use(system, cpu, completion)
        await system.locks.raw_spin_lock(cpu, completion.lock)
        if thread in completion.waiters:
            completion.waiters.remove(thread)
    if completion.done:
        left = max(left, 1) if left is not None else None
        if completion.done != FOR_ALL:
            completion.done -= 1
    await system.locks.raw_spin_unlock(cpu, completion.lock)
    await cpu.local_irq_enable()
    return left


def reinit_completion(completion: Completion) -> None:
    """reinit_completion(): as if nobody had completed it."""
    completion.done = 0


@machinery
async def try_wait_for_completion(system: System, cpu: Cpu, completion: Completion) -> bool:
    """try_wait_for_completion(): whether it was completed, which is used up then. Never waits."""
    await _use(system, cpu, completion)
    if not completion.done:
        return False
    flags = cpu.local_irq_save()
    await system.locks.raw_spin_lock(cpu, completion.lock)
    done = bool(completion.done)
    if done and completion.done != FOR_ALL:
        completion.done -= 1
    await system.locks.raw_spin_unlock(cpu, completion.lock)
    await cpu.local_irq_restore(flags)
    return done


async def complete(system: System, cpu: Cpu, completion: Completion) -> None:
    """complete(): wake one waiter, under the queue's lock."""
    await _use(system, cpu, completion)
    flags = cpu.local_irq_save()
    await system.locks.raw_spin_lock(cpu, completion.lock)
    if completion.done != FOR_ALL:
        completion.done += 1
    if completion.waiters:
        await cpu.wake_up_process(completion.waiters.popleft())
    await system.locks.raw_spin_unlock(cpu, completion.lock)
    await cpu.local_irq_restore(flags)


def complete_from_device(completion: Completion) -> Thread | None:
    """complete() by what has no CPU in the model, and so takes no lock: whom it has to wake."""
    completion.done += 1
    return completion.waiters.popleft() if completion.waiters else None


async def complete_all(system: System, cpu: Cpu, completion: Completion) -> None:
    """complete_all(): wake every waiter, and let every later one through."""
    await _use(system, cpu, completion)
    flags = cpu.local_irq_save()
    await system.locks.raw_spin_lock(cpu, completion.lock)
    completion.done = FOR_ALL
    while completion.waiters:
        await cpu.wake_up_process(completion.waiters.popleft())
    await system.locks.raw_spin_unlock(cpu, completion.lock)
    await cpu.local_irq_restore(flags)
