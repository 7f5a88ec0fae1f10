"""Sheaves (mm/slub.c, v6.18 and later): arrays of objects in front of the slabs of a cache.

Each CPU has, under a local_trylock, a sheaf that its allocations are served from, perhaps a spare one, and one that
kfree_rcu() fills; each cache has a barn, under a spinlock_t, with some full and some empty ones. In what allocates and
frees a CPU's lock is only ever tried: who finds it taken, by what it has interrupted or, on PREEMPT_RT, preempted, goes
another way. What is done with them is in pcs.py (kmalloc(), kfree()), rcu_sheaf.py (kfree_rcu()), sheaf_flush.py.

The capacities are those of calculate_sheaf_capacity(), rounded up so that a sheaf fills a kmalloc() bucket; the 32
bytes of its head are an assumption. What a CPU has first, its empty main sheaf, was made with the cache, and takes no
memory here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, Protocol

import attrs

from ...context.locks import Lock, LockKind
from ...kernel.locking.irqsave import spin_lock_irqsave, spin_trylock_irqsave, spin_unlock_irqrestore
from ...kernel.percpu import PerCpu
from ..gfp import GFP_NOWAIT, GFP_NOWARN, Gfp
from ..objects import KObject
from .slab_nolock import kmalloc_nolock, may_trylock

if TYPE_CHECKING:
    from ...kernel.cpu import Cpu
    from ...kernel.system import System
    from ...kernel.thread import Thread
    from .cache import Cache, Place
    from .rules import SheafRules
    from .slab import SlabAllocator

MAX_FULL_SHEAVES: Final = 10
MAX_EMPTY_SHEAVES: Final = 10
_HEAD_BYTES: Final = 32
_BYTES: Final = ((4096, 64), (1024, 128), (256, 256), (0, 512))
"""From this size of objects on, a sheaf takes so many bytes."""


def sheaf_bytes(size: int) -> int:
    """What a sheaf of objects of that size takes."""
    return next(taken for least, taken in _BYTES if size >= least)


def sheaf_capacity(size: int) -> int:
    """Objects of that size in a sheaf, if nobody has asked for another number."""
    return (sheaf_bytes(size) - _HEAD_BYTES) // 8


class RcuForSheaves(Protocol):
    """What sheaves ask of RCU, which is a room of its own."""

    async def call_rcu(self, cpu: Cpu, function: Callable[[Cpu], Awaitable[None]], name: str) -> None:
        """call_rcu()."""
        ...

    async def rcu_barrier(self, thread: Thread) -> None:
        """rcu_barrier()."""
        ...


@attrs.define(eq=False)
class Sheaf:
    """struct slab_sheaf. `retired` wait for a grace period, `free` may be given out."""

    cache: Cache
    memory: KObject | None
    retired: list[KObject] = attrs.field(factory=list)
    free: list[Place] = attrs.field(factory=list)


@attrs.define(eq=False)
class CpuSheaves:
    """struct slub_percpu_sheaves."""

    lock: Lock
    main: Sheaf
    spare: Sheaf | None = None
    rcu_free: Sheaf | None = None

    def used(self) -> bool:
        """has_pcs_used()."""
        return bool(self.main.free or self.spare is not None or self.rcu_free is not None)


@attrs.define(eq=False)
class Barn:
    """struct node_barn."""

    lock: Lock
    full: list[Sheaf] = attrs.field(factory=list)
    empty: list[Sheaf] = attrs.field(factory=list)


@attrs.frozen(eq=False)
class CacheSheaves:
    """What a cache has of them; a `capacity` in objects."""

    capacity: int
    bytes: int
    cpus: PerCpu[CpuSheaves]
    barn: Barn

    def all(self) -> list[Sheaf]:
        """Every sheaf that objects can be given out from."""
        of_cpus = [sheaf for mine in self.cpus.values() for sheaf in (mine.main, mine.spare) if sheaf is not None]
        return [*of_cpus, *self.barn.full]


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
    """The sheaves of all caches and CPUs: their locks, empty ones, and the barns."""

    def __init__(self, system: System, slabs: SlabAllocator, rules: SheafRules) -> None:
        self.system, self.slabs, self.rules = system, slabs, rules
        self.spins = not system.config.PREEMPT_RT
        self.one_step = self.spins and rules.come_first
        """To take the lock of a CPU's, or let go of it, is nothing that anybody could see."""
        self._locks = system.locks

    def statistics(self) -> SheafStatistics:
        """Their figures, as they are now."""
        having = [cache.sheaves for cache in self.slabs.caches() if cache.sheaves is not None]
        collecting = [mine.rcu_free for sheaves in having for mine in sheaves.cpus.values()]
        return SheafStatistics(
            retired=sum(len(sheaf.retired) for sheaf in collecting if sheaf is not None),
            free=sum(len(sheaf.free) for sheaves in having for sheaf in sheaves.all()),
            full=sum(len(sheaves.barn.full) for sheaves in having),
            empty=sum(len(sheaves.barn.empty) for sheaves in having),
        )

    def waiting(self) -> set[KObject]:
        """Objects in sheaves that kfree_rcu() has not filled yet."""
        having = [cache.sheaves for cache in self.slabs.caches() if cache.sheaves is not None]
        collecting = [mine.rcu_free for sheaves in having for mine in sheaves.cpus.values()]
        return {p for sheaf in collecting if sheaf is not None for p in sheaf.retired}

    def new_for(self, cache: Cache, capacity: int) -> None:
        """do_kmem_cache_create(): the sheaves of a new cache, if it has any; of `capacity` if that is not 0.

        Caches that slub_debug looks after have none (SLAB_DEBUG_FLAGS).
        """
        if self.system.config.slub_debug or not (capacity or self.rules.every_cache):
            return
        make = self.system.lock_factory.make
        cpus = PerCpu(
            lambda _: CpuSheaves(make("&pcs->lock", LockKind.LOCAL_LOCK), Sheaf(cache, None)), self.system.masks
        )
        wanted = max(capacity, sheaf_capacity(cache.size)) if self.rules.every_cache else capacity
        barn = Barn(make("&barn->lock", LockKind.SPINLOCK))
        cache.sheaves = CacheSheaves(wanted, _HEAD_BYTES + 8 * wanted, cpus, barn)

    # -- the lock of a CPU's ----------------------------------------------------------------------------------------

    def trylock(self, cpu: Cpu, mine: CpuSheaves) -> bool:
        """local_trylock()."""
        return may_trylock(cpu) and self._locks.spin_trylock(cpu, mine.lock)

    async def lock(self, thread: Thread, sheaves: CacheSheaves) -> tuple[Cpu, CpuSheaves]:
        """local_lock(): of the CPU that this runs on then. For tasks."""
        cpu = thread.migrate_disable() if not self.spins else thread.preempt_disable("local_lock")
        mine = sheaves.cpus[cpu.cpu_id]
        # On PREEMPT_RT somebody may have it; elsewhere whoever had it has not been preempted.
        cpu = await self._locks.spin_lock(thread, mine.lock)
        if not self.spins:
            cpu.migrate_enable()
        else:
            await cpu.preempt_enable()
        return cpu, mine

    async def unlock(self, cpu: Cpu, mine: CpuSheaves) -> None:
        """local_unlock()."""
        await self._locks.spin_unlock(cpu, mine.lock)

    # -- empty ones --------------------------------------------------------------------------------------------------

    async def get_empty(self, cpu: Cpu, barn: Barn, *, spin: bool) -> Sheaf | None:
        """barn_get_empty_sheaf(), with the CPU's lock held."""
        if not barn.empty:
            return None
        flags = await self._lock_barn(cpu, barn, "barn_get_empty_sheaf", spin=spin)
        if flags is None:
            return None
        sheaf = barn.empty.pop() if barn.empty else None
        await spin_unlock_irqrestore(self._locks, cpu, barn.lock, flags)
        return sheaf

    async def _lock_barn(self, cpu: Cpu, barn: Barn, site: str, *, spin: bool) -> bool | None:
        """The flags; None where the lock is only tried, and taken."""
        if spin:
            _, flags = await spin_lock_irqsave(self._locks, cpu.current, barn.lock, site)
            return flags
        return await spin_trylock_irqsave(self._locks, cpu, barn.lock, site)

    async def alloc_empty(self, thread: Thread, cache: Cache, *, spin: bool, gfp: Gfp = GFP_NOWAIT) -> Sheaf | None:
        """alloc_empty_sheaf(): or, where nobody must spin, without a bit of __GFP_RECLAIM: by trylocks only."""
        assert cache.sheaves is not None
        size = cache.sheaves.bytes
        if spin:
            memory = await self.slabs.kmalloc_own(thread, size, gfp | GFP_NOWARN)
        else:
            memory = await kmalloc_nolock(self.slabs, thread.cpu, size)
        return None if memory is None else Sheaf(cache, memory)

    async def free_empty(self, thread: Thread, sheaf: Sheaf) -> None:
        """free_empty_sheaf()."""
        if sheaf.memory is not None:
            await self.slabs.kfree_own(thread, sheaf.memory)

    async def put_empty(self, thread: Thread, sheaf: Sheaf) -> None:
        """barn_put_empty_sheaf(): who cares for the limit looks at it before."""
        assert sheaf.cache.sheaves is not None
        barn = sheaf.cache.sheaves.barn
        cpu, flags = await spin_lock_irqsave(self._locks, thread, barn.lock, "barn_put_empty_sheaf")
        barn.empty.append(sheaf)
        await spin_unlock_irqrestore(self._locks, cpu, barn.lock, flags)

    # -- full ones ---------------------------------------------------------------------------------------------------

    async def put_full(self, thread: Thread, sheaf: Sheaf) -> None:
        """barn_put_full_sheaf(): so here."""
        assert sheaf.cache.sheaves is not None
        barn = sheaf.cache.sheaves.barn
        cpu, flags = await spin_lock_irqsave(self._locks, thread, barn.lock, "barn_put_full_sheaf")
        barn.full.append(sheaf)
        await spin_unlock_irqrestore(self._locks, cpu, barn.lock, flags)

    async def replace_empty(self, cpu: Cpu, barn: Barn, empty: Sheaf, *, spin: bool = True) -> Sheaf | None:
        """barn_replace_empty_sheaf(): a full one for an empty one; None if there is none."""
        if not barn.full:
            return None
        flags = await self._lock_barn(cpu, barn, "barn_replace_empty_sheaf", spin=spin)
        if flags is None:
            return None
        full = barn.full.pop() if barn.full else None
        if full is not None:
            barn.empty.append(empty)
        await spin_unlock_irqrestore(self._locks, cpu, barn.lock, flags)
        return full

    async def replace_full(self, cpu: Cpu, barn: Barn, full: Sheaf, *, spin: bool) -> Sheaf | None:
        """barn_replace_full_sheaf(): an empty one for a full one, if the barn has one, and room."""
        if len(barn.full) >= MAX_FULL_SHEAVES or not barn.empty:
            return None
        flags = await self._lock_barn(cpu, barn, "barn_replace_full_sheaf", spin=spin)
        if flags is None:
            return None
        empty = barn.empty.pop() if barn.empty else None
        if empty is not None:
            barn.full.append(full)
        await spin_unlock_irqrestore(self._locks, cpu, barn.lock, flags)
        return empty

    async def shrink_barn(self, thread: Thread, barn: Barn) -> list[Sheaf]:
        """barn_shrink(): all that is in it, for who frees that."""
        cpu, flags = await spin_lock_irqsave(self._locks, thread, barn.lock, "barn_shrink")
        taken = [*barn.full, *barn.empty]
        barn.full.clear()
        barn.empty.clear()
        await spin_unlock_irqrestore(self._locks, cpu, barn.lock, flags)
        return taken
