"""slub_cpu_dead() (mm/slub.c): what a dead CPU has of each cache goes back to the cache's node, under slab_mutex.

Which that is, is the version's: its slab and its partial ones (`flush_cpu_slab` of each allocator); in versions with
sheaves those, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...kernel.hotplug.states import CpuhpState

if TYPE_CHECKING:
    from ...kernel.system import System
    from ...kernel.thread import Thread
    from .slab import SlabAllocator


class SlabHotplug:
    """The slab allocator's callbacks."""

    def __init__(self, system: System, slab: SlabAllocator) -> None:
        self._system, self._slab = system, slab
        system.hotplug.sets_up(self._set_up)

    def _set_up(self) -> None:
        self._system.hotplug.setup_state(CpuhpState.SLUB_DEAD, "slub:dead", teardown=self.slub_cpu_dead)

    async def slub_cpu_dead(self, thread: Thread, cpu_id: int) -> None:
        """slub_cpu_dead()."""
        locks = self._system.locks
        await locks.mutex_lock(thread, self._slab.slab_mutex)
        for cache in self._slab.caches():
            if cpu_id in cache.cpus:
                await self._slab.flush_cpu_slab(thread, cache, cpu_id)
            if self._slab.sheaf_flush is not None:
                await self._slab.sheaf_flush.cpu_is_dead(thread, cache, cpu_id)
        await locks.mutex_unlock(thread, self._slab.slab_mutex)
