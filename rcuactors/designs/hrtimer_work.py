"""D12, v5.11 and later: never allocate in the caller's context.

A worker is asked instead, by way of an hrtimer (commit 56292e8609e3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kvfree.core import KvfreeRcu
    from ..kvfree.krc import Krc


class HrtimerWork:
    """Cache, hrtimer, workqueue."""

    name = "hrtimer-work"
    about = "use the cache only, and have a worker refill it by way of an hrtimer (v5.11, 56292e8609e3)"

    async def get_page(self, _kvfree: KvfreeRcu, _cpu: Cpu, _krcp: Krc) -> int | None:
        """The cache was empty: there is no page now."""
        return None

    async def missed(self, kvfree: KvfreeRcu, cpu: Cpu, krcp: Krc) -> None:
        """Ask for a refill."""
        await kvfree.refill.run_page_cache_worker(cpu, krcp)
