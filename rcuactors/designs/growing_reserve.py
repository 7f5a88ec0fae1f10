"""D8, growing: a reserve that is made larger after an emergency.

The answer to "a reserve has no bound": begin with few pages, and when the reserve was found empty have a worker double
it. (The pool side of the debate of October 2020, seed 003; doubling is our choice.) The worker is asked by way of an
hrtimer, as in commit 56292e8609e3, since the caller may hold the scheduler's locks. Growth comes after the fact: the
emergency itself finds nothing, and each new one must be larger than any before it. What has grown never shrinks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..kernel.time.hrtimer import Hrtimer
from ..kernel.workqueue import Work
from ..mm.gfp import GFP_KERNEL, GFP_NOWARN, Gfp
from .reserve import DEFAULT_PAGES, Reserve

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kvfree.core import KvfreeRcu
    from ..kvfree.krc import Krc

_GFP: Final = GFP_KERNEL | Gfp.NORETRY | Gfp.NOMEMALLOC | GFP_NOWARN


class GrowingReserve(Reserve):
    """The reserve, and a worker for each CPU's."""

    name = "growing-reserve"
    about = f"a reserve of {DEFAULT_PAGES} pages a CPU that a worker doubles when it was found empty (seed 003)"

    def __init__(self, pages: int = DEFAULT_PAGES) -> None:
        super().__init__(pages)
        self._works: dict[int, Work] = {}

    def prepare(self, kvfree: KvfreeRcu, krcp: Krc) -> None:
        """A CPU's share, and its work."""
        super().prepare(kvfree, krcp)

        async def grow_reserve(cpu: Cpu) -> None:
            await self._grow(kvfree, cpu, krcp)

        self._works[krcp.cpu_id] = Work("grow_reserve", grow_reserve)

    async def missed(self, kvfree: KvfreeRcu, cpu: Cpu, krcp: Krc) -> None:
        """Have the reserve grow, unless that is on its way."""
        if not kvfree.refill.begin(krcp):
            return
        workqueues = kvfree.workqueues

        async def schedule_grow_fn(on: Cpu) -> int | None:
            await workqueues.queue_work(on, workqueues.system_highpri_wq, self._works[krcp.cpu_id])
            return None

        await kvfree.system.hrtimers.hrtimer_start(cpu, Hrtimer("schedule_grow_fn", schedule_grow_fn), 0)

    async def _grow(self, kvfree: KvfreeRcu, cpu: Cpu, krcp: Krc) -> None:
        """The work: twice the size, or as much of it as there is memory for."""
        locks, stock = kvfree.system.locks, self.stocks[krcp.cpu_id]
        for _ in range(max(stock.size, 1)):
            page = await kvfree.pages.get_free_page(cpu.current, _GFP)
            if page is None:
                break
            flags = cpu.local_irq_save("grow_reserve")
            await locks.raw_spin_lock(cpu, krcp.lock)
            stock.size += 1
            stock.pages.append(page)
            await locks.raw_spin_unlock(cpu, krcp.lock)
            await cpu.local_irq_restore(flags)
            kvfree.figures.refill_pages += 1
        kvfree.refill.end(krcp)
