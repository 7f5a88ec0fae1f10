"""Kthread workers (kernel/kthread.c): a thread of one's own that runs works one after the other.

kthread_queue_work() puts one on the worker's list, under its raw lock, and wakes the thread. Unlike a workqueue it
needs nobody to make it a thread when memory is short: it has had that since it was created.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import TYPE_CHECKING

import attrs

from ..context.locks import Lock, LockKind
from .completion import Completion, complete, wait_for_completion
from .thread import Thread, ThreadState

if TYPE_CHECKING:
    from .cpu import Cpu
    from .system import System

Function = Callable[[Thread], Awaitable[None]]


@attrs.define(eq=False)
class KthreadWork:
    """struct kthread_work: what its function is called with is the worker's thread."""

    name: str
    function: Function
    waiting: list[Completion] = attrs.field(factory=list)
    """kthread_flush_work()'s, of those who wait for it."""


class KthreadWorker:
    """struct kthread_worker, and its thread, which has slept since boot when it is first wanted."""

    def __init__(self, system: System, name: str) -> None:
        self._system = system
        self._name = name
        self._list: deque[KthreadWork] = deque()
        self._current: KthreadWork | None = None
        self._thread: Thread | None = None

    @cached_property
    def _lock(self) -> Lock:
        return self._system.lock_factory.make("&worker->lock", LockKind.RAW_SPINLOCK)

    async def kthread_queue_work(self, cpu: Cpu, work: KthreadWork) -> bool:
        """kthread_queue_work(): False when it is on the list already."""
        locks = self._system.locks
        flags = cpu.local_irq_save()
        await locks.raw_spin_lock(cpu, self._lock)
        fresh = work not in self._list
        if fresh:
            self._list.append(work)
            thread = self._task(cpu)
            if self._current is None:
                await cpu.wake_up_process(thread)
        await locks.raw_spin_unlock(cpu, self._lock)
        await cpu.local_irq_restore(flags)
        return fresh

    async def kthread_flush_work(self, thread: Thread, work: KthreadWork) -> None:
        """kthread_flush_work(): sleep until it is neither on the list nor running."""
        system = self._system
        if work not in self._list and work is not self._current:
            return
        done = system.new_completion("kthread_flush_work()")
        work.waiting.append(done)
        await wait_for_completion(system, thread, done)

    def _task(self, cpu: Cpu) -> Thread:
        if self._thread is None:
            self._thread = self._system.create_thread(cpu, self._name[:15], self._main, service=True, bound=False)
        return self._thread

    async def _main(self) -> None:
        """kthread_worker_fn()."""
        system, thread = self._system, self._thread
        assert thread is not None
        while True:
            cpu, flags = thread.local_irq_save()
            await system.locks.raw_spin_lock(cpu, self._lock)
            self._current = self._list.popleft() if self._list else None
            if self._current is None:
                thread.prepare_to_sleep()
            await system.locks.raw_spin_unlock(cpu, self._lock)
            await cpu.local_irq_restore(flags)
            if self._current is not None:
                await self._run(thread, self._current)
            elif thread.state is ThreadState.SLEEPING:
                await thread.sleep("a kthread work")

    async def _run(self, thread: Thread, work: KthreadWork) -> None:
        with thread.working():
            await work.function(thread)
        waiting, work.waiting = work.waiting, []
        for done in waiting:
            await complete(self._system, thread.cpu, done)
