"""Two ways past __get_free_page() to a page, for callers that may hold anything.

* __rcu_alloc_page_lockless(): Rezki's and Zijlstra's function of September 2020 (seed 002), never merged. The first
  page of this CPU's list with interrupts off; no watermark, no zone->lock, no refill, no post_alloc_hook().
* alloc_pages_nolock(): commit 97769a53f117 (v6.15), as try_alloc_pages(). An allocation whose every lock is only tried,
  at the min watermark, without reserves; and free_pages_nolock(), which leaves a page to whoever next has the lock.
  v6.18 and v7.3 have both (`nolock` of the rules); a design may bring the first to an older version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...context import preempt
from ..gfp import Gfp
from .no_locks import Route

if TYPE_CHECKING:
    from ...kernel.cpu import Cpu
    from .page_alloc import PageAllocator

GFP_NOLOCK: Final = Gfp.NOWARN | Gfp.ZERO | Gfp.NOMEMALLOC
"""What alloc_pages_nolock() asks with: no reclaim bit."""


async def rcu_alloc_page_lockless(pages: PageAllocator, cpu: Cpu) -> int | None:
    """__rcu_alloc_page_lockless(): a page that lies on this CPU's list, or None.

    The draft is of a kernel whose lists have no lock. Where they have one it is tried here [analysis].
    """
    return await pages.zone.rmqueue_pcplist(cpu, Gfp(0), Route.LIST_ONLY)


async def alloc_pages_nolock(pages: PageAllocator, cpu: Cpu) -> int | None:
    """alloc_pages_nolock(): a zeroed page, or None when a lock is taken.

    On PREEMPT_RT a trylock takes the rt_mutex's raw wait_lock, which an NMI must not, and would make the thread that a
    hardirq has interrupted an owner, which confuses priority inheritance: None at once. Before v6.1 a CPU's list has no
    lock but interrupts that are off, which keep no NMI away and show it nothing: None there, too [analysis].
    """
    count = cpu.ctx.preempt_count
    rt = cpu.system.config.PREEMPT_RT
    if rt and (preempt.in_nmi(count) or preempt.in_hardirq(count)):
        return None
    if preempt.in_nmi(count) and pages.zone.list_of(cpu).lock is None:
        return None
    return await pages.get_free_page(cpu.current, GFP_NOLOCK, Route.TRY)


async def free_pages_nolock(pages: PageAllocator, cpu: Cpu, pfn: int) -> None:
    """free_pages_nolock(): give a page back by trylocks only."""
    await pages.free_pages_nolock(cpu.current, pfn)
