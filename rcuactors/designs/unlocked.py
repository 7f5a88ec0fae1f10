"""D10: drop krcp->lock and allocate, in the one-argument form only.

Merged after v5.11 beside the worker, and in v6.1 (kernel/rcu/tree.c, add_ptr_to_bulk_krc_lock()): a caller of the
one-argument form may sleep anyway, and else has to wait for a whole grace period. The flags are GFP_KERNEL |
__GFP_NORETRY | __GFP_NOMEMALLOC | __GFP_NOWARN, so that it does not reclaim for long in order to free.

Then the lock of the CPU that the caller runs on *then* is taken, which in the kernel may be another one (repaired by
commit 309a43165077). Here it stands alone: who gives an rcu_head gets a block only out of the cache, which is filled by
what was drained.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..mm.gfp import GFP_KERNEL, GFP_NOWARN, Gfp

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kernel.thread import Thread
    from ..kvfree.core import KvfreeRcu
    from ..kvfree.krc import Krc

_GFP: Final = GFP_KERNEL | Gfp.NORETRY | Gfp.NOMEMALLOC | GFP_NOWARN


class Unlocked:
    """The allocation with the lock dropped, for callers that may sleep."""

    name = "unlocked"
    about = "drop krcp->lock and ask for a page, in the one-argument form only (after v5.11)"

    async def get_page(self, _kvfree: KvfreeRcu, _cpu: Cpu, _krcp: Krc) -> int | None:
        """Not under the lock."""
        return None

    async def get_page_unlocked(self, kvfree: KvfreeRcu, thread: Thread, head: bool) -> int | None:
        """For who may sleep."""
        return None if head else await kvfree.pages.get_free_page(thread, _GFP)

    async def missed(self, kvfree: KvfreeRcu, cpu: Cpu, krcp: Krc) -> None:
        """Nobody refills the cache."""
