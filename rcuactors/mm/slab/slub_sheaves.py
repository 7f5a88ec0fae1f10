"""Slabs behind sheaves (mm/slub.c, v6.18 and later).

* v6.18: a cache that has asked for sheaves allocates from them and frees into them first. Below these, and in all other
  caches, each CPU has its slab and its partial ones, as before (slub_locallock.py).
* 7.0 (here at 3bc999d944b3): every cache has sheaves, and no CPU has a slab. What no sheaf has comes from the node's
  list of partial slabs, or a new one, under n->list_lock: ___slab_alloc(), get_from_partial(), alloc_from_new_slab(),
  __slab_free().
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from ...context.locks import LockKind
from ...kernel.locking.irqsave import spin_trylock_irqsave, spin_unlock_irqrestore
from ..gfp import GFP_KERNEL, Gfp
from ..objects import KObject
from ..page.no_locks import Route
from . import slub_debug
from .cache import MIN_PARTIAL, Cache, CpuSlab, Place, Slab
from .pcs import alloc_from_pcs, free_to_pcs
from .slab import SlabAllocator
from .slub_locallock import LocalLockSlub

if TYPE_CHECKING:
    from ...context.trace import Origin
    from ...kernel.cpu import Cpu
    from ...kernel.thread import Thread

_GFP_NOLOCK: Final = Gfp.NOWARN | Gfp.NOMEMALLOC | Gfp.ZERO

_home = attrgetter("home")
_address = attrgetter("address")


class _BehindSheaves(SlabAllocator):
    """slab_free(): sheaves first, in a cache that has some."""

    async def _give_back(self, thread: Thread, items: Sequence[KObject | Place]) -> None:
        """slab_free(): into a sheaf, else to the slab that it lies in."""
        rest: list[KObject | Place] = []
        layer = self.sheaves
        for item in items:
            slab = item.home
            assert isinstance(slab, Slab)
            place = Place(slab, item.address)
            first = layer is not None and layer.rules.come_first and slab.cache.sheaves is not None
            if layer is None or not first or not await free_to_pcs(layer, thread, slab.cache, place, spin=True):
                rest.append(item)
        # Even if nothing is left: that is where this is seen.
        await self._to_slabs(thread, rest)


class LocalLockSheafSlub(_BehindSheaves, LocalLockSlub):
    """v6.18: CPU slabs, and sheaves before them in some caches."""

    def kmalloc(
        self,
        thread: Thread,
        size: int,
        gfp: Gfp = GFP_KERNEL,
        *,
        make: Callable[[int, int, object, Origin], KObject] = KObject,
        cache: Cache | None = None,
    ) -> Coroutine[Any, Any, KObject | None]:
        """kmalloc(), slab_alloc_node(): in a cache with sheaves these come before the CPU's slab."""
        if cache is None or cache.sheaves is None:
            return super().kmalloc(thread, size, gfp, make=make, cache=cache)
        return self._kmalloc_by_sheaf(thread, size, gfp, make, cache)

    async def _kmalloc_by_sheaf(
        self,
        thread: Thread,
        size: int,
        gfp: Gfp,
        make: Callable[[int, int, object, Origin], KObject],
        cache: Cache,
    ) -> KObject | None:
        self._pages.might_alloc(thread.cpu, gfp)
        taken = await self.alloc_from_sheaf(thread, cache, gfp)
        if taken is None:
            return await super().kmalloc(thread, size, gfp, make=make, cache=cache)
        thread.cpu.clock += self._kmalloc_ns
        slab, address = taken
        item = make(address, size, slab, self._origin)
        self._observer.allocated(item)
        return item

    async def _to_slabs(self, thread: Thread, items: Sequence[KObject | Place]) -> None:
        await LocalLockSlub._give_back(self, thread, items)  # noqa: SLF001 - past the override above


class SheafSlub(_BehindSheaves):
    """7.0: every cache has sheaves, no CPU has a slab."""

    lockless = False
    cpu_slabs = False

    def _list_lock_kind(self) -> LockKind:
        return LockKind.SPINLOCK

    def _new_cpu_slab(self, _cpu_id: int) -> CpuSlab:
        return CpuSlab()

    async def try_lock(self, _cpu: Cpu, _mine: CpuSlab) -> bool | None:
        """There is no lock, for there is no slab."""
        raise AssertionError("this version's CPUs have no slabs")

    async def unlock(self, cpu: Cpu, mine: CpuSlab, flags: bool) -> None:
        """So here."""
        del cpu, mine, flags
        raise AssertionError("this version's CPUs have no slabs")

    def load(self, mine: CpuSlab, slab: Slab) -> None:
        """So here."""
        del mine, slab
        raise AssertionError("this version's CPUs have no slabs")

    # -- allocating --------------------------------------------------------------------------------------------------

    async def slab_alloc_slow(self, thread: Thread, cache: Cache, gfp: Gfp) -> tuple[Slab, int] | None:
        """___slab_alloc(): one object, out of a partial slab or a new one."""
        if self.debugged:
            return await slub_debug.slab_alloc(self, thread, cache, gfp)
        thread.cpu.clock += self._system.costs.kmalloc_slow_ns
        if cache.partial:
            cpu, flags = await self._lock_list(thread, cache)
            taken = self._from_partial(cache)
            await self._unlock_list(cpu, cache, flags)
            if taken is not None:
                return taken
        slab = await self.new_slab(thread, cache, gfp)
        if slab is None:
            return None
        cpu, flags = await self._lock_list(thread, cache)
        taken = self._from_new(slab)
        await self._unlock_list(cpu, cache, flags)
        return taken

    async def refill_objects(self, thread: Thread, cache: Cache, gfp: Gfp, wanted: int) -> list[Place]:
        """refill_objects(): the partial slabs under one hold of n->list_lock, then new ones."""
        found: list[Place] = []
        thread.cpu.clock += self._system.costs.kmalloc_slow_ns
        if cache.partial:
            cpu, flags = await self._lock_list(thread, cache)
            while cache.partial and len(found) < wanted:
                slab = cache.partial[next(iter(cache.partial))]
                found += self._several(slab, wanted - len(found))
                if not slab.free:
                    self._unlist(slab)
            await self._unlock_list(cpu, cache, flags)
        while len(found) < wanted:
            made = await self.new_slab(thread, cache, gfp)
            if made is None:
                break
            made.frozen = False
            cpu, flags = await self._lock_list(thread, cache)
            found += self._several(made, wanted - len(found))
            if made.free:
                self._list_partial(made)
            await self._unlock_list(cpu, cache, flags)
        return found

    @staticmethod
    def _several(slab: Slab, wanted: int) -> list[Place]:
        """So many objects off its list, or all."""
        taken, slab.free = slab.free[-wanted:], slab.free[:-wanted]
        slab.in_use += len(taken)
        return [Place(slab, address) for address in taken]

    def _from_partial(self, cache: Cache) -> tuple[Slab, int] | None:
        """get_from_partial_node(), under n->list_lock."""
        if not cache.partial:
            return None
        slab = cache.partial[next(iter(cache.partial))]
        slab.in_use += 1
        address = slab.free.pop()
        if not slab.free:
            self._unlist(slab)
        return slab, address

    def _from_new(self, slab: Slab) -> tuple[Slab, int]:
        """alloc_from_new_slab(), under n->list_lock: the rest goes onto the node's list."""
        slab.frozen = False
        slab.in_use = 1
        address = slab.free.pop()
        if slab.free:
            self._list_partial(slab)
        return slab, address

    async def nolock_alloc(self, cpu: Cpu, cache: Cache) -> tuple[bool, tuple[Slab, int] | None]:
        """A sheaf by its trylock, then the slabs by that of n->list_lock; any NULL is tried again, once."""
        thread = cpu.current
        taken: tuple[Slab, int] | None = None
        if cache.sheaves is not None and self.sheaves is not None:
            taken = await alloc_from_pcs(self.sheaves, thread, cache, _GFP_NOLOCK, spin=False)
        locks = self._system.locks
        if taken is None and cache.partial:
            cpu = thread.cpu  # it may have been moved on the way
            flags = await spin_trylock_irqsave(locks, cpu, cache.list_lock, "get_from_partial_node")
            if flags is not None:
                taken = self._from_partial(cache)
                await spin_unlock_irqrestore(locks, cpu, cache.list_lock, flags)
        if taken is None:
            slab = await self.new_slab(thread, cache, _GFP_NOLOCK, Route.TRY)
            if slab is not None:
                taken = await self._try_from_new(thread.cpu, slab)
        return taken is None, taken

    async def _try_from_new(self, cpu: Cpu, slab: Slab) -> tuple[Slab, int] | None:
        """The same with n->list_lock tried; if that is taken the page goes back (free_new_slab_nolock())."""
        locks, cache = self._system.locks, slab.cache
        flags = await spin_trylock_irqsave(locks, cpu, cache.list_lock, "alloc_from_new_slab")
        if flags is None:
            await self.discard_nolock(cpu, slab)
            return None
        taken = self._from_new(slab)
        await spin_unlock_irqrestore(locks, cpu, cache.list_lock, flags)
        return taken

    async def kfree_nolock_own(self, cpu: Cpu, item: KObject | Place) -> None:
        """kfree_nolock(), behind the hooks: free_to_pcs() that must not spin, else defer_free()."""
        slab = item.home
        assert isinstance(slab, Slab)
        layer, has_sheaves, thread = self.sheaves, slab.cache.sheaves is not None, cpu.current
        place = Place(slab, item.address)
        if layer is None or not has_sheaves or not await free_to_pcs(layer, thread, slab.cache, place, spin=False):
            await super().kfree_nolock_own(thread.cpu, place)

    # -- freeing -----------------------------------------------------------------------------------------------------

    async def _to_slabs(self, thread: Thread, items: Sequence[KObject | Place]) -> None:
        """__slab_free() for each run of objects of one slab: the lock only where the node's list has to change."""
        for slab, group in groupby(items, _home):
            assert isinstance(slab, Slab)
            addresses = list(map(_address, group))
            if not slab.free or slab.in_use == len(addresses):
                await self._free_under_lock(thread, slab, addresses)
            else:
                slab.free += addresses
                slab.in_use -= len(addresses)
        cpu = thread.cpu
        if cpu.clock >= cpu.conductor.horizon:
            await cpu.point()

    async def _free_under_lock(self, thread: Thread, slab: Slab, addresses: list[int]) -> None:
        """A slab that was full goes onto the list; one that is empty then away, if the list is long enough."""
        cache = slab.cache
        cpu, flags = await self._lock_list(thread, cache)
        slab.free += addresses
        slab.in_use -= len(addresses)
        gone = not slab.in_use and len(cache.partial) >= MIN_PARTIAL
        if gone:
            if slab.listed:
                self._unlist(slab)
            cache.slabs -= 1
        elif not slab.listed:
            self._list_partial(slab)
        await self._unlock_list(cpu, cache, flags)
        if gone:
            await self._pages.free_page(thread, slab.pfn)
