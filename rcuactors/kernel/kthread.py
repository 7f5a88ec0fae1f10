"""kthreadd (kernel/kthread.c): who makes kernel threads, and has to find memory for each.

kthread_create_on_node() allocates a request, queues it, wakes kthreadd and waits, killably, so that khungtaskd says
nothing of it. kthreadd allocates what copy_process() needs: a task_struct and a stack, with GFP_KERNEL. So whoever
wants a thread while memory is short waits for reclaim twice, once by itself and once behind kthreadd, which serves one
request at a time.

Workers of workqueues are made so. Threads that a scenario starts are not: those are taken to exist (docs, assumptions).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs

from ..context.locks import Lock, LockKind
from .completion import Completion, complete, wait_for_completion
from .thread import Thread, ThreadState

if TYPE_CHECKING:
    from .system import System

KTHREADD_PID: Final = 2


class KernelMemory(Protocol):
    """What a new thread is made of; the memory floor has it. All of it with GFP_KERNEL, in the caller's context."""

    async def alloc(self, thread: Thread, size: int, /) -> Any:
        """Something to give back, or None."""
        ...

    async def free(self, thread: Thread, block: Any, /) -> None:
        """Give it back."""
        ...

    async def dup_task_struct(self, thread: Thread, /) -> bool:
        """dup_task_struct(): a task_struct and a stack, for good; false when there is no memory."""
        ...


@attrs.define(eq=False)
class _Request:
    """struct kthread_create_info."""

    make: Callable[[], Thread]
    done: Completion
    result: Thread | None = None


class Kthreadd:
    """kthreadd, and its list. The thread is made when somebody first wants it: until then it has slept since boot."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._list: deque[_Request] = deque()
        self._memory: KernelMemory | None = None
        self._thread: Thread | None = None
        self.created = 0
        self.failed = 0

    @cached_property
    def _lock(self) -> Lock:
        return self._system.lock_factory.make("kthread_create_lock", LockKind.SPINLOCK)

    def takes_memory_from(self, memory: KernelMemory) -> None:
        """Where it allocates."""
        self._memory = memory

    @property
    def memory(self) -> KernelMemory:
        """Where it allocates. Raises RuntimeError on a machine that has no memory."""
        if self._memory is None:
            raise RuntimeError("a machine without a memory floor cannot make threads")
        return self._memory

    async def kthread_create_on_node(self, thread: Thread, make: Callable[[], Thread]) -> Thread | None:
        """kthread_create_on_node(): the new thread, asleep; None is -ENOMEM. May sleep."""
        system, memory = self._system, self.memory
        create = await memory.alloc(thread, 64)
        if create is None:
            self.failed += 1
            return None
        request = _Request(make, system.new_completion("kthreadd"))
        cpu = await system.locks.spin_lock(thread, self._lock)
        self._list.append(request)
        await system.locks.spin_unlock(cpu, self._lock)
        await thread.cpu.wake_up_process(self._kthreadd_task(thread))
        # wait_for_completion_killable(): nobody is killed here, and khungtaskd does not call it hung.
        with thread.interruptibly():
            await wait_for_completion(system, thread, request.done)
        await memory.free(thread, create)
        return request.result

    def _kthreadd_task(self, thread: Thread) -> Thread:
        if self._thread is None:
            cpu = self._system.migration.select_idle_sibling(thread.cpu)
            self._thread = self._system.create_thread(
                cpu, "kthreadd", self._kthreadd, service=True, bound=False, pid=KTHREADD_PID
            )
        return self._thread

    async def _kthreadd(self) -> None:
        """kthreadd(): what follows its first sleep."""
        system, thread = self._system, self._thread
        assert thread is not None
        while True:
            cpu = await system.locks.spin_lock(thread, self._lock)
            while self._list:
                request = self._list.popleft()
                await system.locks.spin_unlock(cpu, self._lock)
                await self._create_kthread(thread, request)
                cpu = await system.locks.spin_lock(thread, self._lock)
            thread.prepare_to_sleep()
            await system.locks.spin_unlock(cpu, self._lock)
            if thread.state is ThreadState.SLEEPING:
                await thread.sleep("threads to make")

    async def _create_kthread(self, thread: Thread, request: _Request) -> None:
        """create_kthread(): copy_process(), then the new thread's own way to its first sleep (kthread())."""
        system = self._system
        with thread.working():
            if await self.memory.dup_task_struct(thread):
                await thread.spend(system.costs.worker_create_ns)
                request.result = request.make()
                self.created += 1
            else:
                self.failed += 1
            await complete(system, thread.cpu, request.done)
