"""D16: slab objects go into a sheaf of their cache, before kvfree_rcu() itself sees them (mm/slub.c, autumn 2025).

Each CPU has an rcu_free sheaf for each cache (__kfree_rcu_sheaf()). A full one is given to call_rcu(), and after the
grace period becomes a full sheaf in the cache's barn, to allocate from again; when the barn has enough, its objects are
freed to their slabs and the empty sheaf is kept. Where a new sheaf is needed and none can be had, and for vmalloc
areas, everything goes on as in `hrtimer-work`.

* Without PREEMPT_RT the barn's spinlock_t is really taken, under whatever raw lock the caller holds; a wait-override
  map tells lockdep to let that pass (kfree_rcu_sheaf_map), because on PREEMPT_RT the locks are only tried (commit
  2a8bb29ec9b2, 7.3). Neither the map nor trying helps the caller who holds the barn's lock itself.
* No timer empties an rcu_free sheaf: what is in a partly filled one waits until others come. (The patch says that
  objects may wait for longer than their grace period; "without limit" is our reading of it [analysis].)
* Flushing at a barrier and when a CPU goes is not modelled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ..context.waittype import WaitType
from ..kvfree.rules import EraRules
from ..mm.slab.sheaf import Sheaf, SheafLayer, sheaf_capacity
from ..mm.slab.slab import Cache, Slab
from ..mm.slab.slab_nolock import DeferredWork
from .hrtimer_work import HrtimerWork

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kernel.thread import Thread
    from ..kvfree.core import KvfreeRcu
    from ..mm.objects import KObject


class Sheaves(HrtimerWork):
    """Sheaves, and hrtimer-work behind them."""

    name = "sheaves"
    about = "collect slab objects in a sheaf of their cache, else hrtimer-work (SLUB sheaves, 2025)"

    def rules(self, era_rules: EraRules) -> EraRules:
        """The slab allocator has sheaves."""
        return attrs.evolve(era_rules, mm=attrs.evolve(era_rules.mm, sheaves=SheafLayer))

    def attach(self, kvfree: KvfreeRcu) -> None:
        """What kfree_rcu_sheaf() needs besides."""
        system = kvfree.system
        self._kvfree = kvfree
        assert kvfree.slab.sheaves is not None
        self.layer = kvfree.slab.sheaves
        self.spins = not system.config.PREEMPT_RT
        self._map = system.lock_factory.make_override("kfree_rcu_sheaf_map", inner=WaitType.CONFIG)
        self._full: DeferredWork[Sheaf] = DeferredWork(system, "deferred_percpu_work", self._call_rcu)

    async def take(self, _kvfree: KvfreeRcu, thread: Thread, item: KObject, _head: bool) -> bool:
        """kfree_rcu_sheaf()."""
        return await self.kfree_rcu_sheaf(thread, item, spin=self.spins)

    async def kfree_rcu_sheaf(self, thread: Thread, item: KObject, *, spin: bool, retired: bool = False) -> bool:
        """__kfree_rcu_sheaf(), inside the map that tells lockdep to look away. `retired`: somebody has said so."""
        if not isinstance(item.home, Slab):
            return False
        lockdep = self._kvfree.system.lockdep
        if self.spins and lockdep.on:
            lockdep.acquire(thread.cpu, self._map, trylock=True, site="__kfree_rcu_sheaf")
        stored = await self._store(thread, item.home.cache, item, spin=spin, retired=retired)
        if self.spins and lockdep.on:
            lockdep.release(thread.cpu, self._map)
        return stored

    async def _store(self, thread: Thread, cache: Cache, item: KObject, *, spin: bool, retired: bool) -> bool:
        layer, kvfree, cpu = self.layer, self._kvfree, thread.cpu
        mine = layer.of(cpu, cache)
        if not layer.trylock(cpu, mine):
            return False
        sheaf = mine.rcu_free or await self._new_sheaf(thread, cache, spin=spin)
        if sheaf is None:
            return False
        # Its own lock may have been dropped meanwhile; it is held again, where this runs now.
        cpu = thread.cpu
        mine = layer.of(cpu, cache)
        cpu.clock += kvfree.system.costs.kvfree_append_ns
        if not retired:
            kvfree.oracle.retired(item, cpu.clock)
        sheaf.retired.append(item)
        if len(sheaf.retired) >= sheaf_capacity(cache):
            mine.rcu_free = None
            # Before the lock is dropped, or a flush would miss it.
            if not spin and cpu.ctx.irqs_disabled:
                # It may have interrupted call_rcu() itself.
                await self._full.add(cpu, sheaf)
            else:
                await self._call_rcu(cpu, sheaf)
        await layer.unlock(cpu, mine)
        return True

    async def _new_sheaf(self, thread: Thread, cache: Cache, *, spin: bool) -> Sheaf | None:
        """Called with the CPU's lock held; when there is none, it is no more."""
        layer, cpu = self.layer, thread.cpu
        mine = layer.of(cpu, cache)
        sheaf, mine.spare = mine.spare, None
        sheaf = sheaf or await layer.get_empty(cpu, cache, spin=spin)
        if sheaf is None:
            await layer.unlock(cpu, mine)
            sheaf = await layer.alloc_empty(thread, cache, spin=spin)
            if sheaf is None:
                return None
            cpu = thread.cpu
            mine = layer.of(cpu, cache)
            if not layer.trylock(cpu, mine):
                await self._unused(cpu, sheaf, spin=spin)
                return None
            if mine.rcu_free is not None:
                # An interrupt has brought one meanwhile.
                await self._unused(cpu, sheaf, spin=spin)
                return mine.rcu_free
        mine.rcu_free = sheaf
        return sheaf

    async def _unused(self, cpu: Cpu, sheaf: Sheaf, *, spin: bool) -> None:
        if spin:
            await self.layer.put_empty(cpu.current, sheaf)
        else:
            await self._full.add(cpu, sheaf)

    async def _call_rcu(self, cpu: Cpu, sheaf: Sheaf) -> None:
        async def rcu_free_sheaf(on: Cpu) -> None:
            await self._rcu_free_sheaf(on, sheaf)

        await self._kvfree.callbacks.call_rcu(cpu, rcu_free_sheaf, "rcu_free_sheaf")

    async def _rcu_free_sheaf(self, cpu: Cpu, sheaf: Sheaf) -> None:
        """rcu_free_sheaf(), after the grace period."""
        kvfree, items = self._kvfree, sheaf.retired
        sheaf.retired = []
        if not items:
            await self.layer.put_empty(cpu.current, sheaf)
            return
        kvfree.figures.note_bulk(len(items))
        kvfree.figures.latencies.add_sorted(cpu.clock, items, lambda item: item.retired_ns)
        if self.layer.has_room(sheaf.cache):
            for item in kvfree.oracle.freed(items, "rcu_free_sheaf"):
                assert isinstance(item.home, Slab)
                sheaf.free.append((item.home, item.address))
            await self.layer.put_full(cpu.current, sheaf)
        else:
            await kvfree.slab.kfree_bulk(cpu.current, items)
            await self.layer.put_empty(cpu.current, sheaf)
