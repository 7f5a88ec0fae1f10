"""What debug objects take their own objects from (lib/debugobjects.c): obj_pool, the CPUs' parts of it, obj_to_free.

Whatever is tracked needs a struct debug_obj. They come from the CPU's own part, that from the global pool; whoever
begins to track something first sees to it that the pool is not too low (fill_pool()), in whatever context the caller
is: with memory from the slab allocator, whose locks are spinlock_t. Under a raw lock that is an invalid wait context
(kvfree_call_rcu() of v5.11 does so under krcp->lock); later versions tell lockdep to look away, since PREEMPT_RT fills
the pool in preemptible context only. Where nothing is left, debug objects switch themselves off.

Looked up at 5.9.1, 5.11, 6.1.0, 6.1.166, 6.6.80, 6.12.94, 6.18.2 and 6.18.44. The pool begins full, or with as many as
the setting `debug_objects_pool` says. What gives memory back (free_obj_work()) is left out: what is too many waits on
obj_to_free to be used again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import attrs

from ..context.locks import Lock, LockKind
from ..context.violation import ViolationKind
from ..context.waittype import WaitType
from ..errors import bad_value

if TYPE_CHECKING:
    from .cpu import Cpu
    from .system import System
    from .thread import Thread

POOL_SIZE: Final = 1024
"""ODEBUG_POOL_SIZE; more by a batch for each possible CPU, as the lowest level is."""
MIN_LEVEL: Final = 256
"""ODEBUG_POOL_MIN_LEVEL."""
BATCH: Final = 16
"""ODEBUG_BATCH_SIZE."""


@attrs.frozen(kw_only=True)
class PoolRules:
    """One version's. The defaults are v5.9's."""

    rt_fills_preemptible_only: bool = False
    """PREEMPT_RT: the pool is filled by preemptible callers only (lib/debugobjects.c: 6.1.0 has it, 5.11 has not)."""
    activation_fills: bool = False
    """debug_object_activate() fills the pool of whatever it is asked, not only where tracking begins (commit
    63a759694eed of v6.4; 6.1.166 has it)."""
    looks_away: WaitType | None = None
    """The wait type of fill_pool_map, under which lockdep lets the allocator's locks pass (commit 0cce06ba859a of v6.4:
    SLEEP; 6.18.44 has CONFIG, 6.18.2 not yet)."""
    whole_batches: bool = False
    """Objects move by whole batches, and one CPU at a time fills the pool unless it is at half its lowest level
    (lib/debugobjects.c: 6.18.2 does so, 6.12.94 does not)."""
    percpu_size: int = 64
    """How many a CPU keeps (ODEBUG_POOL_PERCPU_SIZE; lib/debugobjects.c, 128 at 6.18.2)."""


class PoolMemory(Protocol):
    """Where the pool's memory comes from (mm/kernel_memory.py)."""

    async def alloc(self, thread: Thread, *, preemptible: bool) -> object | None:
        """kmem_cache_zalloc(obj_cache)."""
        ...

    async def free(self, thread: Thread, block: object) -> None:
        """kmem_cache_free()."""
        ...


@attrs.frozen(kw_only=True)
class PoolStatistics:
    """debug_stats_show().

    * `free` (objects): in the global pool.
    * `percpu` (objects): on the CPUs' lists.
    * `to_free` (objects): that wait to be given back.
    * `allocated` (objects): that came from the slab allocator.
    """

    free: int
    percpu: int
    to_free: int
    allocated: int


class ObjPool:
    """obj_pool of one machine. `enabled`: debug_objects_enabled."""

    def __init__(self, system: System, rules: PoolRules, memory: PoolMemory) -> None:
        """Raises BadInput for a pool that begins with more objects than it has."""
        self._system = system
        self._rules = rules
        self._memory = memory
        more = system.config.nr_cpus * BATCH
        self.size, self.min_level = POOL_SIZE + more, MIN_LEVEL + more
        wanted = system.config.debug_objects_pool
        if wanted > self.size:
            raise bad_value(f"debug_objects_pool={wanted}", f"at most {self.size} with nr_cpus={system.config.nr_cpus}")
        self.free = wanted if wanted >= 0 else self.size
        self.enabled = True
        self._percpu: dict[int, int] = {}
        self._to_free = 0
        self._allocated = 0
        self._filling = 0
        self._left: set[tuple[int, str] | None] = set()
        factory = system.lock_factory
        self._lock = factory.make("pool_lock", LockKind.RAW_SPINLOCK)
        away = rules.looks_away
        self._map: Lock | None = factory.make_override("fill_pool_map", inner=away) if away is not None else None

    def statistics(self) -> PoolStatistics:
        """Its figures, as they are now."""
        return PoolStatistics(
            free=self.free, percpu=sum(self._percpu.values()), to_free=self._to_free, allocated=self._allocated
        )

    # -- filling -----------------------------------------------------------------------------------------------------

    async def debug_objects_fill_pool(self, thread: Thread, *, tracked: bool = False) -> None:
        """debug_objects_fill_pool(), for something that is `tracked` already or is to be."""
        rules = self._rules
        if self.free >= self.min_level or not self.enabled or (tracked and not rules.activation_fills):
            return
        if rules.whole_batches:
            self._reuse()
        preemptible = thread.ctx.preemptible()
        if self._system.config.PREEMPT_RT and rules.rt_fills_preemptible_only and not preemptible:
            return
        lockdep, site = self._system.lockdep, "debug_objects_fill_pool"
        watched = self._map is not None and lockdep.on
        if self._map is not None and watched:
            lockdep.acquire(thread.cpu, self._map, trylock=True, site=site)
        await self.fill_pool(thread, preemptible=preemptible)
        if self._map is not None and watched:
            lockdep.release(thread.cpu, self._map)

    def _reuse(self) -> None:
        """fill_pool_from_freelist(), or what fill_pool() begins with."""
        step = BATCH if self._rules.whole_batches else 1
        while self._to_free >= step and self.free < self.min_level:
            self._to_free -= step
            self.free += step

    async def fill_pool(self, thread: Thread, *, preemptible: bool) -> None:
        """fill_pool()."""
        batches = self._rules.whole_batches
        if not batches:
            self._reuse()
        elif self._filling and self.free >= self.min_level // 2:
            return
        self._filling += 1
        while self.free < self.min_level:
            new: list[object] = []
            while len(new) < BATCH:
                block = await self._memory.alloc(thread, preemptible=preemptible)
                if block is None:
                    break
                new.append(block)
            if batches and len(new) < BATCH:
                for block in new:
                    await self._memory.free(thread, block)
                new.clear()
            if not new:
                break
            await self._push(thread, len(new))
        self._filling -= 1

    async def _push(self, thread: Thread, count: int) -> None:
        locks = self._system.locks
        cpu, flags = thread.local_irq_save("fill_pool")
        await locks.raw_spin_lock(cpu, self._lock, "fill_pool")
        self.free += count
        self._allocated += count
        await locks.raw_spin_unlock(cpu, self._lock)
        await cpu.local_irq_restore(flags)

    # -- taking and giving back --------------------------------------------------------------------------------------

    def alloc_object(self, cpu: Cpu, place: tuple[int, str] | None = None) -> bool:
        """alloc_object(): where there is none left, debug objects are off from now on (debug_objects_oom()).

        Without DEBUG_OBJECTS_FREE a `place`, an object's address and a member's name, goes on being tracked whatever
        becomes of the object there: then none is needed.
        """
        if place in self._left:
            return True
        mine = self._percpu.get(cpu.cpu_id, 0)
        if not mine:
            mine = self._take_batch()
        if not mine:
            self._disable(cpu)
            return False
        self._percpu[cpu.cpu_id] = mine - 1
        if place is not None:
            self._left.add(place)
        return True

    def _take_batch(self) -> int:
        """What a CPU gets at once: a batch, and in older versions the one that it needs as well."""
        if self._rules.whole_batches:
            if self._to_free >= BATCH:
                self._to_free -= BATCH
                return BATCH
            if self.free < BATCH:
                return 0
            self.free -= BATCH
            return BATCH
        taken = min(self.free, BATCH + 1)
        self.free -= taken
        return taken

    def _disable(self, cpu: Cpu) -> None:
        if not self.enabled:
            return
        self.enabled = False
        title = "ODEBUG: Out of memory. ODEBUG disabled"
        text = "\n".join([title, *cpu.judge.stack(cpu, ["debug_objects_oom"])])
        cpu.judge.report(cpu, ViolationKind.DEBUG_OBJECTS, title, text)

    def free_object(self, cpu: Cpu) -> None:
        """free_object()."""
        if not self.enabled:
            return
        limit, batches = self._rules.percpu_size, self._rules.whole_batches
        mine = self._percpu.get(cpu.cpu_id, 0) + 1
        if mine < limit + (not batches):
            self._percpu[cpu.cpu_id] = mine
            return
        count = BATCH if batches else BATCH + 1
        self._percpu[cpu.cpu_id] = mine - count
        full = self.free + BATCH > self.size if batches else self.free > self.size
        if full:
            self._to_free += count
        else:
            self.free += count
