"""D9: allocate in the caller's context, but only if the caller is preemptible().

"rcu/tree: Allocate a page when caller is preemptible" (Rezki, September 2020; in the tip tree as 16a6320addfc, sent
again as the last but one patch of the series that seed 000 answers, never merged). preemptible() is asked before
krcp->lock is taken; the lock is dropped for the allocation: GFP_KERNEL | __GFP_RETRY_MAYFAIL where the caller may
sleep, GFP_ATOMIC in the two-argument form, whose caller may be in the midst of reclaim. Seed 000 hopes for it to
replace the worker "if we obtain the preemptable()".

Without PREEMPT_COUNT the macro is the constant 0, so that such a kernel never gets a page this way. That is why the
series made PREEMPT_COUNT unconditional, which was opposed. The patch asked kmalloc(PAGE_SIZE); here the page allocator
is asked directly. The model drops krcp->lock in any case, and looks then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..mm.gfp import GFP_ATOMIC, GFP_KERNEL, GFP_NOWARN, Gfp

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kernel.thread import Thread
    from ..kvfree.core import KvfreeRcu
    from ..kvfree.krc import Krc

_CAN_SLEEP: Final = GFP_KERNEL | Gfp.RETRY_MAYFAIL | GFP_NOWARN
_ATOMIC: Final = GFP_ATOMIC | GFP_NOWARN


def preemptible(thread: Thread) -> bool:
    """preemptible() (include/linux/preempt.h): the constant 0 in a kernel without PREEMPT_COUNT."""
    return bool(thread.cpu.system.locks.preempt_offset) and thread.ctx.preemptible()


class PreemptibleGuard:
    """The allocation with the lock dropped, for preemptible callers."""

    name = "preemptible-guard"
    about = "drop krcp->lock and ask for a page, but only if the caller is preemptible() (seed 000, 16a6320addfc)"

    async def get_page(self, _kvfree: KvfreeRcu, _cpu: Cpu, _krcp: Krc) -> int | None:
        """Not under the lock."""
        return None

    async def get_page_unlocked(self, kvfree: KvfreeRcu, thread: Thread, head: bool) -> int | None:
        """The context is the caller's own here."""
        if not preemptible(thread):
            return None
        return await kvfree.pages.get_free_page(thread, _ATOMIC if head else _CAN_SLEEP)

    async def missed(self, kvfree: KvfreeRcu, cpu: Cpu, krcp: Krc) -> None:
        """Nobody refills the cache."""
