"""kmalloc() and kfree(): what the slab allocators of all versions share (mm/slub.c).

A slab is one page. Each CPU has a slab of its own to allocate from, each cache a list of partial ones under
n->list_lock. The fast path takes an object off the CPU's own list and takes no lock. What happens when that list is
empty, and where a freed object goes, is the version's: slub_irqoff.py, slub_locallock.py. A cache keeps `MIN_PARTIAL`
slabs however empty.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import cached_property
from sys import _getframe
from typing import TYPE_CHECKING, Protocol

from ...context.locks import Lock, LockKind
from ...context.trace import Origin, origin_of
from ...errors import BadInput
from ...kernel.locking.irqsave import spin_lock_irqsave, spin_unlock_irqrestore
from ...kernel.percpu import PerCpu
from ...marks import Side, on_side
from ..gfp import GFP_KERNEL, Gfp
from ..objects import PAGE_OFFSET, PAGE_SIZE, KObject, LifetimeObserver, members_go
from ..page.no_locks import Route
from .cache import SIZES, Cache, CpuSlab, Place, Slab, SlabStatistics
from .deferred import DeferredList, DeferredPercpuWork
from .hotplug import SlabHotplug
from .large import LARGEST, kmalloc_large

if TYPE_CHECKING:
    from ...kernel.cpu import Cpu
    from ...kernel.system import System
    from ...kernel.thread import Thread
    from ..page.page_alloc import PageAllocator
    from ..rules import MmRules
    from .rcu_sheaf import RcuSheaves
    from .sheaf import SheafLayer
    from .sheaf_flush import FlushWorks, SheafFlush

    AllocFromPcs = Callable[[Thread, "Cache", Gfp], Awaitable["Place | None"]]


class KvfreeBarriers(Protocol):
    """What kmem_cache_destroy() calls of kvfree_rcu(), which is a room above."""

    async def kvfree_rcu_barrier(self, thread: Thread) -> None:
        """kvfree_rcu_barrier()."""
        ...

    async def kvfree_rcu_barrier_on_cache(self, thread: Thread, cache: Cache) -> None:
        """kvfree_rcu_barrier_on_cache()."""
        ...


class SlabAllocator(ABC):
    """The kmalloc caches. `lockless`: the fast path is used (USE_LOCKLESS_FAST_PATH())."""

    lockless = True
    cpu_slabs = True
    """Each CPU has a slab of its own to allocate from."""

    def __init__(self, system: System, pages: PageAllocator, observer: LifetimeObserver, rules: MmRules) -> None:
        self._system = system
        self._pages = pages
        self._observer = observer
        self.rules = rules
        self.debugged = system.config.slub_debug
        self._caches: dict[int, Cache] = {}
        self._own: list[Cache] = []
        self._conductor = system.conductor
        self._kmalloc_ns = system.costs.kmalloc_ns
        self.sheaves: SheafLayer | None = None
        self.rcu_sheaves: RcuSheaves | None = None
        self.sheaf_flush: SheafFlush | None = None
        self._alloc_from_pcs: AllocFromPcs | None = None
        self.flush_works: FlushWorks
        self.barriers: KvfreeBarriers | None = None
        name = "deferred_percpu_work" if rules.kfree_rcu_nolock else "defer_free_objects"
        self.deferred = DeferredPercpuWork(system, name)
        self._deferred_objects: DeferredList[Place] = self.deferred.new_list(self._free_deferred)
        self.deferred_by_rcu: DeferredList[KObject] = self.deferred.new_list(self._hand_on)
        self._kvfree_call_rcu: Callable[[Cpu, KObject], Awaitable[None]] | None = None
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
    async def _give_back(self, thread: Thread, items: Sequence[KObject | Place]) -> None:
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

    def _new_cache(self, name: str, size: int, sheaf_capacity: int = 0) -> Cache:
        lock = self._system.lock_factory.make("&n->list_lock", self._list_lock_kind())
        cache = Cache(name, size, lock, PerCpu(self._new_cpu_slab, self._system.masks))
        if self.sheaves is not None:
            self.sheaves.new_for(cache, sheaf_capacity)
        return cache

    def kmem_cache_create(self, name: str, size: int, sheaf_capacity: int = 0) -> Cache:
        """kmem_cache_create(): a cache of objects of `size` bytes, at most a page, rounded up to words.

        In a version with sheaves it has some of `sheaf_capacity`, or of its own choice if that is 0.
        """
        cache = self._new_cache(name, -(-size // 8) * 8, sheaf_capacity)
        self._own.append(cache)
        return cache

    # -- set up when the machine is put together ---------------------------------------------------------------------

    @property
    def system(self) -> System:
        """The machine's floor."""
        return self._system

    @cached_property
    def slab_mutex(self) -> Lock:
        """slab_mutex."""
        return self._system.lock_factory.make("slab_mutex", LockKind.MUTEX)

    def flushes_by(self, works: FlushWorks) -> None:
        """The works by which CPUs give back what they have of a cache."""
        self.flush_works = works

    def sheaves_are(
        self, layer: SheafLayer, rcu_sheaves: RcuSheaves, flush: SheafFlush, alloc_from_pcs: AllocFromPcs
    ) -> None:
        """The version's sheaves."""
        self.sheaves, self.rcu_sheaves, self.sheaf_flush = layer, rcu_sheaves, flush
        self._alloc_from_pcs = alloc_from_pcs

    def barriers_are(self, barriers: KvfreeBarriers) -> None:
        """What kmem_cache_destroy() calls, in versions that do."""
        self.barriers = barriers

    def hands_on_to(self, kvfree_call_rcu: Callable[[Cpu, KObject], Awaitable[None]]) -> None:
        """What is called for an object that kfree_rcu_nolock() could not take."""
        self._kvfree_call_rcu = kvfree_call_rcu

    async def _hand_on(self, cpu: Cpu, item: KObject) -> None:
        assert self._kvfree_call_rcu is not None
        await self._kvfree_call_rcu(cpu, item)

    # -- caches that go ----------------------------------------------------------------------------------------------

    async def kmem_cache_shutdown(
        self, thread: Thread, cache: Cache, live: Callable[[], Iterable[object]]
    ) -> list[KObject]:
        """__kmem_cache_shutdown(): give the slabs back, or return what is left in them. `live`: what is allocated."""
        if not self._system.judge.booting:
            await self.flush_works.flush_all_cpus_locked(thread, cache)
        if cache.sheaves is not None and self.sheaf_flush is not None:
            await self.sheaf_flush.shutdown(thread, cache)
        remaining = [p for p in live() if isinstance(p, KObject) and isinstance(p.home, Slab) and p.home.cache is cache]
        remaining += cache.quarantined()
        if cache.sheaves is not None:
            # What a flush has left in a CPU's.
            left = [place for sheaf in cache.sheaves.all() for place in sheaf.free]
            remaining += [KObject(place.address, cache.size, place.home, self._origin) for place in left]
        if not remaining:
            await self.shutdown_cache(thread, cache)
        return remaining

    async def flush_this_cpu(self, cpu: Cpu, cache: Cache) -> None:
        """flush_cpu_slab(), by a work: what this CPU has of the cache, its slabs and its sheaves."""
        if cache.sheaves is not None and self.sheaf_flush is not None:
            await self.sheaf_flush.pcs_flush_all(cpu, cache)
        await self.flush_this_cpu_slab(cpu, cache)

    async def flush_this_cpu_slab(self, cpu: Cpu, cache: Cache) -> None:
        """flush_this_cpu_slab(): nothing to do in a version whose CPUs have no slabs."""
        assert cache.cpus[cpu.cpu_id].slab is None

    async def free_empty_slabs(self, thread: Thread, cache: Cache) -> None:
        """__kmem_cache_do_shrink(): all slabs go that have no object in use, however few are left then."""
        if cache.sheaves is not None and self.sheaf_flush is not None:
            await self.sheaf_flush.shrink_barn(thread, cache)
        cpu, flags = await self._lock_list(thread, cache)
        empty = [slab for slab in cache.partial.values() if not slab.in_use]
        for slab in empty:
            self._unlist(slab)
        cache.slabs -= len(empty)
        await self._unlock_list(cpu, cache, flags)
        for slab in empty:
            await self._pages.free_page(thread, slab.pfn)

    async def deferred_work_barrier(self, thread: Thread) -> None:
        """deferred_work_barrier(), defer_free_barrier() in v6.18: what was put off to an irq_work has been done."""
        await self.deferred.barrier(thread)

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
        cache = cache or self._caches.get(size)
        if cache is None:
            if size > LARGEST:
                return kmalloc_large(thread.cpu, self.rules.gfp.of(gfp), self.rules.alloc_pages)
            cache = self.cache_for(size)
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
            taken = await self.alloc_from_sheaf(thread, cache, gfp) if cache.sheaves is not None else None
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

    # -- sheaves, in versions that have them -------------------------------------------------------------------------

    async def alloc_from_sheaf(self, thread: Thread, cache: Cache, gfp: Gfp) -> tuple[Slab, int] | None:
        """alloc_from_pcs(), in a cache that has sheaves."""
        assert self._alloc_from_pcs is not None
        return await self._alloc_from_pcs(thread, cache, gfp)

    async def refill_objects(self, thread: Thread, cache: Cache, gfp: Gfp, wanted: int) -> list[Place]:
        """refill_objects(): so many objects out of the slabs, or as many as there is memory for."""
        found: list[Place] = []
        while len(found) < wanted:
            taken = await self.slab_alloc_slow(thread, cache, gfp)
            if taken is None:
                break
            found.append(Place(*taken))
        return found

    async def free_to_slabs(self, thread: Thread, places: Sequence[Place]) -> None:
        """__kmem_cache_free_bulk(): to the slabs, past any sheaf."""
        thread.cpu.clock += self._system.costs.kfree_bulk_object_ns * len(places)
        await self._to_slabs(thread, places)

    async def _to_slabs(self, thread: Thread, items: Sequence[KObject | Place]) -> None:
        await self._give_back(thread, items)

    def waiting_in_sheaves(self) -> set[KObject]:
        """What waits in partly filled sheaves that the version has of its own: nothing frees it until somebody asks."""
        if self.sheaves is None or self.sheaves.rules.waiting_is_told:
            return set()
        return self.sheaves.waiting()

    # -- for callers that may have interrupted anything --------------------------------------------------------------

    async def nolock_alloc(self, _cpu: Cpu, _cache: Cache) -> tuple[bool, tuple[Slab, int] | None]:
        """kmalloc_nolock() behind its tests, without CPU slabs: whether a larger cache may be tried, and the object."""
        raise AssertionError("who has CPU slabs looks there first")

    async def lock_cpu_slab(self, cpu: Cpu, _mine: CpuSlab) -> bool:
        """local_lock_irqsave() of what guards a CPU's slab: interrupts off, if there is no more; returns the flags."""
        return cpu.local_irq_save("local_lock_irqsave")

    async def discard_nolock(self, cpu: Cpu, slab: Slab) -> None:
        """A new slab that nothing was taken from goes back, by trylocks."""
        slab.cache.slabs -= 1
        await self._pages.free_pages_nolock(cpu.current, slab.pfn)

    async def kfree_nolock(self, cpu: Cpu, item: KObject) -> None:
        """kfree_nolock(): into a sheaf by trylocks where CPUs have no slabs; else it is put off."""
        cpu.clock += self._system.costs.kfree_ns
        for freed in self._observer.freed((item,), "kfree_nolock"):
            await self.kfree_nolock_own(cpu, freed)

    async def kfree_nolock_own(self, cpu: Cpu, item: KObject | Place) -> None:
        """kfree_nolock(), of what the observer does not know: put off (defer_free())."""
        await self._deferred_objects.add(cpu, Place(item.home, item.address))  # type: ignore[arg-type]  # a slab's

    async def _free_deferred(self, cpu: Cpu, place: Place) -> None:
        cpu.clock += self._system.costs.kfree_ns
        await self._to_slabs(cpu.current, [place])

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
