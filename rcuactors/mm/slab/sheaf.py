"""Sheaves (mm/slub.c, v8 of autumn 2025): arrays of objects in front of the slabs of a cache.

Each CPU has, under a local_trylock, a sheaf that its allocations are served from and one that kfree_rcu() fills; each
cache has a barn, under a spinlock_t, with some full and some empty ones. A CPU's lock is only ever tried: who finds it
taken, by what it has interrupted or, on PREEMPT_RT, preempted, goes another way.

The capacities are those of calculate_sheaf_capacity(), rounded up so that a sheaf fills a kmalloc() bucket; the 32
bytes of its head are an assumption. Only what kfree_rcu() has to do with is modelled: kfree() goes to the slabs, and
kmalloc() comes here only when the CPU's own slab has nothing left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from ...context.locks import Lock, LockKind
from ...kernel.locking.irqsave import spin_lock_irqsave, spin_trylock_irqsave, spin_unlock_irqrestore
from ...kernel.percpu import PerCpu
from ..gfp import GFP_NOWAIT, GFP_NOWARN
from ..objects import KObject
from .slab import Cache, Slab, SlabAllocator
from .slab_nolock import kmalloc_nolock, may_trylock

if TYPE_CHECKING:
    from ...kernel.cpu import Cpu
    from ...kernel.system import System
    from ...kernel.thread import Thread

MAX_FULL_SHEAVES: Final = 10
MAX_EMPTY_SHEAVES: Final = 10
_HEAD_BYTES: Final = 32
_BYTES: Final = ((4096, 64), (1024, 128), (256, 256), (0, 512))
"""From this size of objects on, a sheaf takes so many bytes."""


def sheaf_bytes(cache: Cache) -> int:
    """What a sheaf of the cache takes."""
    return next(taken for size, taken in _BYTES if cache.size >= size)


def sheaf_capacity(cache: Cache) -> int:
    """Objects in a sheaf of the cache."""
    return (sheaf_bytes(cache) - _HEAD_BYTES) // 8


@attrs.define(eq=False)
class Sheaf:
    """struct slab_sheaf. `retired` wait for a grace period, `free` may be given out."""

    cache: Cache
    memory: KObject
    retired: list[KObject] = attrs.field(factory=list)
    free: list[tuple[Slab, int]] = attrs.field(factory=list)


@attrs.define(eq=False)
class CpuSheaves:
    """struct slub_percpu_sheaves."""

    lock: Lock
    main: Sheaf | None = None
    spare: Sheaf | None = None
    rcu_free: Sheaf | None = None


@attrs.define(eq=False)
class Barn:
    """struct node_barn."""

    lock: Lock
    full: list[Sheaf] = attrs.field(factory=list)
    empty: list[Sheaf] = attrs.field(factory=list)


@attrs.frozen(kw_only=True)
class SheafStatistics:
    """The sheaves of all caches and CPUs.

    * `retired` (objects): that lie in sheaves still filled by kfree_rcu(): no grace period was asked for yet.
    * `free` (objects): in CPUs' and barns' sheaves, ready to be given out.
    * `full` (sheaves): in the barns.
    * `empty` (sheaves): in the barns.
    """

    retired: int
    free: int
    full: int
    empty: int


class SheafLayer:
    """The sheaves of all caches and CPUs."""

    def __init__(self, system: System, slabs: SlabAllocator) -> None:
        self._system = system
        self._slabs = slabs
        self._cpus: dict[int, PerCpu[CpuSheaves]] = {}
        """By size of the cache's objects."""
        self._barns: dict[int, Barn] = {}

    def statistics(self) -> SheafStatistics:
        """Their figures, as they are now."""
        of_cpus = [mine for sheaves in self._cpus.values() for mine in sheaves.values()]
        barns = self._barns.values()
        given_out_from = [sheaf for mine in of_cpus for sheaf in (mine.main, mine.spare) if sheaf is not None]
        given_out_from += [sheaf for barn in barns for sheaf in barn.full]
        return SheafStatistics(
            retired=sum(len(mine.rcu_free.retired) for mine in of_cpus if mine.rcu_free is not None),
            free=sum(len(sheaf.free) for sheaf in given_out_from),
            full=sum(len(barn.full) for barn in barns),
            empty=sum(len(barn.empty) for barn in barns),
        )

    def of(self, cpu: Cpu, cache: Cache) -> CpuSheaves:
        """The CPU's, of that cache."""
        sheaves = self._cpus.get(cache.size)
        if sheaves is None:
            make = self._system.lock_factory.make
            sheaves = self._cpus[cache.size] = PerCpu(
                lambda _: CpuSheaves(make("&pcs->lock", LockKind.LOCAL_LOCK)), self._system.masks
            )
        return sheaves[cpu.cpu_id]

    def barn(self, cache: Cache) -> Barn:
        """The cache's."""
        found = self._barns.get(cache.size)
        if found is None:
            found = self._barns[cache.size] = Barn(self._system.lock_factory.make("&barn->lock", LockKind.SPINLOCK))
        return found

    def trylock(self, cpu: Cpu, mine: CpuSheaves) -> bool:
        """local_trylock()."""
        return may_trylock(cpu) and self._system.locks.spin_trylock(cpu, mine.lock)

    async def unlock(self, cpu: Cpu, mine: CpuSheaves) -> None:
        """local_unlock()."""
        await self._system.locks.spin_unlock(cpu, mine.lock)

    # -- empty ones --------------------------------------------------------------------------------------------------

    async def get_empty(self, cpu: Cpu, cache: Cache, *, spin: bool) -> Sheaf | None:
        """barn_get_empty_sheaf(), with the CPU's lock held."""
        locks, barn = self._system.locks, self.barn(cache)
        if not barn.empty:
            return None
        flags: bool | None
        if spin:
            _, flags = await spin_lock_irqsave(locks, cpu.current, barn.lock, "barn_get_empty_sheaf")
        else:
            flags = await spin_trylock_irqsave(locks, cpu, barn.lock, "barn_get_empty_sheaf")
        if flags is None:
            return None
        sheaf = barn.empty.pop() if barn.empty else None
        await spin_unlock_irqrestore(locks, cpu, barn.lock, flags)
        return sheaf

    async def alloc_empty(self, thread: Thread, cache: Cache, *, spin: bool) -> Sheaf | None:
        """alloc_empty_sheaf(): GFP_NOWAIT, or without a bit of __GFP_RECLAIM, which means by trylocks only."""
        size = sheaf_bytes(cache)
        if spin:
            memory = await self._slabs.kmalloc_own(thread, size, GFP_NOWAIT | GFP_NOWARN)
        else:
            memory = await kmalloc_nolock(self._slabs, thread.cpu, size)
        return None if memory is None else Sheaf(cache, memory)

    async def put_empty(self, thread: Thread, sheaf: Sheaf) -> None:
        """barn_put_empty_sheaf(), or free_empty_sheaf() if there are enough."""
        if not await self._put(thread, self.barn(sheaf.cache), sheaf, full=False):
            await self._slabs.kfree_own(thread, sheaf.memory)

    # -- full ones ---------------------------------------------------------------------------------------------------

    def has_room(self, cache: Cache) -> bool:
        """The barn would take another full one, as far as can be seen without its lock."""
        return len(self.barn(cache).full) < MAX_FULL_SHEAVES

    async def put_full(self, thread: Thread, sheaf: Sheaf) -> None:
        """barn_put_full_sheaf()."""
        await self._put(thread, self.barn(sheaf.cache), sheaf, full=True)

    async def _put(self, thread: Thread, barn: Barn, sheaf: Sheaf, *, full: bool) -> bool:
        if not full and len(barn.empty) >= MAX_EMPTY_SHEAVES:
            return False
        locks = self._system.locks
        cpu, flags = await spin_lock_irqsave(locks, thread, barn.lock, "barn_put_sheaf")
        (barn.full if full else barn.empty).append(sheaf)
        await spin_unlock_irqrestore(locks, cpu, barn.lock, flags)
        return True

    async def alloc(self, thread: Thread, cache: Cache) -> tuple[Slab, int] | None:
        """alloc_from_pcs(): from the CPU's main sheaf; an empty one is exchanged for a full one out of the barn."""
        cpu = thread.cpu
        sheaves = self._cpus.get(cache.size)
        mine = sheaves.get(cpu.cpu_id) if sheaves is not None else None
        if mine is None or not (mine.main or self.barn(cache).full) or not self.trylock(cpu, mine):
            return None
        left: Sheaf | None = None
        if mine.main is None or not mine.main.free:
            full = await self._get_full(cpu, cache)
            if full is not None:
                left, mine.main = mine.main, full
                if mine.spare is None:
                    mine.spare, left = left, None
        taken = mine.main.free.pop() if mine.main is not None and mine.main.free else None
        await self.unlock(cpu, mine)
        if left is not None:
            await self.put_empty(thread, left)
        return taken

    async def _get_full(self, cpu: Cpu, cache: Cache) -> Sheaf | None:
        locks, barn = self._system.locks, self.barn(cache)
        if not barn.full:
            return None
        _, flags = await spin_lock_irqsave(locks, cpu.current, barn.lock, "barn_replace_empty_sheaf")
        sheaf = barn.full.pop() if barn.full else None
        await spin_unlock_irqrestore(locks, cpu, barn.lock, flags)
        return sheaf
