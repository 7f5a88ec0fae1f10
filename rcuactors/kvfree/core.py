"""kvfree_call_rcu() (kernel/rcu/tree.c, since v6.15 mm/slab_common.c); boot: kfree_rcu_batch_init().

krc_this_cpu_lock() takes the CPU's state, and the caller's object goes into the newest block of its channel, under the
CPU's raw krcp->lock. When a block is needed, the cache is asked, then the design; in some versions a one-argument
caller then gets a page itself, with the lock dropped. When nobody has a page, a two-argument caller's object is linked
by its rcu_head, and a one-argument caller waits for a grace period itself.
"""

from __future__ import annotations

import operator
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING

from ..context.memory import LIVE, RETIRED
from ..kernel.workqueue import Workqueues
from ..marks import machinery
from ..mm.objects import KObject
from ..mm.page.page_alloc import PageAllocator
from ..mm.slab.slab import SlabAllocator
from ..mm.vmalloc import Vmalloc
from ..rcu.callbacks import Callbacks, SchedulerActive
from ..rcu.data import RcuHead, rcu_leak_callback
from ..rcu.oracle import Oracle
from ..rcu.polled import PolledGracePeriods
from ..rcu.rcu_work import RcuWorks
from . import invariants
from .aux_stack import recorded
from .drain import Drain
from .figures import Figures, KvfreeStatistics
from .krc import Krc, Slots, append, keep_page, open_block, take_cached_page
from .krcs import Krcs, min_cached_objs
from .monitor import Monitor
from .nolock import KfreeRcuNolock
from .outside import Outside
from .parts.barrier import Barriers
from .parts.refill import Refill
from .probes import KvfreeProbes
from .rules import DesignExtras, KvfreeRules, PageSource
from .unbatched import Unbatched

if TYPE_CHECKING:
    from ..context.context import Context
    from ..kernel.cpu import Cpu
    from ..kernel.system import System
    from ..kernel.thread import Thread


Take = Callable[["KvfreeRcu", "Thread", KObject, bool], Awaitable[bool]]

_retired_ns = operator.attrgetter("retired_ns")


class KvfreeRcu:
    """kvfree_rcu() of one machine."""

    def __init__(
        self,
        *,
        system: System,
        workqueues: Workqueues,
        callbacks: Callbacks,
        pages: PageAllocator,
        slab: SlabAllocator,
        vmalloc: Vmalloc,
        oracle: Oracle,
        polled: PolledGracePeriods,
        rules: KvfreeRules,
        source: PageSource,
    ) -> None:
        self.system, self.workqueues, self.callbacks = system, workqueues, callbacks
        self.workqueue = rules.workqueue(workqueues)
        self.rcu_works, self.outside = RcuWorks(callbacks, workqueues), Outside(workqueues, callbacks)
        self.pages, self.slab, self.vmalloc = pages, slab, vmalloc
        self.oracle, self.polled = oracle, polled
        self.rules, self.source = rules, source
        self.takes_cookies = rules.snapshots is not None
        self.unqueued: set[KObject] = set()
        """Of those that are leaked, what debug objects believe to be queued no longer (Snapshots.unqueues_first)."""
        self.figures = Figures()
        self.probes = KvfreeProbes(system.conductor.ended_by)
        system.probes.locks.reaches(self.probes.told)
        system.probes.irqs.reaches(self.probes.told)
        self.slots = Slots()
        self.drain = Drain(self, polled)
        self.refill = Refill(self)
        self.arming = rules.arming(self)
        self.monitor = Monitor(self)
        self.initialized = False
        self.min_cached_objs = min_cached_objs(rules, system.config.rcu_min_cached_objs)
        self._krcs, self._capacity = Krcs(self), rules.block_capacity
        costs = system.costs
        self._cookie = polled.full_cookies() if self.takes_cookies else None
        self._cookie_ns = costs.poll_state_ns if self.takes_cookies else 0
        self._append_ns = costs.lock_ns + costs.kvfree_call_ns + costs.kvfree_append_ns + self._cookie_ns
        self._calls, self._conductor, self._lockdep = self.figures.calls, system.conductor, system.lockdep
        self._retired, self._told = oracle.retired, self.probes.told
        system.hooks.hints.append(self._hint)
        self.extras = DesignExtras(source)
        self._tracks = system.config.DEBUG_OBJECTS_RCU_HEAD
        self.unbatched = Unbatched(self) if rules.may_be_unbatched and not system.config.KVFREE_RCU_BATCHED else None
        self.nolock, self.barriers = KfreeRcuNolock(self), Barriers(self)
        slab.barriers_are(self.barriers)
        self._take = recorded(system.hooks.saves_stack if rules.records_aux_stack else None, self._taken_before())
        if self.extras.attach is not None:
            self.extras.attach(self)

    def _taken_before(self) -> Take | None:
        """What may take an object before krcp->lock is looked at: design, then slab's sheaves; or all of them."""
        own, sheaves = self.extras.take, self.slab.rcu_sheaves
        if self.unbatched is not None:
            return self.unbatched.take
        if sheaves is None:
            return own
        sheaves.noted_by(self._sheaf_freed)
        kfree_rcu_sheaf = sheaves.kfree_rcu_sheaf

        async def take(kvfree: KvfreeRcu, thread: Thread, item: KObject, head: bool) -> bool:
            if own is not None and await own(kvfree, thread, item, head):
                return True
            return await kfree_rcu_sheaf(thread, item)

        return take

    def _sheaf_freed(self, now: int, items: list[KObject]) -> None:
        self.figures.note_bulk(len(items))
        self.figures.latencies.add_sorted(now, items, _retired_ns)

    def statistics(self) -> KvfreeStatistics:
        """Its figures and its parts', as they are now."""
        figures, krcs = self.figures, self._krcs.values()
        return KvfreeStatistics(
            queued=sum(krcp.queued() for krcp in krcs),
            cached_pages=sum(len(krcp.cache) for krcp in krcs),
            calls=figures.calls_by_context(),
            cache_hits=figures.cache_hits,
            cache_misses=figures.cache_misses,
            caller_pages=figures.caller_pages,
            blocks=figures.blocks,
            fallbacks_list=figures.fallbacks_list,
            fallbacks_synchronize=figures.fallbacks_synchronize,
            inline_freed=figures.inline_freed,
            refill=self.refill.statistics(),
            arming=self.arming.statistics(),
            monitor=self.monitor.statistics(),
            drain=self.drain.statistics(),
            waste=figures.waste(),
            latencies=figures.latencies.statistics(),
        )

    def _hint(self, cpu: Cpu) -> str:
        krcp = self._krcs.get(cpu.cpu_id)
        return "a batch is pending" if krcp is not None and any(batch.busy() for batch in krcp.batches) else ""

    # -- the CPUs' states, and boot ------------------------------------------------------------------------------------

    def batch_init(self) -> None:
        """kfree_rcu_batch_init(): from now on blocks are used. Older versions fill every CPU's cache here."""
        self.initialized = True
        if self.rules.boot_prefill:
            self._krcs.prefill()

    def krc(self, cpu_id: int) -> Krc:
        """The CPU's state."""
        return self._krcs[cpu_id]

    def all_krcs(self) -> list[Krc]:
        """The state of every CPU that has any, in order (for_each_possible_cpu())."""
        return [krcp for _, krcp in self._krcs.touched()]

    def krcs_in_turn(self) -> Iterator[Krc]:
        """The same for who sleeps at some: others may come meanwhile."""
        return self._krcs.in_turn()

    def possible_krcs(self) -> list[Krc]:
        """The state of every possible CPU, in order, for who does something to each; those missing are made."""
        return [krcp for _, krcp in self._krcs.possible()]

    def without_monitor(self) -> list[tuple[list[KObject], list[str]]]:
        """What is queued where somebody has taken the monitor back, and, as a report's lines, who that was."""
        return [(krcp.all_queued(), krcp.cancelled.lines()) for krcp in self.all_krcs() if krcp.cancelled is not None]

    async def kfree_rcu_scheduler_running(self, cpu: Cpu) -> None:
        """kfree_rcu_scheduler_running(): what was queued without a monitor gets one."""
        thread = cpu.current
        for krcp in self.all_krcs():
            cpu, flags = thread.local_irq_save("kfree_rcu_scheduler_running")
            await self.system.locks.raw_spin_lock(cpu, krcp.lock)
            await self.arming.scheduler_running(cpu, krcp)
            await self.system.locks.raw_spin_unlock(cpu, krcp.lock)
            await cpu.local_irq_restore(flags)

    # -- the call ----------------------------------------------------------------------------------------------------

    async def kvfree_call_rcu(self, thread: Thread, item: KObject, *, head: bool) -> None:
        """kvfree_call_rcu(): free an object after a grace period.

        `head` says that it has an rcu_head (the two-argument form): then this never sleeps.
        """
        told = self._told.on
        if told:
            self.probes.call_entered(thread, item, head)
        ctx = thread.ctx
        off = ctx.preempt_count or ctx.irqs_disabled or ctx.softirq_thread
        code = ctx.preempt_count << 3 | ctx.irqs_disabled << 2 | ctx.softirq_thread << 1 if off else 0
        self._calls[code | (not head)] += 1
        if not head or self.system.events.on:
            self._called(thread.cpu, item, head=head)
        if self._take is not None and await self._taken(thread, item, head=head):
            return
        cpu = thread.cpu
        krcp = self._krcs.get(cpu.cpu_id) or self.krc(cpu.cpu_id)
        blocks = krcp.blocks[item.is_vmalloc]
        conductor = self._conductor
        if (
            blocks
            and len(records := blocks[-1].records) < self._capacity
            and krcp.count < krcp.settled
            and krcp.monitor_work.work.pending
            and krcp.lock.owner is None
            and item.state == LIVE
            and conductor.horizon >= 0
            and ((krcp.validated and not (off or ctx.held or ctx.softirq_disable_cnt)) or self._may_be_taken(krcp, ctx))
        ):
            # The lock is free, the block has room, and there is no point in between at which anybody could see the
            # lock held: one step.
            if told:
                self._tell_step(cpu, krcp)
            cpu.clock = clock = cpu.clock + self._append_ns
            self._retired(item, clock)
            records.append(item)
            krcp.count += 1
            if told:
                self.probes.queued(krcp, item)
            if self._cookie is not None:
                blocks[-1].gp_snap = self._cookie()
            if clock >= conductor.horizon:
                await cpu.point()
        else:
            await self._queue_or_free(thread, item, head=head)
        if told:
            self.probes.call_left(thread, item, head)

    async def _taken(self, thread: Thread, item: KObject, *, head: bool) -> bool:
        """Whether the call has ended with whoever has the first say."""
        assert self._take is not None
        taken = await self._take(self, thread, item, head)
        if taken and self._told.on:
            self.probes.call_left(thread, item, head)
        return taken

    def _may_be_taken(self, krcp: Krc, ctx: Context) -> bool:
        """Taking krcp->lock here says nothing new to lockdep. Where most calls are made that is remembered.

        Not where debug objects have to hear of each call.
        """
        if self._tracks:
            return False
        known = self._lockdep.knows(ctx, krcp.lock)
        if not (ctx.preempt_count or ctx.irqs_disabled or ctx.softirq_thread or ctx.held or ctx.softirq_disable_cnt):
            krcp.validated = known
        return known

    async def _queue_or_free(self, thread: Thread, item: KObject, *, head: bool) -> None:
        if self._tracks and not self.rules.debug_under_lock:
            await self.system.debug_objects.activates_in(thread, item, RcuHead)
        if item.state != LIVE and self._debug_rcu_head_queue(thread.cpu, item):
            return
        if not await self._queue(thread, item, head=head):
            await self.free_in_line(thread, item)

    def _tell_step(self, cpu: Cpu, krcp: Krc) -> None:
        """What somebody who listens hears of a call that is one step, each thing at its time."""
        since, began = self.system.since, cpu.clock
        since.irqs_off(cpu, nested=cpu.ctx.irqs_disabled)
        cpu.clock = began + self.system.costs.lock_ns
        since.lock_taken(cpu, krcp.lock, 0)
        cpu.clock = began + self._append_ns
        since.lock_let_go(cpu, krcp.lock, cpu.current)
        since.irqs_on(cpu, nested=cpu.ctx.irqs_disabled)
        cpu.clock = began

    def _debug_rcu_head_queue(self, cpu: Cpu, item: KObject) -> bool:
        """debug_rcu_head_queue(): with DEBUG_OBJECTS_RCU_HEAD an object that is queued is not queued again."""
        watched = self.system.debug_objects.watches(self.callbacks.descr)
        if item.state != RETIRED or not watched or item in self.unqueued:
            return False
        head = RcuHead(rcu_leak_callback, "rcu_head", inside=item)
        message = f"kvfree_call_rcu(): Double-freed call. rcu_head {item.address:016x}"
        return self.callbacks.queued_twice(cpu, head, message)

    @machinery
    def _called(self, cpu: Cpu, item: KObject, *, head: bool) -> None:
        """The call's own event, and the might_sleep() of the one-argument form."""
        if self.system.events.on:
            where = f"head=0x{item.address + 16:x} func=0x10" if head else f"head=0x0 func=0x{item.address:x}"
            self.system.emit(cpu, "kvfree_call_rcu", f"(kvfree_call_rcu) {where}")
        if not head:
            cpu.judge.might_sleep(cpu)

    async def _krc_this_cpu_lock(self, thread: Thread, left: Krc | None = None) -> tuple[Cpu, Krc, bool]:
        """krc_this_cpu_lock(): the CPU that this runs on now, its state, locked, and the flags.

        Who has `left` a state, to get a page, may have to lock that one again, wherever this is now.
        """
        cpu, flags = thread.local_irq_save("kvfree_call_rcu")
        krcp = self.krc(cpu.cpu_id) if left is None else self.rules.one_argument.lock_again(self, cpu, left)
        await self.system.locks.raw_spin_lock(cpu, krcp.lock, "kvfree_call_rcu")
        return cpu, krcp, flags

    async def _krc_this_cpu_unlock(self, cpu: Cpu, krcp: Krc, flags: bool) -> None:
        await self.system.locks.raw_spin_unlock(cpu, krcp.lock)
        await cpu.local_irq_restore(flags)

    async def _retire(self, thread: Thread, item: KObject) -> None:
        """With krcp->lock held, where older versions tell debug objects."""
        if self._tracks and self.rules.debug_under_lock:
            await self.system.debug_objects.activates_in(thread, item, RcuHead)
        self._retired(item, thread.cpu.clock)

    async def queue_retired(self, thread: Thread, item: KObject) -> None:
        """For a design that took over an object of the two-argument form earlier: queue it now."""
        await self._queue(thread, item, head=True, retired=True)

    async def _queue(self, thread: Thread, item: KObject, *, head: bool, retired: bool = False) -> bool:
        """Under krcp->lock: find or get a block, else the list; see to the monitor.

        False when the caller has to wait itself.
        """
        costs = self.system.costs
        cpu, krcp, flags = await self._krc_this_cpu_lock(thread)
        cpu.clock += costs.kvfree_call_ns
        if not retired:
            await self._retire(thread, item)
        queued = True
        if append(krcp, item, self._capacity):
            cpu.clock += costs.kvfree_append_ns
            self._snap_block(cpu, krcp, item)
        else:
            page = await self.kvfree_call_rcu_add_ptr_to_bulk(cpu, krcp)
            if page is None and self._asks_unlocked(head=head):
                await self._krc_this_cpu_unlock(cpu, krcp, flags)
                page = await self._get_page_unlocked(thread, head=head)
                # Not necessarily the one that was left, by the version's rule; nor in the state it was left in.
                left = krcp
                cpu, krcp, flags = await self._krc_this_cpu_lock(thread, left=left)
                self.figures.caller_pages += page is not None
                self.figures.pages_for_another_cpu += page is not None and krcp is not left
            if page is not None:
                open_block(krcp, page, item)
                self.figures.blocks += 1
                cpu.clock += costs.kvfree_append_ns
                self._snap_block(cpu, krcp, item)
            else:
                await self.source.missed(self, cpu, krcp)
                queued = head
                if head:
                    self._link(cpu, krcp, item)
        if queued:
            krcp.count += 1
            if self._told.on:
                self.probes.queued(krcp, item)
            if self.callbacks.scheduler_active is SchedulerActive.RUNNING:
                await self.arming.queued(cpu, krcp)
        if invariants.checked:
            invariants.check(self, krcp)
        await self._krc_this_cpu_unlock(cpu, krcp, flags)
        return queued

    def _link(self, cpu: Cpu, krcp: Krc, item: KObject) -> None:
        """By its rcu_head, to what else found no block."""
        krcp.head.append(item)
        if self.takes_cookies:
            krcp.head_gp_snap = self.polled.get_state_synchronize_rcu()
        if item.members:
            self.callbacks.overwrite(item.members)
        self.figures.fallbacks_list += 1
        cpu.clock += self.system.costs.list_push_ns + self._cookie_ns

    def _snap_block(self, cpu: Cpu, krcp: Krc, item: KObject) -> None:
        """The cookie of the block that the object has come into, in versions that take them."""
        if self._cookie is not None:
            cpu.clock += self._cookie_ns
            krcp.blocks[item.is_vmalloc][-1].gp_snap = self._cookie()

    def _asks_unlocked(self, *, head: bool) -> bool:
        """Somebody may have a page once krcp->lock is dropped."""
        if not self.initialized:
            return False
        return self.extras.get_page_unlocked is not None or (not head and self.rules.one_argument.allocates)

    async def _get_page_unlocked(self, thread: Thread, *, head: bool) -> int | None:
        """From the design, or, in versions that do so, from the allocator for a caller who may sleep."""
        unlocked = self.extras.get_page_unlocked
        page = await unlocked(self, thread, head) if unlocked is not None else None
        if page is None and not head and self.rules.one_argument.allocates:
            page = await self.pages.get_free_page(thread, self.rules.refill.gfp)
        return page

    async def kvfree_call_rcu_add_ptr_to_bulk(self, cpu: Cpu, krcp: Krc) -> int | None:
        """kvfree_call_rcu_add_ptr_to_bulk(), when a block is needed: a page from the cache, or as the design has it."""
        if not self.initialized:
            return None
        page = take_cached_page(krcp)
        if page is not None:
            self.figures.cache_hits += 1
            return page
        self.figures.cache_misses += 1
        return await self.source.get_page(self, cpu, krcp)

    @machinery
    async def free_in_line(self, thread: Thread, item: KObject) -> None:
        """The one-argument form without a block: wait for a grace period here and free."""
        figures = self.figures
        figures.fallbacks_synchronize += 1
        await self.outside.synchronize_rcu(thread)
        await self.kvfree(thread, item)
        figures.inline_freed += 1
        figures.latencies.add(thread.cpu.clock - item.retired_ns)

    async def kvfree(self, thread: Thread, item: KObject) -> None:
        """kvfree(): whichever it is."""
        if item.is_vmalloc:
            await self.vmalloc.vfree(thread, item)
        else:
            await self.slab.kfree(thread, item, "kvfree")

    def put_cached_bnode(self, krcp: Krc, page: int) -> bool:
        """put_cached_bnode(): under krcp->lock, keep a page, if the cache is not full."""
        kept = keep_page(krcp, page, self.min_cached_objs)
        if invariants.checked and kept:
            invariants.check_cache(krcp, self.min_cached_objs)
        return kept
