"""Who works against the runner: a thread on the other CPU that holds the lock in question, or takes the same ones."""

from __future__ import annotations

from typing import Final

from ..context.locks import Lock, LockKind
from ..kapi import Kernel
from ..marks import machinery

HOLD_US: Final = 500_000
_PAGES: Final = 200
"""More than a CPU's page list keeps, so that zone->lock is taken again and again, to refill it and to drain it."""
_AREA: Final = 1024


class Contender:
    """One thread, asleep between the rounds.

    With a lock it holds that for 500 ms; else it loops over vmalloc() and vfree(), or over taking pages and freeing
    them, until it is told to stop.
    """

    def __init__(self, kernel: Kernel, *, holds: Lock | None, with_areas: bool) -> None:
        self._k = kernel
        self._holds = holds
        self._with_areas = with_areas
        self._go = kernel.completion("the next round")
        self._at_it = kernel.completion("the contender")
        self._resting = kernel.completion("the contender's rest")
        self._wanted = False

    async def start(self) -> None:
        """Wake it up and wait until it is at it. May sleep."""
        self._wanted = True
        await self._k.complete(self._go)
        await self._k.wait_for_completion(self._at_it)

    async def stop(self) -> None:
        """Have it go back to sleep, and wait for that, unless it holds a lock. May sleep."""
        if self._wanted and self._holds is None:
            self._wanted = False
            await self._k.wait_for_completion(self._resting)

    @machinery
    async def main(self) -> None:
        """The thread."""
        k = self._k
        while True:
            await k.wait_for_completion(self._go)
            if self._holds is not None:
                await self._hold(self._holds)
                continue
            await k.complete(self._at_it)
            while self._wanted:
                await (self._areas() if self._with_areas else self._pages())
            await k.complete(self._resting)

    async def _hold(self, lock: Lock) -> None:
        k = self._k
        kind = lock.lock_class.kind
        if kind is LockKind.MUTEX:
            await k.mutex_lock(lock)
            await self._keep()
            await k.mutex_unlock(lock)
        elif kind is LockKind.SPINLOCK:
            await k.spin_lock(lock)
            await self._keep()
            await k.spin_unlock(lock)
        else:
            await k.raw_spin_lock(lock)
            await self._keep()
            await k.raw_spin_unlock(lock)

    async def _keep(self) -> None:
        """mdelay(): the holder stays on its CPU."""
        await self._k.complete(self._at_it)
        await self._k.udelay(HOLD_US)

    async def _pages(self) -> None:
        k = self._k
        pages = [await k.get_free_page() for _ in range(_PAGES)]
        for page in pages:
            await k.free_page(page)

    async def _areas(self) -> None:
        k = self._k
        await k.vfree(await k.vmalloc(_AREA))
