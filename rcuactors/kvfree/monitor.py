"""The monitor (kernel/rcu/tree.c, kfree_rcu_monitor(), queue_kfree_rcu_work()): starts batches of what is queued.

A batch is what waits for one grace period, and there are two. When the monitor runs, what it may move, and what the
count says afterwards are parts of the version (parts/).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..marks import machinery
from . import invariants
from .figures import MonitorStatistics

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from .core import KvfreeRcu
    from .krc import Krc


class Monitor:
    """The monitor of all CPUs."""

    def __init__(self, kvfree: KvfreeRcu) -> None:
        self._kvfree = kvfree
        self._arming = kvfree.arming

    def statistics(self) -> MonitorStatistics:
        """Its figures, as they are now."""
        return MonitorStatistics(runs=self._kvfree.figures.monitor_runs)

    async def kfree_rcu_monitor(self, cpu: Cpu, krcp: Krc) -> None:
        """kfree_rcu_monitor(): start batches, and see to it that what had to stay is tried again."""
        self._kvfree.figures.monitor_runs += 1
        locks = self._kvfree.system.locks
        flags = cpu.local_irq_save("kfree_rcu_monitor")
        await locks.raw_spin_lock(cpu, krcp.lock)
        await self.start_batches(cpu, krcp)
        await locks.raw_spin_unlock(cpu, krcp.lock)
        await cpu.local_irq_restore(flags)

    @machinery
    async def start_batches(self, cpu: Cpu, krcp: Krc) -> None:
        """queue_kfree_rcu_work(): under krcp->lock, if it is time, into batches, and ask for their grace periods.

        In v5.9 to v5.11 this is kfree_rcu_drain_unlock() and queue_kfree_rcu_work(), in v6.1 the loop in the monitor.
        """
        kvfree, rules = self._kvfree, self._kvfree.rules
        if not self._arming.due(krcp):
            return
        stayed = False
        for batch in krcp.batches:
            moved = rules.batching(krcp, batch)
            if moved:
                krcp.count = rules.counting(krcp.count, moved)
                queued = await kvfree.rcu_works.queue_rcu_work(cpu, kvfree.workqueue, batch.rcu_work)
                if invariants.checked:
                    invariants.batch_started(rules, krcp, queued=queued)
            stayed |= krcp.anything_queued()
        await self._arming.attempted(cpu, krcp, stayed=stayed)
        if invariants.checked:
            invariants.check(kvfree, krcp)
