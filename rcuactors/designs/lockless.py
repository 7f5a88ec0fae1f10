"""D5: __rcu_alloc_page_lockless(), a way into the page allocator that ends where its locks begin.

By Rezki and Zijlstra, September 2020 (seed 002): the first page of this CPU's list with interrupts off, "super fast,
but a higher rate of fails is also expected". The model shows that nobody refills the list on this way, so that a loop
of user space which frees enough takes it empty, below any watermark, and others have to fill it (Hocko, Gorman:
kernel-facts 3, D5); and that a page which skips post_alloc_hook() cannot be used in a kernel with debug_pagealloc or
KASAN [analysis]. The draft of the thread tests a page's sanity the wrong way round [analysis]; the intended test is
modelled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..mm.page.hooks import first_write
from ..mm.page.lockless import rcu_alloc_page_lockless

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kvfree.core import KvfreeRcu
    from ..kvfree.krc import Krc


class Lockless:
    """The first phase of the page allocator only."""

    name = "lockless"
    about = "__rcu_alloc_page_lockless(): a page off this CPU's list, never zone->lock, no refill (proposed in 2020)"

    async def get_page(self, kvfree: KvfreeRcu, cpu: Cpu, _krcp: Krc) -> int | None:
        """The block's header is the first that is written to the page."""
        page = await rcu_alloc_page_lockless(kvfree.pages, cpu)
        if page is not None:
            kvfree.figures.caller_pages += 1
            first_write(cpu, kvfree.pages.hooks, page)
        return page

    async def missed(self, kvfree: KvfreeRcu, cpu: Cpu, krcp: Krc) -> None:
        """Nobody refills anything."""
