"""Flushing a cache's CPUs (mm/slub.c: flush_all_cpus_locked(), flush_rcu_sheaves_on_cache(), __pcs_flush_all_cpu()).

Each CPU does it itself, by a work on slub_flushwq, and who asks waits for the works. Of the CPUs' rcu_free sheaves that
is all: what was in them goes to call_rcu(), and rcu_barrier() waits for that. A CPU that nothing has touched has
nothing, and gets no work here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import TYPE_CHECKING

from ...context.locks import Lock, LockKind
from ...kernel.workqueue import Work, WqFlags
from ...kernel.workqueue.flush import flush_work
from .pcs import flush_main, flush_unused
from .rcu_sheaf import RcuSheaves
from .sheaf import RcuForSheaves, SheafLayer

if TYPE_CHECKING:
    from ...kernel.cpu import Cpu
    from ...kernel.thread import Thread
    from ...kernel.workqueue import Workqueue, Workqueues
    from .cache import Cache
    from .slab import SlabAllocator


class FlushWorks:
    """slub_flush: a work for each CPU, one flush at a time."""

    def __init__(self, slabs: SlabAllocator, workqueues: Workqueues) -> None:
        self._slabs, self._workqueues = slabs, workqueues

    @cached_property
    def _flushwq(self) -> Workqueue:
        return self._workqueues.alloc_workqueue("slub_flushwq", WqFlags.MEM_RECLAIM)

    @cached_property
    def _flush_lock(self) -> Lock:
        return self._slabs.system.lock_factory.make("flush_lock", LockKind.MUTEX)

    async def on_cpus(
        self, thread: Thread, cpu_ids: list[int], function: Callable[[Cpu], Awaitable[None]], name: str
    ) -> None:
        """Have the function run on each of these CPUs, and wait for that; no CPU may come or go meanwhile."""
        system = self._slabs.system
        system.hotplug.cpus.lockdep_assert_cpus_held(thread.cpu)
        await system.locks.mutex_lock(thread, self._flush_lock)
        works = [(cpu_id, Work(name, function)) for cpu_id in cpu_ids]
        for cpu_id, work in works:
            await self._workqueues.queue_work(thread.cpu, self._flushwq, work, on=system.cpu(cpu_id))
        for _, work in works:
            await flush_work(self._workqueues, thread, work)
        await system.locks.mutex_unlock(thread, self._flush_lock)

    async def flush_all_cpus_locked(self, thread: Thread, cache: Cache) -> None:
        """flush_all_cpus_locked(): what the online CPUs have of the cache, slabs and sheaves, goes back."""

        async def flush_cpu_slab(cpu: Cpu) -> None:
            await self._slabs.flush_this_cpu(cpu, cache)

        online = self._slabs.system.masks.online()
        having = [cpu_id for cpu_id in online if cache.used_by(cpu_id)]
        if having:
            await self.on_cpus(thread, having, flush_cpu_slab, "flush_cpu_slab")


class SheafFlush:
    """Flushes of sheaves, and what barriers wait for."""

    def __init__(self, layer: SheafLayer, rcu: RcuForSheaves, sheaves: RcuSheaves, works: FlushWorks) -> None:
        self._layer, self._rcu, self._sheaves, self._works = layer, rcu, sheaves, works
        self._system, self._slabs = layer.system, layer.slabs

    async def pcs_flush_all(self, cpu: Cpu, cache: Cache) -> None:
        """pcs_flush_all(): all sheaves of the CPU that this runs on, past the barn."""
        assert cache.sheaves is not None
        thread, layer = cpu.current, self._layer
        cpu, mine = await layer.lock(thread, cache.sheaves)
        spare, mine.spare = mine.spare, None
        rcu_free, mine.rcu_free = mine.rcu_free, None
        await layer.unlock(cpu, mine)
        if spare is not None:
            await flush_unused(layer, thread, spare)
            await layer.free_empty(thread, spare)
        if rcu_free is not None:
            await self._sheaves.flush(thread.cpu, rcu_free)
        await flush_main(layer, thread, cache)

    async def cpu_is_dead(self, thread: Thread, cache: Cache, cpu_id: int) -> None:
        """__pcs_flush_all_cpu(): the CPU does not run any more, so its lock is not taken."""
        sheaves = cache.sheaves
        if sheaves is None or cpu_id not in sheaves.cpus:
            return
        mine = sheaves.cpus[cpu_id]
        await flush_unused(self._layer, thread, mine.main)
        spare, mine.spare = mine.spare, None
        if spare is not None:
            await flush_unused(self._layer, thread, spare)
            await self._layer.free_empty(thread, spare)
        rcu_free, mine.rcu_free = mine.rcu_free, None
        if rcu_free is not None:
            await self._sheaves.flush(thread.cpu, rcu_free)

    async def shutdown(self, thread: Thread, cache: Cache) -> None:
        """The sheaves' part of __kmem_cache_shutdown(), behind flush_all_cpus_locked()."""
        # Sheaves may be in flight.
        await self._rcu.rcu_barrier(thread)
        await self.shrink_barn(thread, cache)

    async def shrink_barn(self, thread: Thread, cache: Cache) -> None:
        """barn_shrink()."""
        assert cache.sheaves is not None
        for sheaf in await self._layer.shrink_barn(thread, cache.sheaves.barn):
            await flush_unused(self._layer, thread, sheaf)
            await self._layer.free_empty(thread, sheaf)

    # -- barriers ----------------------------------------------------------------------------------------------------

    async def flush_rcu_sheaves_on_cache(self, thread: Thread, cache: Cache) -> None:
        """flush_rcu_sheaves_on_cache(): every CPU's rcu_free sheaf of the cache goes to call_rcu().

        Whether there is one is not asked: somebody may just be about to give it to call_rcu(), with the lock held.
        """
        sheaves = cache.sheaves
        assert sheaves is not None

        async def flush_rcu_sheaf(cpu: Cpu) -> None:
            at, mine = await self._layer.lock(cpu.current, sheaves)
            rcu_free, mine.rcu_free = mine.rcu_free, None
            await self._layer.unlock(at, mine)
            if rcu_free is not None:
                await self._sheaves.flush(cpu.current.cpu, rcu_free)

        online = [cpu_id for cpu_id, _ in sheaves.cpus.online()]
        await self._works.on_cpus(thread, online, flush_rcu_sheaf, "flush_rcu_sheaf")

    async def flush_all_rcu_sheaves(self, thread: Thread) -> None:
        """flush_all_rcu_sheaves(): those of all caches, and wait until they are freed. May sleep."""
        system = self._system
        if self._layer.rules.deferred_first:
            await self._slabs.deferred_work_barrier(thread)
        await system.hotplug.cpus.cpus_read_lock(thread)
        await system.locks.mutex_lock(thread, self._slabs.slab_mutex)
        for cache in self._slabs.caches():
            if cache.sheaves is not None:
                await self.flush_rcu_sheaves_on_cache(thread, cache)
        await system.locks.mutex_unlock(thread, self._slabs.slab_mutex)
        await system.hotplug.cpus.cpus_read_unlock(thread)
        if not self._layer.rules.deferred_first:
            await self._slabs.deferred_work_barrier(thread)
        await self._rcu.rcu_barrier(thread)

    async def barrier_on_cache(self, thread: Thread, cache: Cache) -> None:
        """The sheaves' part of kvfree_rcu_barrier_on_cache(). May sleep."""
        rules, cpus = self._layer.rules, self._system.hotplug.cpus
        if rules.deferred_first:
            await self._slabs.deferred_work_barrier(thread)
        if cache.sheaves is not None:
            if rules.on_cache_reads_cpus:
                await cpus.cpus_read_lock(thread)
            await self.flush_rcu_sheaves_on_cache(thread, cache)
            if rules.on_cache_reads_cpus:
                await cpus.cpus_read_unlock(thread)
        if not rules.deferred_first:
            await self._slabs.deferred_work_barrier(thread)
        if rules.on_cache_waits:
            await self._rcu.rcu_barrier(thread)
