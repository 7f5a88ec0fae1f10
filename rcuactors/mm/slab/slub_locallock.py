"""The slab allocator of v6.1: a CPU's slab is guarded by a local_lock, &c->lock, and each CPU keeps partial slabs.

mm/slub.c: ___slab_alloc(), get_partial_node(), put_cpu_partial(), __unfreeze_partials(), deactivate_slab(),
__slab_free(). The lockless fast paths take no lock: an object off the CPU's list, an object back onto it, an object
back into a slab that some CPU has or that lies half empty. Everything else takes &c->lock, with interrupts off: to get
the CPU another slab, and to put a slab that was full, and is not any more, onto the CPU's list of partial ones. When
that list is long enough, it goes to the node, under n->list_lock. On PREEMPT_RT the local_lock sleeps and there is no
lockless fast path for the CPU's own list.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from ...context.locks import LockKind
from ..gfp import Gfp
from ..objects import PAGE_SIZE, KObject, LifetimeObserver
from . import slub_debug
from .cache import MIN_PARTIAL, Cache, CpuSlab, Place, Slab
from .slab import SlabAllocator

if TYPE_CHECKING:
    from ...kernel.cpu import Cpu
    from ...kernel.system import System
    from ...kernel.thread import Thread
    from ..page.page_alloc import PageAllocator
    from ..rules import MmRules

_home = attrgetter("home")
_address = attrgetter("address")


def cpu_partial_slabs(cache: Cache) -> int:
    """set_cpu_partial(): slabs that a CPU keeps for later, taken to be half full."""
    objects = 6 if cache.size >= PAGE_SIZE else 24 if cache.size >= 1024 else 52 if cache.size >= 256 else 120
    return -(-objects * 2 // cache.per_slab)


class LocalLockSlub(SlabAllocator):
    """&c->lock and lists of partial slabs."""

    def __init__(self, system: System, pages: PageAllocator, observer: LifetimeObserver, rules: MmRules) -> None:
        super().__init__(system, pages, observer, rules)
        self._rt = system.config.PREEMPT_RT
        self.lockless = not self._rt

    def _list_lock_kind(self) -> LockKind:
        return LockKind.SPINLOCK

    # -- &c->lock ----------------------------------------------------------------------------------------------------

    def _new_cpu_slab(self, _cpu_id: int) -> CpuSlab:
        return CpuSlab(lock=self._system.lock_factory.make("&c->lock", LockKind.LOCAL_LOCK))

    async def _lock(self, cpu: Cpu, mine: CpuSlab) -> bool:
        """local_lock_irqsave(): interrupts off, and lockdep is told; on PREEMPT_RT a sleeping lock."""
        assert mine.lock is not None
        if self._rt:
            await self._system.locks.local_lock(cpu, mine.lock)
            return False
        flags = cpu.local_irq_save("local_lock_irqsave")
        if self._system.lockdep.on:
            self._system.lockdep.acquire(cpu, mine.lock)
        mine.lock.owner = cpu.current
        if self._system.probes.locks.on:
            self._system.since.lock_taken(cpu, mine.lock, 0)
        return flags

    async def try_lock(self, cpu: Cpu, mine: CpuSlab) -> bool | None:
        """local_trylock_irqsave(): without PREEMPT_RT only an NMI can find it taken."""
        assert mine.lock is not None
        if self._rt:
            return False if self._system.locks.spin_trylock(cpu, mine.lock) else None
        if mine.lock.owner is not None:
            return None
        flags = cpu.local_irq_save("local_trylock_irqsave")
        if self._system.lockdep.on:
            self._system.lockdep.acquire(cpu, mine.lock, trylock=True)
        mine.lock.owner = cpu.current
        if self._system.probes.locks.on:
            self._system.since.lock_taken(cpu, mine.lock, 0)
        return flags

    async def unlock(self, cpu: Cpu, mine: CpuSlab, flags: bool) -> None:
        """local_unlock_irqrestore()."""
        assert mine.lock is not None
        if self._rt:
            await self._system.locks.spin_unlock(cpu, mine.lock)
            return
        if self._system.probes.locks.on:
            self._system.since.lock_let_go(cpu, mine.lock, cpu.current)
        mine.lock.owner = None
        if self._system.lockdep.on:
            self._system.lockdep.release(cpu, mine.lock)
        await cpu.local_irq_restore(flags)

    async def lock_cpu_slab(self, cpu: Cpu, mine: CpuSlab) -> bool:
        """local_lock_cpu_slab()."""
        return await self._lock(cpu, mine)

    def _pin(self, thread: Thread) -> Cpu:
        """slub_get_cpu_ptr()."""
        return thread.migrate_disable() if self._rt else thread.preempt_disable("slab_alloc_slow")

    async def _unpin(self, cpu: Cpu) -> None:
        """slub_put_cpu_ptr()."""
        if self._rt:
            cpu.migrate_enable()
        else:
            await cpu.preempt_enable()

    # -- allocating --------------------------------------------------------------------------------------------------

    async def slab_alloc_slow(self, thread: Thread, cache: Cache, gfp: Gfp) -> tuple[Slab, int] | None:
        """___slab_alloc(), with the task pinned but for the time in the page allocator."""
        if self.debugged:
            return await slub_debug.slab_alloc(self, thread, cache, gfp)
        cpu = self._pin(thread)
        mine = self.cpu_slab(cpu, cache)
        taken = await self._from_this_cpu(cpu, mine)
        if taken is None:
            cpu.clock += self._system.costs.kmalloc_slow_ns
            slab = await self._get_partial(cpu, cache, mine) if cache.partial else None
            if slab is None:
                await self._unpin(cpu)
                slab = await self.new_slab(thread, cache, gfp)
                cpu = self._pin(thread)
                mine = self.cpu_slab(cpu, cache)
            if slab is not None:
                taken = await self._load(cpu, mine, slab)
        await self._unpin(cpu)
        return taken

    async def _from_this_cpu(self, cpu: Cpu, mine: CpuSlab) -> tuple[Slab, int] | None:
        """What was freed into the CPU's slab by others (get_freelist()), else its partial slabs, newest first."""
        while mine.slab is not None or mine.partial:
            flags = await self._lock(cpu, mine)
            if mine.slab is None and mine.partial:
                mine.slab, mine.free = mine.partial.pop(), []
                cpu.clock += self._system.costs.kmalloc_slow_ns
            if mine.slab is not None and not mine.free:
                mine.free, mine.slab.free = mine.slab.free, []
            taken = self._take(mine) if mine.free else None
            if taken is None and mine.slab is not None:
                # All its objects are given out. No list has it; who frees into it will put it on one.
                mine.slab.frozen, mine.slab = False, None
            await self.unlock(cpu, mine, flags)
            if taken is not None:
                return taken
        return None

    async def _load(self, cpu: Cpu, mine: CpuSlab, slab: Slab) -> tuple[Slab, int]:
        """Make a slab the CPU's own; one that has come there meanwhile is put away first."""
        flags = await self._lock(cpu, mine)
        while mine.slab is not None:
            other, free = mine.slab, mine.free
            mine.slab, mine.free = None, []
            await self.unlock(cpu, mine, flags)
            await self._deactivate_slab(cpu.current, other, free)
            flags = await self._lock(cpu, mine)
        self.load(mine, slab)
        taken = self._take(mine)
        await self.unlock(cpu, mine, flags)
        return taken

    def load(self, mine: CpuSlab, slab: Slab) -> None:
        """Its list becomes the CPU's; what others free into it collects in the slab (get_freelist())."""
        mine.slab, mine.free, slab.free = slab, slab.free, []

    @staticmethod
    def _take(mine: CpuSlab) -> tuple[Slab, int]:
        assert mine.slab is not None
        mine.slab.in_use += 1
        return mine.slab, mine.free.pop()

    async def _get_partial(self, cpu: Cpu, cache: Cache, mine: CpuSlab) -> Slab | None:
        """get_partial(), get_partial_node(): one for now and, up to half of what it may keep, some for later."""
        _, flags = await self._lock_list(cpu.current, cache)
        first: Slab | None = None
        kept = 0
        while cache.partial and kept <= cpu_partial_slabs(cache) // 2:
            slab = cache.partial[next(iter(cache.partial))]
            self._unlist(slab)
            slab.frozen = True
            if first is None:
                first = slab
            else:
                await self._put_cpu_partial(cpu, mine, slab, drain=False)
                kept += 1
        await self._unlock_list(cpu, cache, flags)
        return first

    async def flush_this_cpu_slab(self, cpu: Cpu, cache: Cache) -> None:
        """flush_this_cpu_slab(): flush_slab() and unfreeze_partials(), in a task."""
        thread, mine = cpu.current, self.cpu_slab(cpu, cache)
        flags = await self._lock(cpu, mine)
        slab, free, partial = mine.slab, mine.free, mine.partial
        mine.slab, mine.free, mine.partial = None, [], []
        await self.unlock(cpu, mine, flags)
        if slab is not None:
            await self._deactivate_slab(thread, slab, free)
        if partial:
            await self._unfreeze_partials(thread, cache, partial)

    async def _deactivate_slab(self, thread: Thread, slab: Slab, free: list[int]) -> None:
        """deactivate_slab(): the CPU's list back into the slab, and that onto the node's list, or away."""
        slab.free += free
        if slab.free:
            await self._unfreeze_partials(thread, slab.cache, [slab])
        else:
            slab.frozen = False

    async def flush_cpu_slab(self, thread: Thread, cache: Cache, cpu_id: int) -> None:
        """__flush_cpu_slab(): the CPU's slab and its partial ones; the CPU is dead, so no lock of its own is taken."""
        mine = cache.cpus[cpu_id]
        slab, free, partial = mine.slab, mine.free, mine.partial
        mine.slab, mine.free, mine.partial = None, [], []
        if slab is not None:
            await self._deactivate_slab(thread, slab, free)
        if partial:
            await self._unfreeze_partials(thread, cache, partial)

    # -- freeing -----------------------------------------------------------------------------------------------------

    async def _give_back(self, thread: Thread, items: Sequence[KObject | Place]) -> None:
        """do_slab_free() for each run of objects of one slab."""
        for slab, group in groupby(items, _home):
            assert isinstance(slab, Slab)
            addresses = list(map(_address, group))
            cpu = thread.cpu
            mine = slab.cache.cpus.get(cpu.cpu_id)
            if mine is None or mine.slab is not slab:
                await self._slab_free(thread, slab, addresses)
            elif self.lockless:
                mine.free += addresses
                slab.in_use -= len(addresses)
            else:
                await self._free_under_lock(cpu, mine, slab, addresses)
        cpu = thread.cpu
        if cpu.clock >= cpu.conductor.horizon:
            await cpu.point()

    async def _free_under_lock(self, cpu: Cpu, mine: CpuSlab, slab: Slab, addresses: list[int]) -> None:
        """PREEMPT_RT's way to free into the CPU's own slab."""
        thread = cpu.current
        flags = await self._lock(cpu, mine)
        still_mine = mine.slab is slab
        if still_mine:
            mine.free += addresses
            slab.in_use -= len(addresses)
        await self.unlock(cpu, mine, flags)
        if not still_mine:
            await self._slab_free(thread, slab, addresses)

    async def _slab_free(self, thread: Thread, slab: Slab, addresses: list[int]) -> None:
        """__slab_free(): into a slab that is not this CPU's own."""
        if self.debugged:
            if await slub_debug.free_to_partial_list(self, thread, slab, addresses):
                await self._pages.free_page(thread, slab.pfn)
            return
        was_full = not slab.free
        slab.free += addresses
        slab.in_use -= len(addresses)
        if slab.frozen:
            return
        if was_full:
            slab.frozen = True
            cpu = thread.cpu
            await self._put_cpu_partial(cpu, self.cpu_slab(cpu, slab.cache), slab, drain=True)
        elif not slab.in_use:
            await self._slab_empty(thread, slab)

    async def _put_cpu_partial(self, cpu: Cpu, mine: CpuSlab, slab: Slab, *, drain: bool) -> None:
        """put_cpu_partial(): onto the CPU's list; with `drain`, one that is long enough goes to the node first."""
        thread = cpu.current
        flags = await self._lock(cpu, mine)
        overflow: list[Slab] = []
        if drain and len(mine.partial) >= cpu_partial_slabs(slab.cache):
            overflow, mine.partial = mine.partial, []
        mine.partial.append(slab)
        await self.unlock(cpu, mine, flags)
        if overflow:
            await self._unfreeze_partials(thread, slab.cache, overflow)

    async def _unfreeze_partials(self, thread: Thread, cache: Cache, slabs: list[Slab]) -> None:
        """__unfreeze_partials(): to the node's list; the empty ones away, when that is long enough."""
        cpu, flags = await self._lock_list(thread, cache)
        discarded: list[Slab] = []
        for slab in reversed(slabs):
            slab.frozen = False
            if not slab.in_use and len(cache.partial) >= MIN_PARTIAL:
                discarded.append(slab)
            else:
                self._list_partial(slab)
        cache.slabs -= len(discarded)
        await self._unlock_list(cpu, cache, flags)
        for slab in discarded:
            await self._pages.free_page(thread, slab.pfn)

    async def _slab_empty(self, thread: Thread, slab: Slab) -> None:
        """The last object of a slab on the node's list has come back."""
        cache = slab.cache
        cpu, flags = await self._lock_list(thread, cache)
        gone = slab.listed and not slab.in_use and len(cache.partial) >= MIN_PARTIAL
        if gone:
            self._unlist(slab)
            cache.slabs -= 1
        await self._unlock_list(cpu, cache, flags)
        if gone:
            await self._pages.free_page(thread, slab.pfn)
