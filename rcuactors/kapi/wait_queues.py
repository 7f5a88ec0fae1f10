"""Wait queues, and interruptible sleeps (include/linux/wait.h, completion.h, delay.h).

A wait queue's lock is a spinlock_t: wake_up() must not be called under a raw lock, complete() may.
"""

from __future__ import annotations

from collections.abc import Callable

from ..context.locks import LockKind
from ..kernel import wait
from ..kernel.completion import Completion, wait_for_completion
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

    async def wake_up(self, head: WaitQueueHead) -> None:
        """wake_up(): wake all who wait_event(), under the queue's lock."""
        await wait.wake_up_all(self._system, self._thread, head)

    async def wait_for_completion_interruptible(self, completion: Completion) -> None:
        """wait_for_completion_interruptible(): no signal comes."""
        thread = self._thread
        with thread.interruptibly():
            await wait_for_completion(self._system, thread, completion)

    async def msleep_interruptible(self, milliseconds: int) -> None:
        """msleep_interruptible(): no signal comes."""
        jiffies = -(-not_negative("msleep_interruptible", milliseconds) * self._system.config.HZ // 1000)
        thread = self._thread
        with thread.interruptibly():
            await msleep(self._system, thread, jiffies)
