"""The monitor (kernel/rcu/tree.c, kfree_rcu_monitor(), queue_kfree_rcu_work()): starts batches of what is queued.

A batch is what waits for one grace period, and there are two. When the monitor runs, what it may move, and what the
count says afterwards are parts of the version (parts/). So is whether it frees by itself what is ready
(parts/snapshots.py): then it has krcp->lock for one step after the other, and lets others in between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..context.violation import ViolationKind
from ..marks import machinery
from . import invariants
from .figures import MonitorStatistics

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kernel.thread import Thread
    from .core import KvfreeRcu
    from .krc import Krc
    from .parts.snapshots import Draining


class Monitor:
    """The monitor of all CPUs."""

    def __init__(self, kvfree: KvfreeRcu) -> None:
        self._kvfree = kvfree
        self._arming = kvfree.arming
        self._draining = kvfree.rules.draining

    def statistics(self) -> MonitorStatistics:
        """Its figures, as they are now."""
        figures = self._kvfree.figures
        return MonitorStatistics(
            runs=figures.monitor_runs, drained=figures.drained, drained_objects=figures.drained_objects
        )

    async def kfree_rcu_monitor(self, thread: Thread, krcp: Krc) -> None:
        """kfree_rcu_monitor(): start batches, and see to it that what had to stay is tried again."""
        figures = self._kvfree.figures
        figures.monitor_runs += 1
        figures.monitor_runs_for_nothing += not krcp.anything_queued()
        if self._draining is not None:
            await self._drain_first(thread, krcp, self._draining)
            return
        locks = self._kvfree.system.locks
        cpu, flags = thread.local_irq_save("kfree_rcu_monitor")
        await locks.raw_spin_lock(cpu, krcp.lock)
        await self.start_batches(cpu, krcp)
        await locks.raw_spin_unlock(cpu, krcp.lock)
        await cpu.local_irq_restore(flags)

    @machinery
    async def start_batches(self, cpu: Cpu, krcp: Krc) -> None:
        """queue_kfree_rcu_work(): under krcp->lock, if it is time, into batches, and ask for their grace periods.

        In v5.9 to v5.11 this is kfree_rcu_drain_unlock() and queue_kfree_rcu_work(), in v6.1 the loop in the monitor.
        """
        if not self._arming.due(krcp):
            return
        _, stayed = await self._into_batches(cpu, krcp, ends_at_first=False)
        await self._arming.attempted(cpu, krcp, stayed=stayed)
        if invariants.checked:
            invariants.check(self._kvfree, krcp)

    async def _into_batches(self, cpu: Cpu, krcp: Krc, *, ends_at_first: bool) -> tuple[bool, bool]:
        """Under krcp->lock. Whether a work was queued; and whether something stayed after one batch at least."""
        kvfree, rules = self._kvfree, self._kvfree.rules
        queued = stayed = False
        for batch in krcp.batches:
            moved = rules.batching(krcp, batch)
            if moved:
                krcp.count = rules.counting(krcp.count, moved)
                if kvfree.takes_cookies:
                    batch.head_free_gp_snap = kvfree.polled.get_state_synchronize_rcu_full()
                queued = await kvfree.rcu_works.queue_rcu_work(cpu, kvfree.workqueue, batch.rcu_work)
                if kvfree.probes.batched.on:
                    kvfree.probes.batched(krcp, batch)
                if invariants.checked:
                    invariants.batch_started(rules, krcp, queued=queued)
                if ends_at_first:
                    if not queued:
                        cpu.judge.warn_on_once(cpu, ViolationKind.BAD_CONTEXT, "!queued", "kvfree_rcu_queue_batch")
                    break
            stayed |= krcp.anything_queued()
        return queued, stayed

    # -- where it frees by itself ------------------------------------------------------------------------------------

    @machinery
    async def _drain_first(self, thread: Thread, krcp: Krc, draining: Draining) -> None:
        """kfree_rcu_monitor() since v6.5: free what is ready, start a batch of the rest, be armed if that is busy."""
        await self._kvfree.drain.kvfree_rcu_drain_ready(thread, krcp)
        await self.kvfree_rcu_queue_batch(thread, krcp)
        if not krcp.anything_queued():
            return
        if not draining.locked_again:
            await self._arming.armed_again(thread.cpu, krcp, locked=False)
            return
        locks = self._kvfree.system.locks
        cpu, flags = thread.local_irq_save("schedule_delayed_monitor_work")
        await locks.raw_spin_lock(cpu, krcp.lock)
        await self._arming.armed_again(cpu, krcp, locked=True)
        await locks.raw_spin_unlock(cpu, krcp.lock)
        await cpu.local_irq_restore(flags)

    async def kvfree_rcu_queue_batch(self, thread: Thread, krcp: Krc) -> bool:
        """kvfree_rcu_queue_batch(): whether a batch was started; no when there was nothing, or all batches are busy.

        A part of the monitor until v6.12, and so it is called there.
        """
        draining, locks = self._draining, self._kvfree.system.locks
        ends_at_first = draining is not None and draining.ends_at_first
        cpu, flags = thread.local_irq_save("kvfree_rcu_queue_batch" if ends_at_first else "kfree_rcu_monitor")
        await locks.raw_spin_lock(cpu, krcp.lock)
        queued, _ = await self._into_batches(cpu, krcp, ends_at_first=ends_at_first)
        if invariants.checked:
            invariants.check(self._kvfree, krcp)
        await locks.raw_spin_unlock(cpu, krcp.lock)
        await cpu.local_irq_restore(flags)
        return queued
