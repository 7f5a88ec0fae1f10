"""template: a page off this CPU's own list, while it has one.

`rcuactors run cold_cache_burst --design template.py` runs it.
"""

from __future__ import annotations

from rcuactors import GFP_NOWARN
from rcuactors.kernel.cpu import Cpu
from rcuactors.kvfree.core import KvfreeRcu
from rcuactors.kvfree.krc import Krc


class TemplateDesign:
    """Both methods run under krcp->lock, a raw spinlock, with interrupts off, in the context of kvfree_rcu()'s caller.

    A call that may sleep there is reported, with this file's line. What the design keeps, keep it in `self`: each run
    makes a new one.
    """

    name = "template"
    about = "a page off the CPU's own list, if that needs no lock; else a worker's, as in v5.11"

    async def get_page(self, kvfree: KvfreeRcu, cpu: Cpu, _krcp: Krc) -> int | None:
        """The cache was empty: the number of a page for a new block, or None if there is none to be had now."""
        own_list = kvfree.pages.zone.list_of(cpu)
        # A lock of the list is a spinlock_t, and so is zone->lock, under which an empty list is filled.
        if own_list.lock is not None or not own_list.pages:
            return None
        page = await kvfree.pages.get_free_page(cpu.current, GFP_NOWARN)
        kvfree.figures.caller_pages += page is not None
        return page

    async def missed(self, kvfree: KvfreeRcu, cpu: Cpu, krcp: Krc) -> None:
        """An object found no block, and takes the fallback's way: have a worker put pages into the cache."""
        await kvfree.refill.run_page_cache_worker(cpu, krcp)
