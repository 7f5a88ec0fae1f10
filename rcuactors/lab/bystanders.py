"""Who else is on the machine while something is tried: a contender, a neighbour, a housekeeper, a sleeper.

Each is a kernel thread's body. They stand for the rest of a machine: what contends for locks, empties page lists and
makes a busy CPU want to reschedule.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..context.locks import Lock, LockKind
from ..kapi import Kernel
from ..marks import machinery
from .sections import mutex, raw_spin, spin

HOLD_US: Final = 500_000
_HOUSEKEEPING_US: Final = 40_000
_HOUSEKEEPING_BURST_US: Final = 20
_PAGES: Final = 200
"""More than a CPU's page list keeps, so that zone->lock is taken again and again, to refill it and to drain it."""
_AREA: Final = 1024
_HOLDING: Final = {LockKind.MUTEX: mutex, LockKind.SPINLOCK: spin, LockKind.RAW_SPINLOCK: raw_spin}


async def housekeeper(k: Kernel) -> None:
    """Wakes up every 40 ms for a moment, for ever, as some thread does on any real machine."""
    while True:
        await k.usleep_range(_HOUSEKEEPING_US, 2 * _HOUSEKEEPING_US)
        await k.udelay(_HOUSEKEEPING_BURST_US)


async def sleeper(k: Kernel) -> None:
    """Sleeps until somebody wakes it up by wake_up_process(), and then again."""
    await k.wait_for_completion(k.completion("being woken up"))


async def neighbour(k: Kernel, working: Callable[[], bool]) -> None:
    """Takes a page and gives its page list back, again and again: so zone->lock is contended."""
    while working():
        await stir_zone(k)


async def stir_zone(k: Kernel) -> None:
    """Take a page, free it, give this CPU's page list back: zone->lock is taken both ways."""
    await k.free_page(await k.get_free_page())
    await k.drain_local_pages()


async def borrow_pages(k: Kernel, count: int) -> None:
    """Take so many pages, then free them: as buffers of a device or page tables come and go."""
    pages = [await k.get_free_page() for _ in range(count)]
    for page in pages:
        await k.free_page(page)


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
                await (self._areas() if self._with_areas else borrow_pages(k, _PAGES))
            await k.complete(self._resting)

    async def _hold(self, lock: Lock) -> None:
        await _HOLDING[lock.lock_class.kind](self._k, self._keep, lock)

    async def _keep(self) -> None:
        """mdelay(): the holder stays on its CPU."""
        await self._k.complete(self._at_it)
        await self._k.udelay(HOLD_US)

    async def _areas(self) -> None:
        k = self._k
        await k.vfree(await k.vmalloc(_AREA))
