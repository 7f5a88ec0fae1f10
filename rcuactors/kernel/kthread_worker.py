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
from .completion import complete, wait_for_completion
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


class KthreadWorker:
    """struct kthread_worker, and its thread, which has slept since boot when it is first wanted."""

    def __init__(self, system: System, name: str, *, cpus: range | None = None) -> None:
        """`cpus`: those that its thread keeps to (set_cpus_allowed_ptr()), if it does."""
        self._system = system
        self._name = name
        self._cpus = cpus
        self._list: deque[KthreadWork] = deque()
        self._current: KthreadWork | None = None
        self._thread: Thread | None = None

    @cached_property
    def _lock(self) -> Lock:
        return self._system.lock_factory.make("&worker->lock", LockKind.RAW_SPINLOCK)

    async def kthread_queue_work(self, cpu: Cpu, work: KthreadWork) -> bool:
        """kthread_queue_work(): False when it is on the list already."""
        flags = cpu.local_irq_save()
        await self._system.locks.raw_spin_lock(cpu, self._lock)
        fresh = work not in self._list
        if fresh:
            await self._kthread_insert_work(cpu, work, len(self._list))
        await self._system.locks.raw_spin_unlock(cpu, self._lock)
        await cpu.local_irq_restore(flags)
        return fresh

    async def _kthread_insert_work(self, cpu: Cpu, work: KthreadWork, place: int) -> None:
        """kthread_insert_work(): at that place of the list, with the lock held."""
        self._list.insert(place, work)
        thread = self._task(cpu)
        if self._current is None:
            await cpu.wake_up_process(thread)

    async def kthread_flush_work(self, thread: Thread, work: KthreadWork) -> None:
        """kthread_flush_work(): sleep until it is neither on the list nor running: a work behind it says so."""
        system, done = self._system, self._system.new_completion("kthread_flush_work()")

        async def kthread_flush_work_fn(worker: Thread) -> None:
            await complete(system, worker.cpu, done)

        cpu, flags = thread.local_irq_save()
        await system.locks.raw_spin_lock(cpu, self._lock)
        waits = work in self._list or work is self._current
        if waits:
            place = self._list.index(work) + 1 if work in self._list else 0
            await self._kthread_insert_work(cpu, KthreadWork("kthread_flush_work_fn", kthread_flush_work_fn), place)
        await system.locks.raw_spin_unlock(cpu, self._lock)
        await cpu.local_irq_restore(flags)
        if waits:
            await wait_for_completion(system, thread, done)

    def _task(self, cpu: Cpu) -> Thread:
        if self._thread is None:
            home = cpu if self._cpus is None or cpu.cpu_id in self._cpus else self._system.cpu(self._home(self._cpus))
            self._thread = self._system.create_thread(home, self._name[:15], self._main, service=True, bound=False)
            self._thread.cpus_allowed = frozenset(self._cpus) if self._cpus is not None else None
        return self._thread

    def _home(self, cpus: range) -> int:
        """The first of those CPUs that threads may be put on."""
        active = self._system.masks.active
        return next((cpu_id for cpu_id in cpus if cpu_id in active), active[0] if isinstance(active, range) else 0)

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
                with thread.working():
                    await self._current.function(thread)
            elif thread.state is ThreadState.SLEEPING:
                await thread.sleep("a kthread work")
