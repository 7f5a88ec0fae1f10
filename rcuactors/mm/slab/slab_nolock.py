"""kmalloc_nolock() and kfree_nolock() (mm/slub.c, commit af92793e52c3): slab objects for any context, NMI included.

Every lock on the way is only tried: that of the CPU's slab, n->list_lock, those of the page allocator (ALLOC_TRYLOCK).
A CPU's slab that is being worked on is found busy by who has interrupted that work, on PREEMPT_RT also by a task that
has preempted it; then the next larger kmalloc cache is tried, once. On PREEMPT_RT the trylock of a sleeping lock is
itself not allowed in NMI and hardirq, so there the answer is NULL at once. Freeing is put off to an irq_work
(deferred.py), but for what a sheaf of 7.0 takes at once: v6.18, too, tries the CPU's own slab first.

v6.18 takes &c->lock really on PREEMPT_RT, with preemption off as well, where it must not; commits 99a3e3a1cfc9 and
a4ae75d1b6a2 made it return NULL in every context of PREEMPT_RT that is not preemptible, until the sheaves of 7.0 needed
no lock that waits any more: `NolockContexts` of rules.py. A design that brings it to an older version has the last. The
CPU's slab stays locked here while a page is asked for, which the kernel does without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...context import preempt
from ...kernel.locking.irqsave import spin_trylock_irqsave, spin_unlock_irqrestore
from ..gfp import Gfp
from ..objects import KObject
from ..page.no_locks import Route
from .cache import SIZES, Cache, CpuSlab, Slab
from .rules import NolockContexts
from .slab import SlabAllocator

if TYPE_CHECKING:
    from ...kernel.cpu import Cpu

_GFP: Final = Gfp.NOWARN | Gfp.NOMEMALLOC | Gfp.ZERO
"""What alloc_pages_nolock() asks with: no bit of __GFP_RECLAIM."""


def may_trylock(cpu: Cpu) -> bool:
    """Whether a sleeping lock of PREEMPT_RT may be tried here; a spinning one may be everywhere."""
    interrupts = cpu.ctx.preempt_count & (preempt.NMI_MASK | preempt.HARDIRQ_MASK)
    return not (cpu.system.config.PREEMPT_RT and interrupts)


async def kmalloc_nolock(slabs: SlabAllocator, cpu: Cpu, size: int) -> KObject | None:
    """kmalloc_nolock(): an object of `size` bytes or a little more, of which the observer does not hear, or None."""
    if not _may_be_called(slabs, cpu):
        return None
    thread = cpu.current
    cpu.clock += cpu.system.costs.kmalloc_ns
    for _ in range(2):
        if size > SIZES[-1]:
            break
        cache, cpu = slabs.cache_for(size), thread.cpu
        busy, taken = await (_from_cpu_slab(slabs, cpu, cache) if slabs.cpu_slabs else slabs.nolock_alloc(cpu, cache))
        if taken is not None:
            slab, address = taken
            return KObject(address, cache.size, slab, (kmalloc_nolock.__code__, 0))
        if not busy:
            break
        size = cache.size + 1
    return None


def _may_be_called(slabs: SlabAllocator, cpu: Cpu) -> bool:
    """The tests of the caller's context."""
    if slabs.rules.kmalloc_nolock is NolockContexts.PREEMPTIBLE and cpu.system.config.PREEMPT_RT:
        return cpu.ctx.preemptible()
    return may_trylock(cpu)


async def _from_cpu_slab(slabs: SlabAllocator, cpu: Cpu, cache: Cache) -> tuple[bool, tuple[Slab, int] | None]:
    """Where CPUs have slabs: whether the CPU's was found taken, so that a larger cache may be tried, and the object."""
    mine = slabs.cpu_slab(cpu, cache)
    flags: bool | None
    if slabs.rules.kmalloc_nolock is NolockContexts.NOT_IN_IRQ and cpu.system.config.PREEMPT_RT:
        # Only an NMI looks whether it is taken (local_lock_is_locked()).
        flags = await slabs.lock_cpu_slab(cpu, mine)
    else:
        flags = await slabs.try_lock(cpu, mine)
    if flags is None:
        return True, None
    taken = await _take(slabs, cpu, cache, mine)
    await slabs.unlock(cpu, mine, flags)
    return False, taken


async def _take(slabs: SlabAllocator, cpu: Cpu, cache: Cache, mine: CpuSlab) -> tuple[Slab, int] | None:
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
        if cpu.system.config.slub_debug and not await _debug_new_slab(slabs, cpu, following):
            if slabs.rules.kmalloc_nolock_retries:
                continue
            return None
        slabs.load(mine, following)
    assert mine.slab is not None
    mine.slab.in_use += 1
    return mine.slab, mine.free.pop()


async def _debug_new_slab(slabs: SlabAllocator, cpu: Cpu, slab: Slab) -> bool:
    """alloc_single_from_new_slab(), with slub_debug: the slab is lost if n->list_lock is taken."""
    if slab.in_use:
        # A partial one.
        return True
    locks, cache = cpu.system.locks, slab.cache
    flags = await spin_trylock_irqsave(locks, cpu, cache.list_lock, "alloc_single_from_new_slab")
    if flags is not None:
        await spin_unlock_irqrestore(locks, cpu, cache.list_lock, flags)
        return True
    await slabs.discard_nolock(cpu, slab)
    return False


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
