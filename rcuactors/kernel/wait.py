"""Wait queues (kernel/sched/wait.c, include/linux/wait.h): who sleeps until an event, and how it is woken.

The queue is under a spinlock_t, unlike a completion's: so a wake-up may not be done under a raw lock, nor in a hardirq
on PREEMPT_RT. `waitqueue_active()` looks without the lock: whoever asks it first takes no lock when nobody waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from ..context.locks import Lock
from ..marks import inline, stands_for
from .locking.irqsave import spin_lock_irqsave, spin_unlock_irqrestore
from .thread import ThreadState
from .time.timeouts import schedule_timeout

if TYPE_CHECKING:
    from .system import System
    from .thread import Thread


@attrs.define(eq=False)
class WaitQueueHead:
    """struct wait_queue_head: its lock, a spinlock_t, and who waits, in the order in which they came."""

    lock: Lock
    waiters: deque[Thread] = attrs.field(factory=deque)


@inline
def waitqueue_active(head: WaitQueueHead) -> bool:
    """waitqueue_active(): somebody waits; looked at without the lock."""
    return bool(head.waiters)


async def prepare_to_wait(system: System, thread: Thread, head: WaitQueueHead) -> None:
    """prepare_to_wait(): be in the queue; a wake-up counts from now on."""
    cpu, flags = await spin_lock_irqsave(system.locks, thread, head.lock, "prepare_to_wait")
    if thread not in head.waiters:
        head.waiters.append(thread)
    thread.prepare_to_sleep()
    await spin_unlock_irqrestore(system.locks, cpu, head.lock, flags)


async def finish_wait(system: System, thread: Thread, head: WaitQueueHead) -> None:
    """finish_wait(): out of the queue, unless who woke this thread has taken it out (autoremove_wake_function())."""
    thread.set_running()
    if thread not in head.waiters:
        return
    cpu, flags = await spin_lock_irqsave(system.locks, thread, head.lock, "finish_wait")
    if thread in head.waiters:
        head.waiters.remove(thread)
    await spin_unlock_irqrestore(system.locks, cpu, head.lock, flags)


async def schedule(thread: Thread, reason: str) -> None:
    """schedule(), between the two: sleep, unless somebody has ended the wait already."""
    if thread.state is ThreadState.SLEEPING:
        await thread.sleep(reason)


async def wait_event(system: System, thread: Thread, head: WaitQueueHead, condition: Callable[[], bool]) -> None:
    """wait_event(): sleep, uninterruptibly, until it is so; looked at after every wake-up."""
    thread.cpu.judge.might_sleep(thread.cpu)
    if condition():
        return
    while True:
        await prepare_to_wait(system, thread, head)
        if condition():
            break
        await schedule(thread, "an event")
    await finish_wait(system, thread, head)


async def wait_event_timeout(
    system: System, thread: Thread, head: WaitQueueHead, condition: Callable[[], bool], left: int
) -> int:
    """wait_event_timeout(): for `left` jiffies at most. 0 if it is not so then, else how many were left, 1 at least."""
    thread.cpu.judge.might_sleep(thread.cpu)
    if condition():
        return max(left, 1)
    while True:
        await prepare_to_wait(system, thread, head)
        if so := condition():
            left = max(left, 1)
        if so or not left:
            break
        left = await schedule_timeout(system, thread, left)
    await finish_wait(system, thread, head)
    return left


async def wake_up_all(system: System, thread: Thread, head: WaitQueueHead) -> None:
    """wake_up_all(): everybody who waits, under the queue's lock."""
    cpu, flags = await spin_lock_irqsave(system.locks, thread, head.lock, "__wake_up")
    while head.waiters:
        await cpu.wake_up_process(head.waiters.popleft())
    await spin_unlock_irqrestore(system.locks, cpu, head.lock, flags)


@stands_for("__wake_up")
async def wake_up(system: System, thread: Thread, head: WaitQueueHead) -> None:
    """wake_up(): take the first waiter out of the queue and wake it."""
    await _wake_up_common_lock(system, thread, head)


@stands_for("__wake_up_common_lock")
async def _wake_up_common_lock(system: System, thread: Thread, head: WaitQueueHead) -> None:
    cpu, flags = await spin_lock_irqsave(system.locks, thread, head.lock, "__wake_up_common_lock")
    if head.waiters:
        await cpu.wake_up_process(head.waiters.popleft())
    await spin_unlock_irqrestore(system.locks, cpu, head.lock, flags)
