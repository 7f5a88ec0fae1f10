"""kfree_rcu() by sheaves (mm/slub.c: __kfree_rcu_sheaf(), rcu_free_sheaf(); mm/slab_common.c: kfree_rcu_sheaf()).

Each CPU has an rcu_free sheaf for each cache. A full one is given to call_rcu(), and after the grace period becomes a
full sheaf in the cache's barn, to allocate from again; when the barn has enough, its objects are freed to their slabs
and the empty sheaf is kept. Where a new sheaf is needed and none can be had, and for vmalloc areas, kvfree_call_rcu()
goes on as ever.

* Without PREEMPT_RT the barn's spinlock_t is really taken, under whatever raw lock the caller holds; a wait-override
  map tells lockdep to let that pass (kfree_rcu_sheaf_map, commit f8b4cd2dad09), because on PREEMPT_RT the locks are
  only tried (commit 2a8bb29ec9b2). Neither the map nor trying helps the caller who holds the barn's lock itself.
* One grace period covers a whole sheaf, from its last object on, and no timer empties it: what is in a partly filled
  one waits until others come, or somebody flushes it. (The patch says that objects may wait for longer than their grace
  period; "without limit" is our reading of it [analysis].)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from ...context.waittype import WaitType
from .cache import Place, Slab
from .pcs import flush_unused
from .rules import SheavesOnRt
from .sheaf import MAX_EMPTY_SHEAVES, MAX_FULL_SHEAVES, RcuForSheaves, Sheaf, SheafLayer

if TYPE_CHECKING:
    from ...kernel.cpu import Cpu
    from ...kernel.thread import Thread
    from ..objects import KObject, LifetimeObserver
    from .cache import Cache
    from .deferred import DeferredList

Note = Callable[[int, list["KObject"]], None]
"""Told when a sheaf's objects come out of their grace period: the time, and they."""


class RcuSheaves:
    """The rcu_free sheaves of one machine."""

    def __init__(
        self,
        layer: SheafLayer,
        rcu: RcuForSheaves,
        observer: LifetimeObserver,
        full: Callable[[Callable[[Cpu, Sheaf], Awaitable[None]]], DeferredList[Sheaf]],
    ) -> None:
        """`full` makes the list of what is put off to the irq_work."""
        self._layer, self._rcu, self._observer = layer, rcu, observer
        self._system, self._rules = layer.system, layer.rules
        rt = self._system.config.PREEMPT_RT
        self.spins = not rt
        self.on_rt_passed_by = rt and layer.rules.on_rt is SheavesOnRt.PASSED_BY
        self._map = self._system.lock_factory.make_override("kfree_rcu_sheaf_map", inner=WaitType.CONFIG)
        self._maps = self.spins and layer.rules.override_map
        self._full = full(self._asks_for_grace_period)
        self._notes: list[Note] = []

    def noted_by(self, note: Note) -> None:
        """Somebody counts what is freed."""
        self._notes.append(note)

    async def kfree_rcu_sheaf(self, thread: Thread, item: KObject, *, retired: bool = False) -> bool:
        """kfree_rcu_sheaf(): what kvfree_call_rcu() tries first."""
        if self.on_rt_passed_by or not isinstance(item.home, Slab) or item.home.cache.sheaves is None:
            return False
        return await self.store(thread, item, spin=self.spins, retired=retired)

    async def store(self, thread: Thread, item: KObject, *, spin: bool, retired: bool = False) -> bool:
        """__kfree_rcu_sheaf(), inside the map that tells lockdep to look away. `retired`: somebody has said so."""
        if not isinstance(item.home, Slab) or item.home.cache.sheaves is None:
            return False
        lockdep = self._system.lockdep
        if self._maps and lockdep.on:
            lockdep.acquire(thread.cpu, self._map, trylock=True, site="__kfree_rcu_sheaf")
        stored = await self._store(thread, item.home.cache, item, spin=spin, retired=retired)
        if self._maps and lockdep.on:
            lockdep.release(thread.cpu, self._map)
        return stored

    async def _store(self, thread: Thread, cache: Cache, item: KObject, *, spin: bool, retired: bool) -> bool:
        layer, cpu, sheaves = self._layer, thread.cpu, cache.sheaves
        assert sheaves is not None
        mine = sheaves.cpus[cpu.cpu_id]
        if not layer.trylock(cpu, mine):
            return False
        sheaf = mine.rcu_free or await self._new_sheaf(thread, cache, spin=spin)
        if sheaf is None:
            return False
        # Its own lock may have been dropped meanwhile; it is held again, where this runs now.
        cpu = thread.cpu
        mine = sheaves.cpus[cpu.cpu_id]
        cpu.clock += self._system.costs.kvfree_append_ns
        if not retired:
            self._observer.retired(item, cpu.clock)
        sheaf.retired.append(item)
        if len(sheaf.retired) >= sheaves.capacity:
            mine.rcu_free = None
            # Before the lock is dropped, or a flush would miss it.
            if not spin and cpu.ctx.irqs_disabled:
                # It may have interrupted call_rcu() itself.
                await self._full.add(cpu, sheaf)
            else:
                await self._asks_for_grace_period(cpu, sheaf)
        await layer.unlock(cpu, mine)
        return True

    async def _new_sheaf(self, thread: Thread, cache: Cache, *, spin: bool) -> Sheaf | None:
        """Called with the CPU's lock held; when there is none, it is no more."""
        layer, cpu, sheaves = self._layer, thread.cpu, cache.sheaves
        assert sheaves is not None
        mine = sheaves.cpus[cpu.cpu_id]
        sheaf: Sheaf | None = None
        if mine.spare is not None and not mine.spare.free:
            sheaf, mine.spare = mine.spare, None
        sheaf = sheaf or await layer.get_empty(cpu, sheaves.barn, spin=spin)
        if sheaf is None:
            await layer.unlock(cpu, mine)
            sheaf = await layer.alloc_empty(thread, cache, spin=spin)
            if sheaf is None:
                return None
            cpu = thread.cpu
            mine = sheaves.cpus[cpu.cpu_id]
            if not layer.trylock(cpu, mine):
                await self._unused(thread, sheaf, spin=spin)
                return None
            if mine.rcu_free is not None:
                # An interrupt has brought one meanwhile.
                await self._unused(thread, sheaf, spin=spin)
                return mine.rcu_free
        mine.rcu_free = sheaf
        return sheaf

    async def _unused(self, thread: Thread, sheaf: Sheaf, *, spin: bool) -> None:
        """__free_empty_sheaf()."""
        if self._rules.unused_goes_to_barn and spin:
            await self._layer.put_empty(thread, sheaf)
        elif spin:
            await self._layer.free_empty(thread, sheaf)
        elif sheaf.memory is not None:
            await self._layer.slabs.kfree_nolock_own(thread.cpu, sheaf.memory)

    async def _asks_for_grace_period(self, cpu: Cpu, sheaf: Sheaf) -> None:
        await self._rcu.call_rcu(cpu, partial(self.rcu_free_sheaf, sheaf=sheaf), "rcu_free_sheaf")

    async def flush(self, cpu: Cpu, sheaf: Sheaf) -> None:
        """What a flush does with a CPU's: after a grace period it goes to the slabs, past the barn."""
        await self._rcu.call_rcu(cpu, partial(self.rcu_free_sheaf_nobarn, sheaf=sheaf), "rcu_free_sheaf_nobarn")

    def _grace_period_is_over(self, cpu: Cpu, sheaf: Sheaf, how: str) -> None:
        """__rcu_free_sheaf_prepare(): the hooks of kfree() for each object."""
        items, sheaf.retired = sheaf.retired, []
        for note in self._notes:
            note(cpu.clock, items)
        for item in self._observer.freed(items, how):
            assert isinstance(item.home, Slab)
            sheaf.cache.sheaf_object_freed(item)
            sheaf.free.append(Place(item.home, item.address))

    async def rcu_free_sheaf(self, cpu: Cpu, *, sheaf: Sheaf) -> None:
        """rcu_free_sheaf(), after the grace period."""
        layer, sheaves = self._layer, sheaf.cache.sheaves
        assert sheaves is not None
        self._grace_period_is_over(cpu, sheaf, "rcu_free_sheaf")
        if sheaf.free and len(sheaves.barn.full) < MAX_FULL_SHEAVES:
            await layer.put_full(cpu.current, sheaf)
            return
        await flush_unused(layer, cpu.current, sheaf)
        if len(sheaves.barn.empty) < MAX_EMPTY_SHEAVES:
            await layer.put_empty(cpu.current, sheaf)
        else:
            await layer.free_empty(cpu.current, sheaf)

    async def rcu_free_sheaf_nobarn(self, cpu: Cpu, *, sheaf: Sheaf) -> None:
        """rcu_free_sheaf_nobarn()."""
        self._grace_period_is_over(cpu, sheaf, "rcu_free_sheaf_nobarn")
        await flush_unused(self._layer, cpu.current, sheaf)
        await self._layer.free_empty(cpu.current, sheaf)
