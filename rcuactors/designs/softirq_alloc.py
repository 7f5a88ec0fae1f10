"""D11: a softirq that allocates, raised when the storage has run low.

Proposed by Thomas Gleixner in the debate of August 2020. McKenney: that would do for kfree_rcu(), but call_rcu() would
have deadlock issues with the softirq. Raising one outside of interrupts wakes ksoftirqd (kernel/softirq.c,
raise_softirq_irqoff()), and a wake-up takes the scheduler's locks: where the caller holds one of them, this is the
deadlock that the hrtimer of commit 56292e8609e3 avoids.

The softirq is a tasklet here. It allocates with GFP_ATOMIC: it must not sleep, but may take zone->lock, a spinlock_t,
which is allowed in softirqs; on PREEMPT_RT they run in a thread, where it may even sleep for the lock. It does not
reclaim: when memory is short, there is none. "Low" is empty: the first call that finds no page asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..mm.gfp import GFP_ATOMIC, GFP_NOWARN
from .hrtimer_work import HrtimerWork

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kvfree.core import KvfreeRcu
    from ..kvfree.krc import Krc

_GFP: Final = GFP_ATOMIC | GFP_NOWARN


class SoftirqAlloc(HrtimerWork):
    """Cache, softirq."""

    name = "softirq-alloc"
    about = "use the cache only, and raise a softirq that refills it (Gleixner, 2020)"

    async def missed(self, kvfree: KvfreeRcu, cpu: Cpu, krcp: Krc) -> None:
        """Raise it, unless it is pending."""
        if not kvfree.refill.begin(krcp):
            return

        async def fill_page_cache_tasklet(on: Cpu) -> None:
            await self._fill(kvfree, on, krcp)

        await kvfree.system.softirqs.tasklet_schedule(cpu, fill_page_cache_tasklet)

    async def _fill(self, kvfree: KvfreeRcu, cpu: Cpu, krcp: Krc) -> None:
        """What fill_page_cache_func() does, without a wish to wait."""
        locks, figures = kvfree.system.locks, kvfree.figures
        for _ in range(len(krcp.cache), kvfree.min_cached_objs):
            page = await kvfree.pages.get_free_page(cpu.current, _GFP)
            if page is None:
                break
            flags = cpu.local_irq_save("fill_page_cache_tasklet")
            await locks.raw_spin_lock(cpu, krcp.lock)
            pushed = kvfree.put_cached_bnode(krcp, page)
            await locks.raw_spin_unlock(cpu, krcp.lock)
            await cpu.local_irq_restore(flags)
            if not pushed:
                figures.refill_pages_refused += 1
                await kvfree.pages.free_page(cpu.current, page)
                break
            figures.refill_pages += 1
        kvfree.refill.end(krcp)
