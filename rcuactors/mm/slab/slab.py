"""kmalloc() and kfree(): what the slab allocators of all versions share (mm/slub.c).

A slab is one page. Each CPU has a slab of its own to allocate from, each cache a list of partial ones under
n->list_lock. The fast path takes an object off the CPU's own list and takes no lock. What happens when that list is
empty, and where a freed object goes, is the version's: slub_irqoff.py, slub_locallock.py. A cache keeps `MIN_PARTIAL`
slabs however empty.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Sequence
from sys import _getframe
from typing import TYPE_CHECKING, Final

import attrs

from ...context.locks import Lock, LockKind
from ...context.trace import Origin, origin_of
from ...errors import BadInput
from ...kernel.locking.irqsave import spin_lock_irqsave, spin_unlock_irqrestore
from ...kernel.percpu import PerCpu
from ...marks import Side, on_side
from ..gfp import GFP_KERNEL, Gfp
from ..objects import PAGE_OFFSET, PAGE_SIZE, KObject, LifetimeObserver, members_go
from ..page.no_locks import Route
from .hotplug import SlabHotplug

if TYPE_CHECKING:
    from ...kernel.cpu import Cpu
    from ...kernel.system import System
    from ...kernel.thread import Thread
    from ..page.page_alloc import PageAllocator
    from ..rules import MmRules
    from .sheaf import SheafStatistics

SIZES: Final = (8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096)
MIN_PARTIAL: Final = 5


@attrs.define(eq=False)
class Slab:
    """One page of objects.

    `free` are the addresses that are not given out, less those on the list of a CPU whose slab it is. A frozen slab is
    a CPU's: its current one, or one on its list of partial ones. `listed`: on the cache's list of partial ones.
    """

    cache: Cache
    pfn: int
    free: list[int]
    in_use: int = 0
    frozen: bool = False
    listed: bool = False


@attrs.define(eq=False)
class CpuSlab:
    """struct kmem_cache_cpu. `lock` and the list of partial slabs, the newest last, are not in every version."""

    slab: Slab | None = None
    free: list[int] = attrs.field(factory=list)
    lock: Lock | None = None
    partial: list[Slab] = attrs.field(factory=list)


@attrs.define(eq=False)
class Cache:
    """struct kmem_cache with its node. `partial` holds slabs with some, or all, of their objects free."""

    name: str
    size: int
    list_lock: Lock
    cpus: PerCpu[CpuSlab]
    partial: dict[int, Slab] = attrs.field(factory=dict)
    slabs: int = 0
    destroyed: bool = False

    @property
    def per_slab(self) -> int:
        """Objects in a slab."""
        return PAGE_SIZE // self.size


@attrs.frozen(kw_only=True)
class SlabStatistics:
    """The slab caches.

    * `caches` (caches): that were used.
    * `slabs` (pages): that they have, a page each.
    * `partial` (slabs): on the caches' lists of partial ones.
    * `empty` (slabs): of these, with no object in use.
    * `sheaves` (SheafStatistics): of designs that put sheaves before the slabs; else None.
    """

    caches: int
    slabs: int
    partial: int
    empty: int
    sheaves: SheafStatistics | None


class SlabAllocator(ABC):
    """The kmalloc caches. `lockless`: the fast path is used (USE_LOCKLESS_FAST_PATH())."""

    lockless = True

    def __init__(self, system: System, pages: PageAllocator, observer: LifetimeObserver, rules: MmRules) -> None:
        self._system = system
        self._pages = pages
        self._observer = observer
        self._caches: dict[int, Cache] = {}
        self._own: list[Cache] = []
        self._conductor = system.conductor
        self._kmalloc_ns = system.costs.kmalloc_ns
        self.sheaves = rules.sheaves(system, self) if rules.sheaves is not None else None
        SlabHotplug(system, self)
        self._origin: Origin = origin_of(_getframe())

    @abstractmethod
    def _list_lock_kind(self) -> LockKind:
        """The type of n->list_lock."""

    @abstractmethod
    def _new_cpu_slab(self, cpu_id: int) -> CpuSlab:
        """alloc_kmem_cache_cpus(): what a CPU has of a cache."""

    def cpu_slab(self, cpu: Cpu, cache: Cache) -> CpuSlab:
        """The CPU's own (this_cpu_ptr(s->cpu_slab))."""
        return cache.cpus[cpu.cpu_id]

    @abstractmethod
    async def try_lock(self, cpu: Cpu, mine: CpuSlab) -> bool | None:
        """local_trylock_irqsave() of what guards it; returns the flags, or None if somebody is at it."""

    @abstractmethod
    async def unlock(self, cpu: Cpu, mine: CpuSlab, flags: bool) -> None:
        """After try_lock()."""

    @abstractmethod
    def load(self, mine: CpuSlab, slab: Slab) -> None:
        """Make a slab the CPU's own, which has none."""

    @abstractmethod
    async def slab_alloc_slow(self, thread: Thread, cache: Cache, gfp: Gfp) -> tuple[Slab, int] | None:
        """___slab_alloc(): get the CPU a slab with room and take an object, which counts as in use then.

        Returns its slab and address, or None.
        """

    @abstractmethod
    async def _give_back(self, thread: Thread, items: Sequence[KObject]) -> None:
        """do_slab_free() for each."""

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
                cache = self._caches[bucket] = self._new_cache(f"kmalloc-{bucket}", bucket)
            self._caches[size] = cache
        return cache

    def _new_cache(self, name: str, size: int) -> Cache:
        lock = self._system.lock_factory.make("&n->list_lock", self._list_lock_kind())
        return Cache(name, size, lock, PerCpu(self._new_cpu_slab, self._system.masks))

    def kmem_cache_create(self, name: str, size: int) -> Cache:
        """kmem_cache_create(): a cache of objects of `size` bytes, at most a page, rounded up to words."""
        cache = self._new_cache(name, -(-size // 8) * 8)
        self._own.append(cache)
        return cache

    async def shutdown_cache(self, thread: Thread, cache: Cache) -> None:
        """shutdown_cache(): of a cache without objects; all its slabs go."""
        slabs = dict(cache.partial)
        for _, mine in cache.cpus.touched():
            for slab in [*([mine.slab] if mine.slab is not None else []), *mine.partial]:
                slabs[slab.pfn] = slab
            mine.slab, mine.free, mine.partial = None, [], []
        cache.partial.clear()
        cache.destroyed, cache.slabs = True, 0
        self._own.remove(cache)
        for slab in slabs.values():
            await self._pages.free_page(thread, slab.pfn)

    async def flush_cpu_slab(self, _thread: Thread, cache: Cache, cpu_id: int) -> None:
        """__flush_cpu_slab() of a dead CPU: nothing to do in a version whose CPUs have no slabs."""
        assert cache.cpus[cpu_id].slab is None

    def caches(self) -> list[Cache]:
        """Those that were used so far, by size."""
        return [*sorted(set(self._caches.values()), key=lambda cache: cache.size), *self._own]

    def statistics(self) -> SlabStatistics:
        """Their figures, as they are now."""
        caches = self.caches()
        return SlabStatistics(
            caches=len(caches),
            slabs=sum(cache.slabs for cache in caches),
            partial=sum(len(cache.partial) for cache in caches),
            empty=sum(not slab.in_use for cache in caches for slab in cache.partial.values()),
            sheaves=self.sheaves.statistics() if self.sheaves is not None else None,
        )

    # -- allocating and freeing --------------------------------------------------------------------------------------

    async def kmalloc(
        self,
        thread: Thread,
        size: int,
        gfp: Gfp = GFP_KERNEL,
        *,
        make: Callable[[int, int, object, Origin], KObject] = KObject,
        cache: Cache | None = None,
    ) -> KObject | None:
        """kmalloc(): an object of at least `size` bytes, or None. `make` is its type; `cache` if it is its own."""
        cache = cache or self._caches.get(size) or self.cache_for(size)
        cpu, ctx = thread.cpu, thread.ctx
        if ctx.held or ctx.preempt_count or ctx.irqs_disabled or ctx.rcu_nesting:
            # Else it would find nothing; this saves the call.
            self._pages.might_alloc(cpu, gfp)
        cpu.clock = clock = cpu.clock + self._kmalloc_ns
        if clock >= self._conductor.horizon:
            await cpu.point()
            cpu = thread.cpu
        mine = cache.cpus.get(cpu.cpu_id)
        if mine is not None and mine.free and self.lockless:
            slab, address = mine.slab, mine.free.pop()
            slab.in_use += 1  # type: ignore[union-attr]  # who has a list has a slab
        else:
            taken = await self.sheaves.alloc(thread, cache) if self.sheaves is not None else None
            taken = taken or await self.slab_alloc_slow(thread, cache, gfp)
            if taken is None:
                return None
            slab, address = taken
        caller, origin = _getframe(1), self._origin
        if origin[0] is not caller.f_code or origin[1] != caller.f_lasti:
            # One tuple for a loop's million allocations.
            origin = self._origin = origin_of(caller)
        item = make(address, size, slab, origin)
        self._observer.allocated(item)
        if gfp is not GFP_KERNEL and gfp & Gfp.ZERO:
            # slab_want_init_on_alloc(): a memset() of the object.
            thread.cpu.clock += self._system.costs.page_zero_ns * size // PAGE_SIZE
        return item

    @on_side(Side.FREEING)
    async def kfree(self, thread: Thread, item: KObject, how: str = "kfree") -> None:
        """kfree(): give one object back."""
        cpu = thread.cpu
        cpu.clock += self._system.costs.kfree_ns
        if item.members is not None:
            await members_go(thread, item)
        await self._give_back(thread, self._observer.freed((item,), how))

    @on_side(Side.FREEING)
    async def kfree_bulk(self, thread: Thread, items: Sequence[KObject]) -> None:
        """kmem_cache_free_bulk(): many objects, one pass."""
        cpu = thread.cpu
        costs = self._system.costs
        cpu.clock += costs.kfree_bulk_call_ns + costs.kfree_bulk_object_ns * len(items)
        if self._system.debug_objects.members_exist:
            for item in items:
                await members_go(thread, item)
        await self._give_back(thread, self._observer.freed(items, "kfree_bulk"))

    async def kmalloc_own(self, thread: Thread, size: int, gfp: Gfp, cache: Cache | None = None) -> KObject | None:
        """For the kernel's own purposes: no object of anybody's, and the observer does not hear of it."""
        cpu = thread.cpu
        cache = cache or self.cache_for(size)
        self._pages.might_alloc(cpu, gfp)
        cpu.clock += self._kmalloc_ns
        mine = self.cpu_slab(cpu, cache)
        if mine.slab is not None and mine.free and self.lockless:
            mine.slab.in_use += 1
            return KObject(mine.free.pop(), size, mine.slab, self._origin)
        taken = await self.slab_alloc_slow(thread, cache, gfp)
        return None if taken is None else KObject(taken[1], size, taken[0], self._origin)

    async def kfree_own(self, thread: Thread, item: KObject) -> None:
        """Give it back."""
        thread.cpu.clock += self._system.costs.kfree_ns
        await self._give_back(thread, [item])

    # -- what the versions' parts have in common ---------------------------------------------------------------------

    async def new_slab(self, thread: Thread, cache: Cache, gfp: Gfp, route: Route = Route.ANY) -> Slab | None:
        """new_slab(): a fresh page, frozen for the CPU that gets it."""
        # The page itself is not cleared (GFP_RECLAIM_MASK): each object is, when it is given out.
        pfn = await self._pages.get_free_page(thread, gfp & ~Gfp.ZERO if gfp is not GFP_KERNEL else gfp, route)
        if pfn is None:
            return None
        first = PAGE_OFFSET + pfn * PAGE_SIZE
        cache.slabs += 1
        addresses = [first + index * cache.size for index in range(cache.per_slab - 1, -1, -1)]
        return Slab(cache, pfn, addresses, frozen=True)

    async def _lock_list(self, thread: Thread, cache: Cache) -> tuple[Cpu, bool]:
        """spin_lock_irqsave(&n->list_lock): the CPU that this pins to, and the flags."""
        return await spin_lock_irqsave(self._system.locks, thread, cache.list_lock, "list_lock")

    async def _unlock_list(self, cpu: Cpu, cache: Cache, flags: bool) -> None:
        await spin_unlock_irqrestore(self._system.locks, cpu, cache.list_lock, flags)

    @staticmethod
    def _list_partial(slab: Slab) -> None:
        """add_partial()."""
        slab.listed = True
        slab.cache.partial[slab.pfn] = slab

    @staticmethod
    def _unlist(slab: Slab) -> None:
        """remove_partial()."""
        slab.listed = False
        del slab.cache.partial[slab.pfn]
