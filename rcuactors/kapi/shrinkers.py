"""Shrinkers (include/linux/shrinker.h): what reclaim may ask for memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ..errors import BadInput
from ..kernel.thread import Thread
from ..mm.reclaim import Shrinker
from .base import KernelBase, begun


class Shrinkers(KernelBase):
    """Code of a scenario's own in the reclaim path."""

    async def register_shrinker(
        self,
        name: str,
        count_objects: Callable[[], Awaitable[int]],
        scan_objects: Callable[[int], Awaitable[int | None]],
    ) -> Shrinker:
        """register_shrinker(), since v6.7 shrinker_register(): from now on reclaim asks how much there is. Might sleep.

        `count_objects()` says how many objects could go, 0 for none; `scan_objects(nr_to_scan)` how many did, or None,
        which is SHRINK_STOP. Both run in whoever reclaims (PF_MEMALLOC, with fs_reclaim held), and may sleep there.
        """

        async def count(_thread: Thread) -> int:
            return await begun(count_objects)

        async def scan(_thread: Thread, nr_to_scan: int) -> int | None:
            return await begun(scan_objects, nr_to_scan)

        shrinker = Shrinker(name, count, scan)
        await self._machine.pages.reclaim.shrinkers.register_shrinker(self._thread, shrinker)
        return shrinker

    async def drop_slab(self) -> None:
        """`echo 2 > /proc/sys/vm/drop_caches`: all shrinkers, kvfree_rcu()'s too, are asked for what they have."""
        await self._machine.pages.reclaim.drop_slab(self._thread)

    async def unregister_shrinker(self, shrinker: Shrinker) -> None:
        """unregister_shrinker(), since v6.7 shrinker_free(): sleep until nobody is at it, and nobody will be.

        Raises BadInput for one that is not registered.
        """
        shrinkers = self._machine.pages.reclaim.shrinkers
        if shrinker not in shrinkers.registered:
            raise BadInput(f"unregister_shrinker({shrinker.name}): it is not registered")
        await shrinkers.unregister_shrinker(self._thread, shrinker)
