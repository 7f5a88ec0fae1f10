"""What a caller that must not take locks puts off to an irq_work (mm/slub.c: struct deferred_percpu_work).

Each CPU has lockless lists and one irq_work, which empties them in the order in which they were set up: objects that
kfree_nolock() could not free (defer_free()), then those of kfree_rcu_nolock() (defer_kfree_rcu()), then full sheaves
that wait for call_rcu(). v6.18 calls it defer_free_objects, and has the first list only.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ...kernel.irq.irq_work import IrqWork
from ...kernel.percpu import PerCpu

if TYPE_CHECKING:
    from ...kernel.cpu import Cpu
    from ...kernel.system import System
    from ...kernel.thread import Thread

T = TypeVar("T")


class DeferredPercpuWork:
    """The irq_work of each CPU, and the lists that it empties."""

    def __init__(self, system: System, name: str) -> None:
        self._system, self._name = system, name
        self._lists: list[DeferredList[Any]] = []
        self._works = PerCpu(lambda _: IrqWork(name, self._run), system.masks)

    def new_list(self, function: Callable[[Cpu, T], Awaitable[Any]]) -> DeferredList[T]:
        """One more list, and what is done with what is on it."""
        lists: PerCpu[list[T]] = PerCpu(lambda _: [], self._system.masks)
        made = DeferredList(self, function, lists)
        self._lists.append(made)
        return made

    async def add(self, cpu: Cpu, waiting: list[T], what: T) -> None:
        """llist_add() to a list of this CPU's; the first one queues the irq_work. In any context."""
        cpu.preempt_disable(self._name)
        waiting.append(what)
        if len(waiting) == 1:
            await self._system.irq_works.irq_work_queue(cpu, self._works[cpu.cpu_id])
        await cpu.preempt_enable()

    async def barrier(self, thread: Thread) -> None:
        """deferred_work_barrier(), defer_free_barrier() in v6.18: irq_work_sync() of every CPU's."""
        for _, work in self._works.touched():
            await self._system.irq_works.irq_work_sync(thread, work)

    async def _run(self, cpu: Cpu) -> None:
        """deferred_percpu_work_fn(): llist_del_all(), and the function for each."""
        for deferred in self._lists:
            await deferred.run(cpu)


class DeferredList(Generic[T]):
    """One of the lists, of all CPUs."""

    def __init__(
        self, work: DeferredPercpuWork, function: Callable[[Cpu, T], Awaitable[Any]], lists: PerCpu[list[T]]
    ) -> None:
        self._work, self._function, self._lists = work, function, lists

    async def add(self, cpu: Cpu, what: T) -> None:
        """Put it off."""
        await self._work.add(cpu, self._lists[cpu.cpu_id], what)

    async def run(self, cpu: Cpu) -> None:
        """What waits now on this CPU."""
        waiting = self._lists.get(cpu.cpu_id)
        if waiting:
            self._lists[cpu.cpu_id] = []
            for what in waiting:
                await self._function(cpu, what)
