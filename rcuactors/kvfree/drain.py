"""From a batch to freed memory (kernel/rcu/tree.c, kfree_rcu_work()): after the batch's grace period."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

from ..context.locks import RECURSIVE_READ
from ..context.memory import FREED
from ..context.violation import ViolationKind
from ..marks import inline
from ..mm.objects import PAGE_OFFSET, PAGE_SIZE, KObject
from ..rcu.data import RcuHead
from . import invariants
from .figures import DrainStatistics
from .krc import CHANNELS, SLAB, Batch, Block, Krc, objects_in, take_batch

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from .core import KvfreeRcu

_retired_ns = operator.attrgetter("retired_ns")


class Drain:
    """The work of all CPUs' batches."""

    def __init__(self, kvfree: KvfreeRcu) -> None:
        self._kvfree = kvfree

    def statistics(self) -> DrainStatistics:
        """Its figures, as they are now."""
        figures = self._kvfree.figures
        batches = [batch for krcp in self._kvfree.all_krcs() for batch in krcp.batches]
        return DrainStatistics(
            busy=sum(batch.busy() for batch in batches),
            waiting=sum(objects_in(batch.blocks) + len(batch.head) for batch in batches),
            work_runs=figures.work_runs,
            bulk_frees=dict(sorted(figures.bulk_frees.items())),
            bulk_sizes=tuple(figures.bulk_sizes),
            bulk_objects=figures.bulk_objects,
            vmalloc_freed=figures.vmalloc_freed,
            list_freed=figures.list_freed,
        )

    async def kfree_rcu_work(self, cpu: Cpu, krcp: Krc, batch: Batch) -> None:
        """kfree_rcu_work(): take the channels, free them, newest block first, then the list, last in first out."""
        kvfree, locks = self._kvfree, self._kvfree.system.locks
        kvfree.figures.work_runs += 1
        flags = cpu.local_irq_save("kfree_rcu_work")
        await locks.raw_spin_lock(cpu, krcp.lock)
        blocks, head = take_batch(batch)
        if invariants.checked:
            invariants.check(kvfree, krcp)
        await locks.raw_spin_unlock(cpu, krcp.lock)
        await cpu.local_irq_restore(flags)
        for channel in CHANNELS:
            while blocks[channel]:
                await self._free_block(cpu, krcp, blocks[channel].pop(), channel)
                await cpu.current.cond_resched()
        await self._free_list(cpu, krcp, head)

    def _enter_callback(self, cpu: Cpu) -> None:
        """rcu_lock_acquire(&rcu_callback_map)."""
        kvfree = self._kvfree
        if kvfree.system.lockdep.on:
            held = kvfree.callbacks.callback_map
            kvfree.system.lockdep.acquire(cpu, held, read=RECURSIVE_READ, site="kfree_rcu_work")

    def _leave_callback(self, cpu: Cpu) -> None:
        kvfree = self._kvfree
        if kvfree.system.lockdep.on:
            kvfree.system.lockdep.release(cpu, kvfree.callbacks.callback_map)

    async def _free_block(self, cpu: Cpu, krcp: Krc, block: Block, channel: int) -> None:
        kvfree, system, records = self._kvfree, self._kvfree.system, block.records
        figures = kvfree.figures
        if kvfree.probes.block_freed.on:
            kvfree.probes.block_freed(krcp, channel != SLAB, len(records))
        if channel == SLAB:
            figures.note_bulk(len(records))
            if system.events.on:
                bulk = PAGE_OFFSET + block.page * PAGE_SIZE
                text = f"{kvfree.callbacks.flavour} bulk=0x{bulk:016x} nr_records={len(records)}"
                system.emit(cpu, "rcu_invoke_kfree_bulk_callback", text)
            self._enter_callback(cpu)
            await kvfree.slab.kfree_bulk(cpu.current, records)
            self._leave_callback(cpu)
        else:
            self._enter_callback(cpu)
            for item in records:
                if system.events.on:
                    system.emit(
                        cpu, "rcu_invoke_kvfree_callback", f"{kvfree.callbacks.flavour} rhp=0x{item.address:x} func=0"
                    )
                await kvfree.vmalloc.vfree(cpu.current, item)
            self._leave_callback(cpu)
            figures.vmalloc_freed += len(records)
        figures.latencies.add_sorted(cpu.clock, records, _retired_ns)
        await self._recycle(cpu, krcp, block.page)

    async def _recycle(self, cpu: Cpu, krcp: Krc, page: int) -> None:
        """The block's page goes into a cache if there is room, else to the page allocator."""
        kvfree, locks = self._kvfree, self._kvfree.system.locks
        flags = cpu.local_irq_save("kfree_rcu_work")
        whose = kvfree.rules.recycling(kvfree, cpu, krcp)
        await locks.raw_spin_lock(cpu, whose.lock)
        kept = kvfree.put_cached_bnode(whose, page)
        if not kept and kvfree.extras.put_page is not None:
            kept = await kvfree.extras.put_page(kvfree, cpu, whose, page)
        await locks.raw_spin_unlock(cpu, whose.lock)
        await cpu.local_irq_restore(flags)
        if not kept:
            await kvfree.pages.free_page(cpu.current, page)

    @inline
    async def _free_list(self, cpu: Cpu, krcp: Krc, head: list[KObject]) -> None:
        kvfree, system = self._kvfree, self._kvfree.system
        while head:
            item = head.pop()
            cpu.clock += system.costs.list_walk_ns
            if item.state == FREED and self._is_lost(cpu, item):
                break
            if kvfree.probes.listed_freed.on:
                kvfree.probes.listed_freed(krcp, item)
            if system.events.on:
                system.emit(
                    cpu, "rcu_invoke_kvfree_callback", f"{kvfree.callbacks.flavour} rhp=0x{item.address + 16:x} func=16"
                )
            self._enter_callback(cpu)
            await kvfree.kvfree(cpu.current, item)
            self._leave_callback(cpu)
            kvfree.figures.list_freed += 1
            kvfree.figures.latencies.add(cpu.clock - item.retired_ns)
            await cpu.current.cond_resched()

    def _is_lost(self, cpu: Cpu, item: KObject) -> bool:
        """The list leads to an object that is free: whether its rcu_head is not there any more, nor the way on.

        Then its offset is none, which is told, and it is not freed once more. What does not see that it is free frees
        it, which is told as well.
        """
        if self._kvfree.system.config.KASAN:
            cpu.judge.used(cpu, item, "the rcu_head")
        head = item.members[0] if item.members else None
        if not isinstance(head, RcuHead) or not item.is_overwritten(head, item.retired_ns):
            return False
        condition = "!__is_kvfree_rcu_offset(offset)"
        cpu.judge.warn_on_once(cpu, ViolationKind.DOUBLE_FREE, condition, "kfree_rcu_work")
        return True
