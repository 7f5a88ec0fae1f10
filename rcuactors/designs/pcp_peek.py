"""D7: look whether this CPU's page list is empty, and ask for a page with GFP_NOWAIT if it is not.

The caller peeks with interrupts off (kernel-facts 3, D7), so on a kernel whose lists have no lock nothing can take the
page away in between. The model shows that it is legal there without PREEMPT_RT until the zone is low: then GFP_NOWAIT
wakes kswapd under the raw lock, whatever the list holds. PREEMPT_RT of v5.9 to v5.11 has a sleeping lock to take before
the list, peeked at or not [analysis]; v6.1 only tries the list's lock, but goes on to zone->lock when another CPU holds
it, whatever the peek has said; and the allocator's hooks lock all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .direct import Direct

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kvfree.core import KvfreeRcu
    from ..kvfree.krc import Krc


class PcpPeek(Direct):
    """The allocation in the caller's context, if the list has a page."""

    name = "pcp-peek"
    about = "look at the CPU's page list first, and ask with GFP_NOWAIT if it has a page (discussed in 2020)"

    async def get_page(self, kvfree: KvfreeRcu, cpu: Cpu, krcp: Krc) -> int | None:
        """Interrupts are off here, as krcp->lock is held."""
        if not kvfree.pages.zone.list_of(cpu).pages:
            cpu.clock += kvfree.system.costs.page_look_ns
            return None
        return await super().get_page(kvfree, cpu, krcp)
