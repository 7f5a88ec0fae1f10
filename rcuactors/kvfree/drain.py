"""From a CPU's queue to freed memory (kernel/rcu/tree.c, v5.9 to v5.11).

The monitor moves each channel that is free in a batch, independently of the others, and queues the batch's work for
after a grace period. A batch whose work is still pending gets no grace period of its own: that is commit
5da7cb193db3's bug, here because the rule is.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

from ..mm.objects import PAGE_OFFSET, PAGE_SIZE, KObject
from .krc import CHANNELS, SLAB, Batch, Block, Krc
from .rules import RecycleTo

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from .core import KvfreeRcu

_retired_ns = operator.attrgetter("retired_ns")


class Drain:
    """Monitor and work of all CPUs."""

    def __init__(self, kvfree: KvfreeRcu) -> None:
        self._kvfree = kvfree
        self.delay_jiffies = max(kvfree.system.config.HZ // kvfree.rules.drain_jiffies_divisor, 1)

    async def arm(self, cpu: Cpu, krcp: Krc, *, on: Cpu | None = None) -> None:
        """schedule_delayed_work(&krcp->monitor_work, KFREE_DRAIN_JIFFIES), under krcp->lock."""
        krcp.monitor_todo = True
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
        if not await self.queue_kfree_rcu_work(cpu, krcp):
            await self.arm(cpu, krcp)

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

    # -- after the grace period --------------------------------------------------------------------------------------

    async def kfree_rcu_work(self, cpu: Cpu, krcp: Krc, batch: Batch) -> None:
        """The batch's work: take the channels, free them, newest block first, then the list, last in first out."""
        kvfree, locks = self._kvfree, self._kvfree.system.locks
        kvfree.figures.work_runs += 1
        flags = cpu.local_irq_save("kfree_rcu_work")
        await locks.raw_spin_lock(cpu, krcp.lock)
        blocks, batch.blocks = batch.blocks, [[], []]
        head, batch.head = batch.head, []
        await locks.raw_spin_unlock(cpu, krcp.lock)
        await cpu.local_irq_restore(flags)
        for channel in CHANNELS:
            while blocks[channel]:
                await self._free_block(cpu, krcp, blocks[channel].pop(), channel)
                await cpu.cond_resched()
        await self._free_list(cpu, head)

    async def _free_block(self, cpu: Cpu, krcp: Krc, block: Block, channel: int) -> None:
        kvfree, system, records = self._kvfree, self._kvfree.system, block.records
        figures = kvfree.figures
        if channel == SLAB:
            figures.note_bulk(len(records))
            if system.events.on:
                bulk = PAGE_OFFSET + block.page * PAGE_SIZE
                text = f"{kvfree.callbacks.flavour} bulk=0x{bulk:016x} nr_records={len(records)}"
                system.emit(cpu, "rcu_invoke_kfree_bulk_callback", text)
            await kvfree.slab.kfree_bulk(cpu, records)
        else:
            for item in records:
                if system.events.on:
                    system.emit(
                        cpu, "rcu_invoke_kvfree_callback", f"{kvfree.callbacks.flavour} rhp=0x{item.address:x} func=0"
                    )
                await kvfree.vmalloc.vfree(cpu, item)
            figures.vmalloc_freed += len(records)
        figures.latencies.add_sorted(cpu.clock, records, _retired_ns)
        await self._recycle(cpu, krcp, block.page)

    async def _recycle(self, cpu: Cpu, krcp: Krc, page: int) -> None:
        """The block's page goes into a cache if there is room, else to the page allocator."""
        kvfree, locks = self._kvfree, self._kvfree.system.locks
        flags = cpu.local_irq_save("kfree_rcu_work")
        whose = krcp if kvfree.rules.recycle_to is RecycleTo.OWN_CPU else kvfree.krc(cpu.cpu_id)
        await locks.raw_spin_lock(cpu, whose.lock)
        kept = kvfree.put_cached_bnode(whose, page)
        await locks.raw_spin_unlock(cpu, whose.lock)
        await cpu.local_irq_restore(flags)
        if not kept:
            await kvfree.pages.free_page(cpu, page)

    async def _free_list(self, cpu: Cpu, head: list[KObject]) -> None:
        kvfree, system = self._kvfree, self._kvfree.system
        while head:
            item = head.pop()
            cpu.clock += system.costs.list_walk_ns
            if system.events.on:
                system.emit(
                    cpu, "rcu_invoke_kvfree_callback", f"{kvfree.callbacks.flavour} rhp=0x{item.address + 16:x} func=16"
                )
            await kvfree.kvfree(cpu, item)
            kvfree.figures.list_freed += 1
            kvfree.figures.latencies.add(cpu.clock - item.retired_ns)
            await cpu.cond_resched()
