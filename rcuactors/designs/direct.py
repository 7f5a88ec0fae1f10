"""D1, v5.7 to v5.10: ask the page allocator in the caller's context.

That is under krcp->lock, with GFP_NOWAIT | __GFP_NOWARN (commit 34c881745549).

Clean as long as the CPU's page list has a page and the zone is not low; when the list must be refilled, zone->lock, a
spinlock_t, is taken under a raw one, and when the zone is low, that of kswapd's wait queue, list or no list. Without
the PREEMPT_RT exemption of `skip_on_rt` this is the code whose difficulties commit 56292e8609e3 lists as a), b) and c).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..mm.gfp import GFP_NOWAIT, GFP_NOWARN

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kvfree.core import KvfreeRcu
    from ..kvfree.krc import Krc


class Direct:
    """The allocation in the caller's context."""

    name = "direct"
    about = "ask for a page in the caller's context, under krcp->lock (v5.7)"

    async def get_page(self, kvfree: KvfreeRcu, cpu: Cpu, _krcp: Krc) -> int | None:
        """GFP_NOWAIT, whatever the caller's context."""
        page = await kvfree.pages.get_free_page(cpu.current, GFP_NOWAIT | GFP_NOWARN)
        kvfree.figures.caller_pages += page is not None
        return page

    async def missed(self, kvfree: KvfreeRcu, cpu: Cpu, krcp: Krc) -> None:
        """Nobody refills the cache."""
