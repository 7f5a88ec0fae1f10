"""D17: kfree_rcu_nolock(), for callers who cannot know what they have interrupted (commit 3bc999d944b3, 7.3).

As `sheaves`, but every lock is only tried, in every kernel. An object that cannot be stored that way goes onto a
lockless list of the CPU, and an irq_work hands it to the ordinary kvfree_call_rcu(): in hardirq, with spinlock_t
allowed; on PREEMPT_RT in the thread irq_work/N. So no lock is waited for in the caller's context, and it may be an NMI
that has interrupted kvfree_rcu() itself. What the irq_work costs is time: an object is retired when it is given, and
queued later.

Only the two-argument form exists; who gives no rcu_head gets `sheaves`.

What the irq_work hands over waits in the version's own batches, and shares their bugs. On v5.9 and v5.11 that is commit
5da7cb193db3's, whatever the design: memory is freed after a grace period that is too old. On PREEMPT_RT this design
shows it without any reader in the scenario: who holds the lock of the sheaf that was found busy counts as one
(tests/kvfree/test_upstream_bugs.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..mm.slab.slab_nolock import DeferredWork
from .sheaves import Sheaves

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kernel.thread import Thread
    from ..kvfree.core import KvfreeRcu
    from ..mm.objects import KObject


class NolockSheaves(Sheaves):
    """Sheaves by trylocks, else an irq_work."""

    name = "nolock-sheaves"
    about = "sheaves by trylocks only, else an irq_work that calls kvfree_rcu() (kfree_rcu_nolock(), 3bc999d944b3)"

    def attach(self, kvfree: KvfreeRcu) -> None:
        """The sheaves, and the lists of what is put off."""
        super().attach(kvfree)
        self.deferred = 0
        self._objects: DeferredWork[KObject] = DeferredWork(kvfree.system, "deferred_percpu_work", self._queue)

    async def take(self, kvfree: KvfreeRcu, thread: Thread, item: KObject, head: bool) -> bool:
        """kfree_call_rcu_nolock(): always takes an object that has an rcu_head."""
        if not head:
            return await super().take(kvfree, thread, item, head)
        if not await self.kfree_rcu_sheaf(thread, item, spin=False):
            cpu = thread.cpu
            kvfree.oracle.retired(item, cpu.clock)
            self.deferred += 1
            await self._objects.add(cpu, item)
        return True

    async def _queue(self, cpu: Cpu, item: KObject) -> None:
        """kvfree_call_rcu(), by the irq_work."""
        if not await self.kfree_rcu_sheaf(cpu.current, item, spin=self.spins, retired=True):
            await self._kvfree.queue_retired(cpu.current, item)
