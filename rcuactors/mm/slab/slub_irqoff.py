"""The slab allocator of v5.9 to v5.11: a CPU's slab is its own while interrupts are off, and no lock guards it.

mm/slub.c: ___slab_alloc(), get_partial_node(), __slab_free(). Taking over a partial slab, and giving an empty one back
to the page allocator, go under n->list_lock, a spinlock_t (on PREEMPT_RT raw, as the patches of that time have it).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from ...context import preempt
from ...context.locks import LockKind
from ..gfp import Gfp
from ..objects import KObject
from . import slub_debug
from .cache import MIN_PARTIAL, Cache, CpuSlab, Place, Slab
from .slab import SlabAllocator

if TYPE_CHECKING:
    from ...kernel.cpu import Cpu
    from ...kernel.thread import Thread

_home = attrgetter("home")
_address = attrgetter("address")


class IrqOffSlub(SlabAllocator):
    """No lock but n->list_lock, and no partial slabs of a CPU's own."""

    def _list_lock_kind(self) -> LockKind:
        return LockKind.RAW_SPINLOCK if self._system.config.PREEMPT_RT else LockKind.SPINLOCK

    def _new_cpu_slab(self, _cpu_id: int) -> CpuSlab:
        return CpuSlab()

    async def try_lock(self, cpu: Cpu, _mine: CpuSlab) -> bool | None:
        """Interrupts off is all there is. That keeps no NMI away and shows it nothing: None there [analysis]."""
        return None if preempt.in_nmi(cpu.ctx.preempt_count) else cpu.local_irq_save("local_trylock_irqsave")

    async def unlock(self, cpu: Cpu, _mine: CpuSlab, flags: bool) -> None:
        """Interrupts as they were."""
        await cpu.local_irq_restore(flags)

    def load(self, mine: CpuSlab, slab: Slab) -> None:
        """The slab's list is the CPU's."""
        mine.slab, mine.free = slab, slab.free

    async def slab_alloc_slow(self, thread: Thread, cache: Cache, gfp: Gfp) -> tuple[Slab, int] | None:
        """___slab_alloc(): retire the CPU's slab, take over a partial one, or a fresh page."""
        if self.debugged:
            return await slub_debug.slab_alloc(self, thread, cache, gfp)
        mine = self.cpu_slab(thread.cpu, cache)
        if mine.slab is not None:
            # What is freed into it from now on is not this CPU's.
            mine.slab.frozen = False
            mine.slab, mine.free = None, []
        thread.cpu.clock += self._system.costs.kmalloc_slow_ns
        slab = await self._get_partial(thread, cache) if cache.partial else None
        if slab is None:
            slab = await self.new_slab(thread, cache, gfp)
            if slab is None:
                return None
        # Not necessarily the CPU that was left.
        mine = self.cpu_slab(thread.cpu, cache)
        if mine.slab is not None:
            # An interrupt, or whoever ran while we waited for memory, has filled the CPU's place meanwhile.
            slab.frozen = False
            self._list_partial(slab)
            return self._take(mine) if mine.free else await self.slab_alloc_slow(thread, cache, gfp)
        self.load(mine, slab)
        return self._take(mine)

    @staticmethod
    def _take(mine: CpuSlab) -> tuple[Slab, int]:
        assert mine.slab is not None
        mine.slab.in_use += 1
        return mine.slab, mine.free.pop()

    async def _get_partial(self, thread: Thread, cache: Cache) -> Slab | None:
        """get_partial(), under n->list_lock."""
        cpu, flags = await self._lock_list(thread, cache)
        slab = None
        if cache.partial:
            # Frozen from here on: whoever frees into it meanwhile must not put it on the list again.
            _, slab = cache.partial.popitem()
            slab.listed, slab.frozen = False, True
        await self._unlock_list(cpu, cache, flags)
        return slab

    async def flush_cpu_slab(self, thread: Thread, cache: Cache, cpu_id: int) -> None:
        """__flush_cpu_slab(): the slab is retired; one that is full nobody has, until something is freed into it."""
        mine = cache.cpus[cpu_id]
        slab, mine.slab, mine.free = mine.slab, None, []
        if slab is None:
            return
        slab.frozen = False
        if slab.free:
            cpu, flags = await self._lock_list(thread, cache)
            self._list_partial(slab)
            await self._unlock_list(cpu, cache, flags)
            if not slab.in_use:
                await self._discard(thread, slab)

    async def flush_this_cpu_slab(self, cpu: Cpu, cache: Cache) -> None:
        """flush_this_cpu_slab(), which is flush_cpu_slab() on the CPU itself in these versions."""
        if cpu.cpu_id in cache.cpus:
            await self.flush_cpu_slab(cpu.current, cache, cpu.cpu_id)

    async def _give_back(self, thread: Thread, items: Sequence[KObject | Place]) -> None:
        empty: list[Slab] = []
        for slab, group in groupby(items, _home):
            assert isinstance(slab, Slab)
            before = len(slab.free)
            slab.free.extend(map(_address, group))
            slab.in_use -= len(slab.free) - before
            if slab.frozen:
                continue
            if not slab.listed:
                self._list_partial(slab)
            if not slab.in_use:
                empty.append(slab)
        for slab in empty:
            await self._discard(thread, slab)
        cpu = thread.cpu
        if cpu.clock >= cpu.conductor.horizon:
            await cpu.point()

    async def _discard(self, thread: Thread, slab: Slab) -> None:
        """An empty slab goes back to the page allocator when the cache has partial ones enough."""
        cache = slab.cache
        if len(cache.partial) <= MIN_PARTIAL:
            return
        cpu, flags = await self._lock_list(thread, cache)
        gone = slab.listed and not slab.in_use and not slab.frozen and len(cache.partial) > MIN_PARTIAL
        if gone:
            self._unlist(slab)
            cache.slabs -= 1
        await self._unlock_list(cpu, cache, flags)
        if gone:
            await self._pages.free_page(thread, slab.pfn)
