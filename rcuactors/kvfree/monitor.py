"""The monitor: when a CPU's queue is moved into a batch, and what of it (kernel/rcu/tree.c, kfree_rcu_monitor()).

A batch is what waits for one grace period, and there are two. The versions differ in how they remember that the
monitor is armed, in its delay, and in when a batch may be used. An era picks one of the two monitors here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .krc import CHANNELS, Batch, Krc

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from .core import KvfreeRcu

_WHATEVER_COMES: Final = 1 << 62


def drain_jiffies(kvfree: KvfreeRcu) -> int:
    """KFREE_DRAIN_JIFFIES."""
    return max(kvfree.system.config.HZ * kvfree.rules.drain_ms // 1000, 1)


def _move(krcp: Krc, batch: Batch) -> bool:
    """Move every channel for which the batch has room; whether any was moved."""
    moved = False
    for channel in CHANNELS:
        if krcp.blocks[channel] and not batch.blocks[channel]:
            batch.blocks[channel], krcp.blocks[channel] = krcp.blocks[channel], []
            moved = True
    if krcp.head and not batch.head:
        batch.head, krcp.head = krcp.head, []
        moved = True
    return moved


class TodoMonitor:
    """v5.9 to v5.11: a flag, krcp->monitor_todo, and always the same delay.

    Each channel is moved when the batch has room for it, independently of the others. A batch whose work is still
    pending gets no grace period of its own: that is commit 5da7cb193db3's bug, here because the rule is.
    """

    def __init__(self, kvfree: KvfreeRcu) -> None:
        self._kvfree = kvfree
        self.delay_jiffies = drain_jiffies(kvfree)

    async def queued(self, cpu: Cpu, krcp: Krc) -> None:
        """Arm it unless it is."""
        if not krcp.monitor_todo:
            await self._arm(cpu, krcp)

    async def _arm(self, cpu: Cpu, krcp: Krc, *, on: Cpu | None = None) -> None:
        """schedule_delayed_work(&krcp->monitor_work, KFREE_DRAIN_JIFFIES), under krcp->lock."""
        krcp.monitor_todo = True
        krcp.settled = _WHATEVER_COMES
        workqueues = self._kvfree.workqueues
        await workqueues.queue_delayed_work(cpu, workqueues.system_wq, krcp.monitor_work, self.delay_jiffies, on=on)

    async def kfree_rcu_monitor(self, cpu: Cpu, krcp: Krc) -> None:
        """The monitor's work: start a batch, or try again later."""
        self._kvfree.figures.monitor_runs += 1
        locks = self._kvfree.system.locks
        flags = cpu.local_irq_save("kfree_rcu_monitor")
        await locks.raw_spin_lock(cpu, krcp.lock)
        if krcp.monitor_todo:
            await self.kfree_rcu_drain(cpu, krcp)
        await locks.raw_spin_unlock(cpu, krcp.lock)
        await cpu.local_irq_restore(flags)

    async def kfree_rcu_drain(self, cpu: Cpu, krcp: Krc) -> None:
        """kfree_rcu_drain_unlock(), less its unlock."""
        krcp.monitor_todo = False
        krcp.settled = 0
        if not await self.queue_kfree_rcu_work(cpu, krcp):
            await self._arm(cpu, krcp)

    async def queue_kfree_rcu_work(self, cpu: Cpu, krcp: Krc) -> bool:
        """Move what can be moved into batches; False when something had to stay, if only in the first of them.

        So when the second batch takes all that the first had no room for, the monitor is armed once more for nothing.
        """
        kvfree = self._kvfree
        repeat = False
        for batch in krcp.batches:
            if self._detach(krcp, batch):
                krcp.count = 0
                workqueues = kvfree.workqueues
                await kvfree.callbacks.queue_rcu_work(cpu, workqueues.system_wq, batch.rcu_work)
            repeat |= krcp.anything_queued()
        return not repeat

    @staticmethod
    def _detach(krcp: Krc, batch: Batch) -> bool:
        return _move(krcp, batch)

    async def scheduler_running(self, cpu: Cpu, krcp: Krc) -> None:
        """Arm it, on its own CPU, where the rcu_head list holds something. These versions look at nothing else."""
        if krcp.head and not krcp.monitor_todo:
            await self._arm(cpu, krcp, on=self._kvfree.system.cpu(krcp.cpu_id))


class PendingMonitor:
    """v6.1: armed is what delayed_work_pending() says, and a block's worth of objects does not wait.

    The delay is KFREE_DRAIN_JIFFIES, or a jiffy once krcp->count has reached a block's capacity; a timer that runs is
    only ever shortened. A batch is used only when all its channels are empty (commit 5da7cb193db3).
    """

    def __init__(self, kvfree: KvfreeRcu) -> None:
        self._kvfree = kvfree
        self.delay_jiffies = drain_jiffies(kvfree)

    async def queued(self, cpu: Cpu, krcp: Krc) -> None:
        """Arm it, or shorten its delay."""
        await self.schedule_delayed_monitor_work(cpu, krcp)

    async def schedule_delayed_monitor_work(self, cpu: Cpu, krcp: Krc) -> None:
        """Under krcp->lock: in a jiffy if a block's worth waits, else in KFREE_DRAIN_JIFFIES, if not sooner anyway."""
        kvfree, work = self._kvfree, krcp.monitor_work
        full = kvfree.rules.block_capacity
        delay = 1 if krcp.count >= full else self.delay_jiffies
        now = cpu.clock // kvfree.system.config.jiffy_ns
        pending = work.work.pending
        if pending and delay >= krcp.monitor_expires - now:
            krcp.settled = full - 1 if delay > 1 else _WHATEVER_COMES
            return
        krcp.monitor_expires = now + delay
        krcp.settled = full - 1 if delay > 1 else _WHATEVER_COMES
        workqueues = kvfree.workqueues
        if pending:
            await workqueues.mod_delayed_work(cpu, workqueues.system_wq, work, delay)
        else:
            await workqueues.queue_delayed_work(cpu, workqueues.system_wq, work, delay)

    async def kfree_rcu_monitor(self, cpu: Cpu, krcp: Krc) -> None:
        """Into each free batch whatever is queued; try again later if anything had to stay."""
        kvfree, locks = self._kvfree, self._kvfree.system.locks
        kvfree.figures.monitor_runs += 1
        flags = cpu.local_irq_save("kfree_rcu_monitor")
        await locks.raw_spin_lock(cpu, krcp.lock)
        for batch in krcp.batches:
            if not batch.busy() and krcp.anything_queued():
                _move(krcp, batch)
                krcp.count = 0
                workqueues = kvfree.workqueues
                await kvfree.callbacks.queue_rcu_work(cpu, workqueues.system_wq, batch.rcu_work)
        if krcp.anything_queued():
            await self.schedule_delayed_monitor_work(cpu, krcp)
        await locks.raw_spin_unlock(cpu, krcp.lock)
        await cpu.local_irq_restore(flags)

    async def scheduler_running(self, cpu: Cpu, krcp: Krc) -> None:
        """Arm it where any channel holds something."""
        if krcp.anything_queued():
            await self.schedule_delayed_monitor_work(cpu, krcp)
