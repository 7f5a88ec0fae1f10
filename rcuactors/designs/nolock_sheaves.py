"""D17: kfree_rcu_nolock(), for callers who cannot know what they have interrupted (commit 3bc999d944b3, 7.3).

Every kvfree_rcu() with an rcu_head is a kfree_rcu_nolock() here (kvfree/nolock.py); who gives no rcu_head gets
`sheaves`.

What the irq_work hands over waits in the version's own batches, and shares their bugs. On v5.9 and v5.11 that is commit
5da7cb193db3's, whatever the design: memory is freed after a grace period that is too old. On PREEMPT_RT this design
shows it without any reader in the scenario: who holds the lock of the sheaf that was found busy counts as one
(tests/kvfree/test_upstream_bugs.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .sheaves import Sheaves

if TYPE_CHECKING:
    from ..kernel.thread import Thread
    from ..kvfree.core import KvfreeRcu
    from ..mm.objects import KObject


class NolockSheaves(Sheaves):
    """Sheaves by trylocks, else an irq_work."""

    name = "nolock-sheaves"
    about = "sheaves by trylocks only, else an irq_work that calls kvfree_rcu() (kfree_rcu_nolock(), 3bc999d944b3)"

    async def take(self, kvfree: KvfreeRcu, thread: Thread, item: KObject, head: bool) -> bool:
        """kfree_call_rcu_nolock(): always takes an object that has an rcu_head."""
        if head:
            await kvfree.nolock.kfree_call_rcu_nolock(thread, item)
        return head
