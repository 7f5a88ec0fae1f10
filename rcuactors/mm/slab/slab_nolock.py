"""kmalloc_nolock() and kfree_nolock() (mm/slub.c, commit af92793e52c3): slab objects for any context, NMI included.

Every lock on the way is only tried: that of the CPU's slab, n->list_lock, those of the page allocator (ALLOC_TRYLOCK).
A CPU's slab that is being worked on is found busy by who has interrupted that work, on PREEMPT_RT also by a task that
has preempted it; then the next larger kmalloc cache is tried, once. On PREEMPT_RT the trylock of a sleeping lock is
itself not allowed in NMI and hardirq, so there the answer is NULL at once. Freeing is put off to an irq_work
(defer_free()), always: the kernel tries to free at once first.

In between, commit a4ae75d1b6a2 made it return NULL in every context of PREEMPT_RT that is not preemptible, until the
sheaves of 7.0 needed no lock that waits any more. The model has the later rule. The CPU's slab stays locked here while
a page is asked for, which the kernel does without.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from ...context import preempt
from ...kernel.irq.irq_work import IrqWork
from ...kernel.locking.irqsave import spin_trylock_irqsave, spin_unlock_irqrestore
from ...kernel.percpu import PerCpu
from ..gfp import Gfp
from ..objects import KObject
from ..page.no_locks import Route
from .slab import SIZES, Cache, CpuSlab, Slab, SlabAllocator

if TYPE_CHECKING:
    from ...kernel.cpu import Cpu
    from ...kernel.system import System

_GFP: Final = Gfp.NOWARN | Gfp.NOMEMALLOC | Gfp.ZERO
"""What alloc_pages_nolock() asks with: no bit of __GFP_RECLAIM."""

T = TypeVar("T")


def may_trylock(cpu: Cpu) -> bool:
    """Whether a sleeping lock of PREEMPT_RT may be tried here; a spinning one may be everywhere."""
    interrupts = cpu.ctx.preempt_count & (preempt.NMI_MASK | preempt.HARDIRQ_MASK)
    return not (cpu.system.config.PREEMPT_RT and interrupts)


async def kmalloc_nolock(slabs: SlabAllocator, cpu: Cpu, size: int) -> KObject | None:
    """kmalloc_nolock(): an object of `size` bytes or a little more, of which the observer does not hear, or None."""
    if not may_trylock(cpu):
        return None
    cpu.clock += cpu.system.costs.kmalloc_ns
    for _ in range(2):
        if size > SIZES[-1]:
            break
        cache = slabs.cache_for(size)
        mine = slabs.cpu_slab(cpu, cache)
        flags = await slabs.try_lock(cpu, mine)
        if flags is not None:
            taken = await _take(slabs, cpu, cache, mine)
            await slabs.unlock(cpu, mine, flags)
            return taken
        size = cache.size + 1
    return None


async def _take(slabs: SlabAllocator, cpu: Cpu, cache: Cache, mine: CpuSlab) -> KObject | None:
    """Off the CPU's list, else off the slabs that it keeps for later, else off a partial or a new one."""
    while not mine.free:
        if mine.slab is not None and mine.slab.free:
            mine.free, mine.slab.free = mine.slab.free, []
            continue
        if mine.slab is not None:
            # Who frees into it from now on does not free into the CPU's list.
            mine.slab.frozen, mine.slab, mine.free = False, None, []
        following = mine.partial.pop() if mine.partial else await _partial(cpu, cache)
        following = following or await slabs.new_slab(cpu.current, cache, _GFP, Route.TRY)
        if following is None:
            return None
        slabs.load(mine, following)
    assert mine.slab is not None
    mine.slab.in_use += 1
    return KObject(mine.free.pop(), cache.size, mine.slab, (_take.__code__, 0))


async def _partial(cpu: Cpu, cache: Cache) -> Slab | None:
    """get_partial_node(), if n->list_lock is free."""
    locks = cpu.system.locks
    flags = await spin_trylock_irqsave(locks, cpu, cache.list_lock, "get_partial_node") if cache.partial else None
    if flags is None:
        return None
    found = None
    if cache.partial:
        _, found = cache.partial.popitem()
        found.listed, found.frozen = False, True
    await spin_unlock_irqrestore(locks, cpu, cache.list_lock, flags)
    return found


class DeferredWork(Generic[T]):
    """struct deferred_percpu_work: a lockless list for each CPU, which an irq_work empties on that CPU."""

    def __init__(self, system: System, name: str, function: Callable[[Cpu, T], Awaitable[Any]]) -> None:
        self._system = system
        self._name = name
        self._function = function
        self._lists: PerCpu[list[T]] = PerCpu(lambda _: [], system.masks)
        self._works = PerCpu(lambda _: IrqWork(name, self._run), system.masks)

    async def add(self, cpu: Cpu, what: T) -> None:
        """llist_add(); the first one queues the irq_work. In any context."""
        cpu.preempt_disable(self._name)
        waiting = self._lists[cpu.cpu_id]
        waiting.append(what)
        if len(waiting) == 1:
            await self._system.irq_works.irq_work_queue(cpu, self._works[cpu.cpu_id])
        await cpu.preempt_enable()

    async def _run(self, cpu: Cpu) -> None:
        """llist_del_all(), and the function for each."""
        waiting, self._lists[cpu.cpu_id] = self._lists[cpu.cpu_id], []
        for what in waiting:
            await self._function(cpu, what)
