"""kmalloc() and kfree() (mm/slub.c of v5.9 to v5.11).

A slab is one page. Each CPU has a current one, each cache a list of partial ones. The fast paths touch the CPU's own
slab and take no lock. Taking over a partial slab, and giving an empty one back to the page allocator, go under
n->list_lock, a spinlock_t (on PREEMPT_RT raw, as the patches of that time have it). A cache keeps `MIN_PARTIAL` slabs
however empty.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from sys import _getframe
from types import CodeType
from typing import TYPE_CHECKING, Final

import attrs

from ..context.locks import Lock, LockKind
from ..errors import BadInput
from .gfp import GFP_KERNEL, Gfp, may_block
from .objects import PAGE_OFFSET, PAGE_SIZE, KObject, LifetimeObserver

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kernel.system import System
    from .page_alloc import PageAllocator

SIZES: Final = (8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096)
MIN_PARTIAL: Final = 5

_home = attrgetter("home")
_address = attrgetter("address")


@attrs.define(eq=False)
class Slab:
    """One page of objects.

    `free` are the addresses that are not given out, unless the slab is some CPU's current one, which then owns them.
    """

    cache: Cache
    pfn: int
    free: list[int]
    in_use: int = 0
    current: bool = False
    listed: bool = False


@attrs.define(eq=False)
class _CpuSlab:
    """struct kmem_cache_cpu."""

    slab: Slab | None = None
    free: list[int] = attrs.field(factory=list)


@attrs.define(eq=False)
class Cache:
    """struct kmem_cache with its node. `partial` holds slabs with some, or all, of their objects free."""

    name: str
    size: int
    list_lock: Lock
    partial: dict[int, Slab] = attrs.field(factory=dict)
    cpus: dict[int, _CpuSlab] = attrs.field(factory=dict)
    slabs: int = 0

    @property
    def per_slab(self) -> int:
        """Objects in a slab."""
        return PAGE_SIZE // self.size

    def cpu(self, cpu_id: int) -> _CpuSlab:
        """The CPU's part."""
        found = self.cpus.get(cpu_id)
        if found is None:
            found = self.cpus[cpu_id] = _CpuSlab()
        return found


class SlabAllocator:
    """The kmalloc caches."""

    def __init__(self, system: System, pages: PageAllocator, observer: LifetimeObserver) -> None:
        self._system = system
        self._pages = pages
        self._observer = observer
        self._caches: dict[int, Cache] = {}
        self._conductor = system.conductor
        self._kmalloc_ns = system.costs.kmalloc_ns
        self._origin: tuple[CodeType, int] = (_getframe().f_code, 0)

    def cache_for(self, size: int) -> Cache:
        """The cache that serves a size. Raises BadInput for a size that one page cannot hold."""
        cache = self._caches.get(size)
        if cache is None:
            if not 1 <= size <= SIZES[-1]:
                raise BadInput(
                    f"kmalloc({size}): the model has sizes from 1 to {SIZES[-1]} bytes; use kvmalloc() for more"
                )
            bucket = SIZES[bisect_left(SIZES, size)]
            cache = self._caches.get(bucket)
            if cache is None:
                kind = LockKind.RAW_SPINLOCK if self._system.config.PREEMPT_RT else LockKind.SPINLOCK
                lock = self._system.lock_factory.make("&n->list_lock", kind)
                cache = self._caches[bucket] = Cache(f"kmalloc-{bucket}", bucket, lock)
            self._caches[size] = cache
        return cache

    async def kmalloc(self, cpu: Cpu, size: int, gfp: Gfp = GFP_KERNEL) -> KObject | None:
        """An object of at least `size` bytes, or None."""
        cache = self._caches.get(size) or self.cache_for(size)
        if gfp is GFP_KERNEL or may_block(gfp):
            cpu.judge.might_sleep(cpu)
        cpu.clock += self._kmalloc_ns
        if cpu.clock >= self._conductor.horizon:
            await cpu.point()
        mine = cache.cpus.get(cpu.cpu_id)
        if (mine is None or not mine.free) and not await self.slab_alloc_slow(cpu, cache, gfp):
            return None
        if mine is None:
            mine = cache.cpu(cpu.cpu_id)
        slab = mine.slab
        slab.in_use += 1  # type: ignore[union-attr]  # slab_alloc_slow() has seen to it
        caller, origin = _getframe(1), self._origin
        if origin[0] is not caller.f_code or origin[1] != caller.f_lasti:
            # One tuple for a loop's million allocations.
            origin = self._origin = (caller.f_code, caller.f_lasti)
        item = KObject(mine.free.pop(), size, slab, origin)
        self._observer.allocated(item)
        return item

    async def slab_alloc_slow(self, cpu: Cpu, cache: Cache, gfp: Gfp) -> bool:
        """___slab_alloc(): retire the CPU's slab, take over a partial one, or a fresh page."""
        system, mine = self._system, cache.cpu(cpu.cpu_id)
        if mine.slab is not None:
            # What is freed into it from now on is not this CPU's.
            mine.slab.current = False
            mine.slab, mine.free = None, []
        cpu.clock += system.costs.kmalloc_slow_ns
        slab = await self._get_partial(cpu, cache) if cache.partial else None
        if slab is None:
            pfn = await self._pages.get_free_page(cpu, gfp)
            if pfn is None:
                return False
            first = PAGE_OFFSET + pfn * PAGE_SIZE
            addresses = [first + index * cache.size for index in range(cache.per_slab - 1, -1, -1)]
            slab = Slab(cache, pfn, addresses)
            cache.slabs += 1
        if mine.slab is not None:
            # An interrupt, or whoever ran while we waited for memory, has filled the CPU's place meanwhile.
            slab.current = False
            self._list_partial(slab)
            return bool(mine.free) or await self.slab_alloc_slow(cpu, cache, gfp)
        slab.current = True
        mine.slab = slab
        mine.free = slab.free
        return True

    async def _get_partial(self, cpu: Cpu, cache: Cache) -> Slab | None:
        """get_partial(), under n->list_lock."""
        flags = await self._lock_list(cpu, cache)
        slab = None
        if cache.partial:
            # Frozen from here on: whoever frees into it meanwhile must not put it on the list again.
            _, slab = cache.partial.popitem()
            slab.listed, slab.current = False, True
        await self._unlock_list(cpu, cache, flags)
        return slab

    async def _lock_list(self, cpu: Cpu, cache: Cache) -> bool:
        flags = cpu.local_irq_save("list_lock")
        locks = self._system.locks
        if cache.list_lock.lock_class.kind is LockKind.RAW_SPINLOCK:
            await locks.raw_spin_lock(cpu, cache.list_lock)
        else:
            await locks.spin_lock(cpu, cache.list_lock)
        return flags

    async def _unlock_list(self, cpu: Cpu, cache: Cache, flags: bool) -> None:
        locks = self._system.locks
        if cache.list_lock.lock_class.kind is LockKind.RAW_SPINLOCK:
            await locks.raw_spin_unlock(cpu, cache.list_lock)
        else:
            await locks.spin_unlock(cpu, cache.list_lock)
        await cpu.local_irq_restore(flags)

    # -- freeing -----------------------------------------------------------------------------------------------------

    async def kfree(self, cpu: Cpu, item: KObject, how: str = "kfree") -> None:
        """Give one object back."""
        cpu.clock += self._system.costs.kfree_ns
        await self._give_back(cpu, self._observer.freed((item,), how))

    async def kfree_bulk(self, cpu: Cpu, items: Sequence[KObject]) -> None:
        """kmem_cache_free_bulk(): many objects, one pass."""
        costs = self._system.costs
        cpu.clock += costs.kfree_bulk_call_ns + costs.kfree_bulk_object_ns * len(items)
        await self._give_back(cpu, self._observer.freed(items, "kfree_bulk"))

    async def _give_back(self, cpu: Cpu, items: Sequence[KObject]) -> None:
        empty: list[Slab] = []
        for slab, group in groupby(items, _home):
            assert isinstance(slab, Slab)
            before = len(slab.free)
            slab.free.extend(map(_address, group))
            slab.in_use -= len(slab.free) - before
            if slab.current:
                continue
            if not slab.listed:
                self._list_partial(slab)
            if not slab.in_use:
                empty.append(slab)
        for slab in empty:
            await self._discard(cpu, slab)
        if cpu.clock >= cpu.conductor.horizon:
            await cpu.point()

    def _list_partial(self, slab: Slab) -> None:
        slab.listed = True
        slab.cache.partial[slab.pfn] = slab

    async def _discard(self, cpu: Cpu, slab: Slab) -> None:
        """An empty slab goes back to the page allocator when the cache has partial ones enough."""
        cache = slab.cache
        if len(cache.partial) <= MIN_PARTIAL:
            return
        flags = await self._lock_list(cpu, cache)
        gone = slab.listed and not slab.in_use and not slab.current and len(cache.partial) > MIN_PARTIAL
        if gone:
            del cache.partial[slab.pfn]
            slab.listed = False
            cache.slabs -= 1
        await self._unlock_list(cpu, cache, flags)
        if gone:
            await self._pages.free_page(cpu, slab.pfn)
