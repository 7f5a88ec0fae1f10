"""D2, v5.9 and v5.10: as `direct`, but not on PREEMPT_RT.

There kvfree_rcu() never enters the page allocator (commit 4d2919411867).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .direct import Direct

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kvfree.core import KvfreeRcu
    from ..kvfree.krc import Krc


class SkipOnRt(Direct):
    """The allocation in the caller's context, except on PREEMPT_RT."""

    name = "skip-on-rt"
    about = "ask in the caller's context, but not on PREEMPT_RT (v5.9, 4d2919411867)"

    async def get_page(self, kvfree: KvfreeRcu, cpu: Cpu, krcp: Krc) -> int | None:
        """Nothing on PREEMPT_RT: the object goes the fallback way."""
        if kvfree.system.config.PREEMPT_RT:
            return None
        return await super().get_page(kvfree, cpu, krcp)
