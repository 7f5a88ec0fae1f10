"""From a batch to freed memory (kernel/rcu/tree.c, kfree_rcu_work()): after the batch's grace period.

Versions with cookies have kvfree_rcu_bulk() and kvfree_rcu_list() for it, which the monitor uses as well. There the
cookie of a block, and that of the list, is asked first, and what comes too early is leaked with a warning.
"""

from __future__ import annotations

import itertools
import operator
from typing import TYPE_CHECKING

from ..context.locks import RECURSIVE_READ
from ..context.memory import FREED
from ..context.trace import keep_trace
from ..context.violation import ViolationKind
from ..marks import inline, machinery
from ..mm.objects import PAGE_OFFSET, PAGE_SIZE, KasanTrack, KObject
from ..rcu.data import RcuHead
from . import invariants
from .figures import DrainStatistics
from .krc import CHANNELS, SLAB, Batch, Block, Krc, objects_in, take_batch, take_ready_blocks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..kernel.cpu import Cpu
    from ..kernel.thread import Thread
    from ..rcu.polled import PolledGracePeriods, RcuGpOldstate
    from .core import KvfreeRcu

_retired_ns = operator.attrgetter("retired_ns")


@machinery
def _note_who(thread: Thread, taken: Iterable[KObject]) -> None:
    """They are in no queue any more, and not free yet: for who finds them in a cache that goes."""
    ctx, cpu = thread.ctx, thread.cpu
    who = KasanTrack(f"{ctx.comm}/{ctx.pid}", cpu.clock, cpu.cpu_id, "kvfree_rcu_drain_ready", keep_trace())
    for p in taken:
        p.note_taken(who)


class Drain:
    """The work of all CPUs' batches."""

    def __init__(self, kvfree: KvfreeRcu, polled: PolledGracePeriods) -> None:
        self._kvfree = kvfree
        self._polled = polled
        self._flavour = kvfree.rules.flavour or kvfree.callbacks.flavour
        snapshots = kvfree.rules.snapshots
        self._unqueues_first = snapshots is not None and snapshots.unqueues_first
        self._bulk = "kfree_rcu_work" if snapshots is None else "kvfree_rcu_bulk"
        self._list = "kfree_rcu_work" if snapshots is None else "kvfree_rcu_list"

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
            leaked=figures.leaked,
        )

    async def kfree_rcu_work(self, cpu: Cpu, krcp: Krc, batch: Batch) -> None:
        """kfree_rcu_work(): take the channels, free them, newest block first, then the list, last in first out."""
        kvfree, locks, thread = self._kvfree, self._kvfree.system.locks, cpu.current
        kvfree.figures.work_runs += 1
        flags = cpu.local_irq_save("kfree_rcu_work")
        await locks.raw_spin_lock(cpu, krcp.lock)
        blocks, head = take_batch(batch)
        head_gp_snap = batch.head_free_gp_snap
        if invariants.checked:
            invariants.check(kvfree, krcp)
        await locks.raw_spin_unlock(cpu, krcp.lock)
        await cpu.local_irq_restore(flags)
        await self._free_blocks(thread, krcp, blocks)
        if head and not self._is_early(thread.cpu, head_gp_snap, head, "head_gp_snap", "kfree_rcu_work"):
            await self.free_list(thread, krcp, head)

    async def kvfree_rcu_drain_ready(self, thread: Thread, krcp: Krc) -> None:
        """kvfree_rcu_drain_ready(): free here and now what the cookies say is ready, of what is still queued.

        The oldest blocks of each channel up to the first that is not, and the list if its cookie says so.
        """
        kvfree, locks, polled = self._kvfree, self._kvfree.system.locks, self._polled
        cpu, flags = thread.local_irq_save("kvfree_rcu_drain_ready")
        await locks.raw_spin_lock(cpu, krcp.lock)
        blocks = take_ready_blocks(krcp, polled.poll_state_synchronize_rcu_full)
        head: list[KObject] = []
        if krcp.head and polled.poll_state_synchronize_rcu(krcp.head_gp_snap):
            head, krcp.head = krcp.head, []
        ready = objects_in(blocks) + len(head)
        krcp.count = kvfree.rules.counting(krcp.count, ready)
        kvfree.figures.drained += ready > 0
        kvfree.figures.drained_objects += ready
        if invariants.checked:
            invariants.check(kvfree, krcp)
        await locks.raw_spin_unlock(cpu, krcp.lock)
        await cpu.local_irq_restore(flags)
        if ready:
            records = (p for channel in blocks for block in channel for p in block.records)
            _note_who(thread, itertools.chain(records, head))
        await self._free_blocks(thread, krcp, blocks)
        if head:
            await self.free_list(thread, krcp, head)

    async def _free_blocks(self, thread: Thread, krcp: Krc, blocks: list[list[Block]]) -> None:
        """The newest first, of each channel."""
        for channel in CHANNELS:
            while blocks[channel]:
                block = blocks[channel].pop()
                if not self._is_early(thread.cpu, block.gp_snap, block.records, "bnode->gp_snap", "kvfree_rcu_bulk"):
                    await self.free_block(thread, krcp, block, channel)
                await self._recycle(thread, krcp, block.page)
                await thread.cond_resched()

    def _is_early(self, cpu: Cpu, gp_snap: RcuGpOldstate, items: list[KObject], name: str, function: str) -> bool:
        """The cookie's grace period is not over, which is told once: then the objects are leaked."""
        kvfree = self._kvfree
        if not kvfree.takes_cookies or self._polled.poll_state_synchronize_rcu_full(gp_snap):
            return False
        condition = f"!poll_state_synchronize_rcu_full(&{name})"
        cpu.judge.warn_on_once(cpu, ViolationKind.BAD_CONTEXT, condition, function)
        kvfree.figures.leaked += len(items)
        if self._unqueues_first and function == "kvfree_rcu_bulk":
            kvfree.unqueued.update(items)
        return True

    def _enter_callback(self, cpu: Cpu, site: str) -> None:
        """rcu_lock_acquire(&rcu_callback_map)."""
        kvfree = self._kvfree
        if kvfree.system.lockdep.on:
            held = kvfree.callbacks.callback_map
            kvfree.system.lockdep.acquire(cpu, held, read=RECURSIVE_READ, site=site)

    def _leave_callback(self, cpu: Cpu) -> None:
        kvfree = self._kvfree
        if kvfree.system.lockdep.on:
            kvfree.system.lockdep.release(cpu, kvfree.callbacks.callback_map)

    @machinery
    async def free_block(self, thread: Thread, krcp: Krc, block: Block, channel: int) -> None:
        """kvfree_rcu_bulk(), but for its cookie and its page."""
        kvfree, system, records = self._kvfree, self._kvfree.system, block.records
        figures, cpu = kvfree.figures, thread.cpu
        if kvfree.probes.block_freed.on:
            kvfree.probes.block_freed(krcp, channel != SLAB, len(records))
        if channel == SLAB:
            figures.note_bulk(len(records))
            if system.events.on:
                bulk = PAGE_OFFSET + block.page * PAGE_SIZE
                text = f"{self._flavour} bulk=0x{bulk:016x} nr_records={len(records)}"
                system.emit(cpu, "rcu_invoke_kfree_bulk_callback", text)
            self._enter_callback(cpu, self._bulk)
            await kvfree.slab.kfree_bulk(thread, records)
            self._leave_callback(thread.cpu)
        else:
            self._enter_callback(cpu, self._bulk)
            for item in records:
                if system.events.on:
                    text = f"{self._flavour} rhp=0x{item.address:x} func=0"
                    system.emit(thread.cpu, "rcu_invoke_kvfree_callback", text)
                await kvfree.vmalloc.vfree(thread, item)
            self._leave_callback(thread.cpu)
            figures.vmalloc_freed += len(records)
        figures.latencies.add_sorted(thread.cpu.clock, records, _retired_ns)

    async def _recycle(self, thread: Thread, krcp: Krc, page: int) -> None:
        """The block's page goes into a cache if there is room, else to the page allocator."""
        kvfree, locks = self._kvfree, self._kvfree.system.locks
        cpu, flags = thread.local_irq_save(self._bulk)
        whose = kvfree.rules.recycling(kvfree, cpu, krcp)
        await locks.raw_spin_lock(cpu, whose.lock)
        kept = kvfree.put_cached_bnode(whose, page)
        if not kept and kvfree.extras.put_page is not None:
            kept = await kvfree.extras.put_page(kvfree, cpu, whose, page)
        await locks.raw_spin_unlock(cpu, whose.lock)
        await cpu.local_irq_restore(flags)
        if not kept:
            await kvfree.pages.free_page(thread, page)

    @machinery
    @inline
    async def free_list(self, thread: Thread, krcp: Krc, head: list[KObject]) -> None:
        """Last in, first out."""
        kvfree, system = self._kvfree, self._kvfree.system
        while head:
            item, cpu = head.pop(), thread.cpu
            cpu.clock += system.costs.list_walk_ns
            if item.state == FREED and self._is_lost(cpu, item):
                break
            if kvfree.probes.listed_freed.on:
                kvfree.probes.listed_freed(krcp, item)
            if system.events.on:
                text = f"{self._flavour} rhp=0x{item.address + 16:x} func=16"
                system.emit(cpu, "rcu_invoke_kvfree_callback", text)
            self._enter_callback(cpu, self._list)
            await kvfree.kvfree(thread, item)
            self._leave_callback(thread.cpu)
            kvfree.figures.list_freed += 1
            kvfree.figures.latencies.add(thread.cpu.clock - item.retired_ns)
            await thread.cond_resched()

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
        cpu.judge.warn_on_once(cpu, ViolationKind.DOUBLE_FREE, condition, self._list)
        return True
