"""D14: ask in the caller's context, with every lock only tried: alloc_pages_nolock() (commit 97769a53f117).

Starovoitov, 2025, for BPF, as try_alloc_pages() first; never used for kvfree_rcu()'s blocks. The model shows that it is
legal wherever krcp->lock is, also for a caller that holds zone->lock; that it gets none while somebody else holds that
lock, or, on PREEMPT_RT, in hardirq; and what it costs: the page is cleared. Kernels before v6.1 have no lock on the
lists that could be tried; there interrupts are off, and an NMI gets nothing [analysis].
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..mm.page.lockless import alloc_pages_nolock

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kvfree.core import KvfreeRcu
    from ..kvfree.krc import Krc


class AllocPagesNolock:
    """Trylocks all the way."""

    name = "alloc-pages-nolock"
    about = "ask in the caller's context, all locks only tried: alloc_pages_nolock() (97769a53f117)"

    async def get_page(self, kvfree: KvfreeRcu, cpu: Cpu, _krcp: Krc) -> int | None:
        """A page, unless somebody is in the way."""
        page = await alloc_pages_nolock(kvfree.pages, cpu)
        kvfree.figures.caller_pages += page is not None
        return page

    async def missed(self, kvfree: KvfreeRcu, cpu: Cpu, krcp: Krc) -> None:
        """Nobody refills anything."""
