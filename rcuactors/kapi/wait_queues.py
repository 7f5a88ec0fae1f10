"""Wait queues, and interruptible sleeps (include/linux/wait.h, completion.h, delay.h).

A wait queue's lock is a spinlock_t: wake_up() must not be called under a raw lock, complete() may.
"""

from __future__ import annotations

from collections.abc import Callable

from ..context.locks import LockKind
from ..kernel import wait
from ..kernel.completion import (
    Completion,
    reinit_completion,
    try_wait_for_completion,
    wait_for_completion,
    wait_for_completion_timeout,
)
from ..kernel.time.timeouts import msleep
from ..kernel.wait import WaitQueueHead
from .base import Inside, not_negative
from .lock_making import LockMaking


class WaitQueues(LockMaking):
    """DECLARE_WAIT_QUEUE_HEAD(), wait_event(), wake_up(), and sleeps that nobody calls hung."""

    def wait_queue_head(self, name: str, *, inside: Inside | None = None) -> WaitQueueHead:
        """DECLARE_WAIT_QUEUE_HEAD(); with `inside` init_waitqueue_head() of one in an object."""
        return WaitQueueHead(self._make(name if inside is not None else f"({name}).lock", LockKind.SPINLOCK, inside))

    async def wait_event(self, head: WaitQueueHead, condition: Callable[[], bool]) -> None:
        """wait_event(): sleep, uninterruptibly, until it is so; looked at after every wake-up."""
        await wait.wait_event(self._system, self._thread, head, condition)

    async def wait_event_interruptible(self, head: WaitQueueHead, condition: Callable[[], bool]) -> None:
        """wait_event_interruptible(): the same; no signal comes."""
        with self._thread.interruptibly():
            await self.wait_event(head, condition)

    async def wait_event_timeout(self, head: WaitQueueHead, condition: Callable[[], bool], jiffies: int) -> int:
        """wait_event_timeout(): for at most so many jiffies. 0 if it is not so then, else how many were left."""
        jiffies = not_negative("wait_event_timeout", jiffies)
        return await wait.wait_event_timeout(self._system, self._thread, head, condition, jiffies)

    def waitqueue_active(self, head: WaitQueueHead) -> bool:
        """waitqueue_active(): somebody waits. Looked at without the lock, so whoever asks has to order that."""
        return wait.waitqueue_active(head)

    async def wake_up(self, head: WaitQueueHead) -> None:
        """wake_up(): wake all who wait_event(), under the queue's lock."""
        await wait.wake_up_all(self._system, self._thread, head)

    async def wake_up_all(self, head: WaitQueueHead) -> None:
        """wake_up_all(): the same here, where nobody waits exclusively."""
        await wait.wake_up_all(self._system, self._thread, head)

    async def wait_for_completion_interruptible(self, completion: Completion) -> None:
        """wait_for_completion_interruptible(): no signal comes."""
        thread = self._thread
        with thread.interruptibly():
            await wait_for_completion(self._system, thread, completion)

    async def wait_for_completion_interruptible_timeout(self, completion: Completion, jiffies: int) -> int:
        """wait_for_completion_interruptible_timeout(): 0 when it was not completed, else what was left, 1 at least."""
        jiffies = not_negative("wait_for_completion_interruptible_timeout", jiffies)
        thread = self._thread
        with thread.interruptibly():
            return await wait_for_completion_timeout(self._system, thread, completion, jiffies)

    async def try_wait_for_completion(self, completion: Completion) -> bool:
        """try_wait_for_completion(): whether it was completed, which is used up then. From any context but NMI."""
        return await try_wait_for_completion(self._system, self._cpu, completion)

    def completion_done(self, completion: Completion) -> bool:
        """completion_done(): it was completed, and nobody has used that up."""
        return bool(completion.done)

    def reinit_completion(self, completion: Completion) -> None:
        """reinit_completion(): as if nobody had completed it; for who knows that nobody waits."""
        reinit_completion(completion)

    async def msleep_interruptible(self, milliseconds: int) -> None:
        """msleep_interruptible(): no signal comes."""
        jiffies = -(-not_negative("msleep_interruptible", milliseconds) * self._system.config.HZ // 1000)
        thread = self._thread
        with thread.interruptibly():
            await msleep(self._system, thread, jiffies)
