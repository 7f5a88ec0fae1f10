"""kfree_rcu_nolock() (mm/slab_common.c, commit 3bc999d944b3): for callers who cannot know what they have interrupted.

Every lock of __kfree_rcu_sheaf() is only tried, in every kernel. An object that cannot be stored that way goes onto a
lockless list of the CPU, and an irq_work hands it to the ordinary kvfree_call_rcu(): in hardirq, with spinlock_t
allowed; on PREEMPT_RT in the thread irq_work/N. So no lock is waited for in the caller's context, and it may be an NMI
that has interrupted kvfree_rcu() itself. What the irq_work costs is time: an object is retired when it is given, and
queued later. Only the two-argument form exists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kernel.thread import Thread
    from ..mm.objects import KObject
    from .core import KvfreeRcu


class KfreeRcuNolock:
    """kfree_call_rcu_nolock() and what it puts off."""

    def __init__(self, kvfree: KvfreeRcu) -> None:
        self._kvfree = kvfree
        self.deferred = 0
        """Objects that were put off to the irq_work."""
        kvfree.slab.hands_on_to(self._kvfree_call_rcu)

    async def kfree_call_rcu_nolock(self, thread: Thread, item: KObject) -> None:
        """kfree_call_rcu_nolock(): into a sheaf by trylocks, where there are batches, too; else defer_kfree_rcu()."""
        slab, unbatched = self._kvfree.slab, self._kvfree.unbatched is not None
        if slab.rcu_sheaves is not None and not unbatched and await slab.rcu_sheaves.store(thread, item, spin=False):
            return
        cpu = thread.cpu
        self._kvfree.oracle.retired(item, cpu.clock)
        self.deferred += 1
        await slab.deferred_by_rcu.add(cpu, item)

    async def _kvfree_call_rcu(self, cpu: Cpu, item: KObject) -> None:
        """kvfree_call_rcu(), by the irq_work, of an object that is retired already."""
        sheaves, unbatched = self._kvfree.slab.rcu_sheaves, self._kvfree.unbatched
        if unbatched is not None:
            await unbatched.queue(cpu.current, item, retired=True)
        elif sheaves is None or not await sheaves.kfree_rcu_sheaf(cpu.current, item, retired=True):
            await self._kvfree.queue_retired(cpu.current, item)
