"""KASAN's auxiliary stacks: who gave an object to call_rcu() or to kvfree_rcu() last.

mm/kasan/generic.c, kasan_record_aux_stack(), and lib/stackdepot.c, stack_depot_save(), as v5.9 to v6.1 have them. An
object in a slab has room for two such stacks; what lies elsewhere, a per-CPU variable or a vmalloc()ed area, has none,
and of that nothing is saved. The call asks for memory with GFP_NOWAIT, whatever its caller holds.

The depot is an array of slabs of four pages. What it has is found without a lock. A new stack goes to the end of the
slab in use, under depot_lock; the next slab is asked for ahead, by the first new stack that comes once the last one
was begun, so most new stacks need no memory. Nothing is ever taken out.

Two mistakes were here. depot_lock was a spinlock_t (raw since commit 78564b943487, v5.14): a new stack under a raw lock
took one. And the page allocator's locks are such, too (commit 300c0c5e7218, v5.17: RCU's two callers say that nothing
is to be allocated). A version with both mends takes a raw lock at the very end of the order, for a moment: there this
file has nothing to do, and such a kernel is built without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..context.locks import LockKind
from ..context.trace import call_trace
from ..kernel.locking.irqsave import spin_lock_irqsave, spin_unlock_irqrestore
from .gfp import GFP_ATOMIC, GFP_KERNEL, GFP_NOWAIT, GFP_NOWARN
from .objects import PAGE_SIZE, KObject
from .page.no_locks import Route

if TYPE_CHECKING:
    from ..context.memory import Memory
    from ..kernel.system import System
    from ..kernel.thread import Thread
    from .page.page_alloc import PageAllocator
    from .rules import MmRules

STACK_ALLOC_SIZE: Final = PAGE_SIZE << 2
"""Bytes of a slab of the depot (STACK_ALLOC_ORDER)."""
_RECORD: Final = 24
"""struct stack_record, without its entries of eight bytes each."""
_ALIGN: Final = 16
_FLAGS: Final = GFP_NOWAIT & (GFP_ATOMIC | GFP_KERNEL) | GFP_NOWARN
_LARGEST_IN_A_SLAB: Final = 2 * PAGE_SIZE
"""Larger objects are pages of their own (KMALLOC_MAX_CACHE_SIZE)."""


class StackDepot:
    """The depot. `allocations` counts the slabs that it has asked for."""

    def __init__(self, system: System, pages: PageAllocator, rules: MmRules) -> None:
        self._system, self._pages = system, pages
        self._lock = system.lock_factory.make("depot_lock", rules.depot_lock)
        self._stacks: set[tuple[str, ...]] = set()
        self._left = STACK_ALLOC_SIZE
        self._in_use = True
        """stack_slabs[depot_index] is there."""
        self._next_slab_inited = not system.config.stack_depot_full
        self.allocations = 0

    async def stack_depot_save(self, thread: Thread, stack: tuple[str, ...], *, can_alloc: bool) -> None:
        """stack_depot_save(), with GFP_NOWAIT."""
        if stack in self._stacks:
            return
        page = None
        if can_alloc and not self._next_slab_inited:
            self.allocations += 1
            page = await self._pages.get_free_page(thread, _FLAGS, Route.ZONE)
        locks = self._system.locks
        cpu, flags = await spin_lock_irqsave(locks, thread, self._lock, "stack_depot_save")
        if stack not in self._stacks and self._depot_alloc_stack(len(stack), slab=page is not None):
            self._stacks.add(stack)
        await spin_unlock_irqrestore(locks, cpu, self._lock, flags)

    def _depot_alloc_stack(self, entries: int, *, slab: bool) -> bool:
        """depot_alloc_stack(), init_stack_slab(): whether there is room. `slab`: the caller has brought one."""
        size = -(-(_RECORD + 8 * entries) // _ALIGN) * _ALIGN
        if size > self._left:
            self._left = STACK_ALLOC_SIZE
            self._in_use, self._next_slab_inited = self._next_slab_inited, False
        if slab and not self._next_slab_inited:
            self._next_slab_inited = self._in_use
            self._in_use = True
        if self._in_use:
            self._left -= size
        return self._in_use


class KasanAuxStacks:
    """kasan_record_aux_stack()."""

    def __init__(self, system: System, pages: PageAllocator, rules: MmRules, *, can_alloc: bool) -> None:
        self._cost_ns, self._can_alloc = system.costs.stack_save_ns, can_alloc
        self.depot = StackDepot(system, pages, rules)

    async def kasan_record_aux_stack(self, thread: Thread, memory: Memory | None) -> None:
        """kasan_record_aux_stack(), or its form that does not allocate. `memory` is where the address lies."""
        if not isinstance(memory, KObject) or memory.is_vmalloc or memory.size > _LARGEST_IN_A_SLAB:
            return
        thread.cpu.clock += self._cost_ns
        await self.depot.stack_depot_save(thread, tuple(call_trace()), can_alloc=self._can_alloc)


def save_aux_stacks(system: System, pages: PageAllocator, rules: MmRules, *, can_alloc: bool) -> None:
    """Have them saved, in a kernel with KASAN, where that can do harm."""
    harmless = not can_alloc and rules.depot_lock is LockKind.RAW_SPINLOCK
    if system.config.KASAN and not harmless:
        stacks = KasanAuxStacks(system, pages, rules, can_alloc=can_alloc)
        system.hooks.saves_stack_by(stacks.kasan_record_aux_stack)
