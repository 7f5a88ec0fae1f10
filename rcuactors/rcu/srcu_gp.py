"""SRCU's grace periods (kernel/rcu/srcutree.c): process_srcu(), a work on rcu_gp_wq, and the callbacks behind it.

A grace period looks at the counters of the index that is not in use, flips the index, and looks at those of the other
one: so it has seen every reader out that was in when it began. While somebody is in, the work queues itself again,
later each time. With srcu_gp_mutex it goes on, under srcu_cb_mutex it ends. That very many looks within one jiffy are
slowed down (srcu_max_nodelay, srcu_max_nodelay_phase) is not modelled.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import attrs

from ..engine.probe import Access
from ..kernel.locking.irqsave import spin_lock_irqsave, spin_unlock_irqrestore
from ..kernel.time.timeouts import burn
from . import seq as gp_seq
from .srcu_struct import IDLE, SCAN1, SCAN2

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kernel.system import System
    from ..kernel.thread import Thread
    from .gp_workqueue import GpWorkqueue
    from .rules import RcuRules
    from .srcu_struct import SrcuData, SrcuStruct

INTERVAL: Final = 1
"""SRCU_INTERVAL, in jiffies."""
_MAX_INTERVAL: Final = 10
"""SRCU_MAX_INTERVAL."""
_RETRY_NS: Final = 5_000
"""SRCU_RETRY_CHECK_DELAY, srcu_retry_check_delay."""


@attrs.frozen(eq=False)
class SrcuGracePeriods:
    """What drives those of all srcu_structs."""

    system: System
    wq: GpWorkqueue
    rules: RcuRules

    def delay(self, ssp: SrcuStruct, clock: int) -> int:
        """srcu_get_delay(): in how many jiffies to look again; 0 for an expedited one."""
        wait = 0 if ssp.gp_seq < ssp.gp_seq_needed_exp else INTERVAL
        if self.rules.srcu_looks_less_often and ssp.state != IDLE:
            wait += max(0, clock // self.system.config.jiffy_ns - 1 - ssp.gp_start)
        return min(wait, _MAX_INTERVAL)

    async def start_if_needed(self, thread: Thread, ssp: SrcuStruct, wanted: int, *, expedited: bool) -> None:
        """srcu_funnel_gp_start(), from the top of the tree on: ask for it, and begin it unless one is in progress."""
        system = self.system
        cpu, flags = await spin_lock_irqsave(system.locks, thread, ssp.lock, "srcu_funnel_gp_start")
        ssp.gp_seq_needed = max(ssp.gp_seq_needed, wanted)
        if expedited:
            ssp.gp_seq_needed_exp = max(ssp.gp_seq_needed_exp, wanted)
        if not gp_seq.done(ssp.gp_seq, wanted) and ssp.state == IDLE:
            self._start(cpu, ssp)
            if self.rules.srcu_queues_by_irq_work:
                system.irq_works.irq_work_queue_irqoff(cpu, ssp.irq_work)
            else:
                await self.queue_process_srcu(cpu, ssp)
        await spin_unlock_irqrestore(system.locks, cpu, ssp.lock, flags)

    async def queue_process_srcu(self, cpu: Cpu, ssp: SrcuStruct) -> None:
        """What begins a grace period queues: an expedited one's work at once, any other's after a jiffy."""
        delay = min(self.delay(ssp, cpu.clock), 1)
        await self.wq.workqueues.queue_delayed_work(cpu, self.wq.rcu_gp_wq, ssp.work, delay)

    def _start(self, cpu: Cpu, ssp: SrcuStruct) -> None:
        """srcu_gp_start()."""
        ssp.gp_start = cpu.clock // self.system.config.jiffy_ns
        ssp.gp_seq = gp_seq.start(ssp.gp_seq)

    async def process_srcu(self, thread: Thread, ssp: SrcuStruct) -> None:
        """process_srcu(): one step further, if that can be, and then again."""
        await self._advance_state(thread, ssp)
        await self._reschedule(thread, ssp, self.delay(ssp, thread.cpu.clock))

    async def _advance_state(self, thread: Thread, ssp: SrcuStruct) -> None:
        """srcu_advance_state()."""
        system = self.system
        locks = system.locks
        await locks.mutex_lock(thread, ssp.gp_mutex)
        if ssp.state == IDLE:
            cpu, flags = await spin_lock_irqsave(locks, thread, ssp.lock, "srcu_advance_state")
            if ssp.gp_seq < ssp.gp_seq_needed:
                self._start(cpu, ssp)
            await spin_unlock_irqrestore(locks, cpu, ssp.lock, flags)
        if ssp.state == SCAN1 and await self._try_check_zero(thread, ssp, 1):
            ssp.idx += 1
            cpu, flags = await spin_lock_irqsave(locks, thread, ssp.lock, "srcu_advance_state")
            ssp.set_state(SCAN2)
            await spin_unlock_irqrestore(locks, cpu, ssp.lock, flags)
        if ssp.state == SCAN2 and await self._try_check_zero(thread, ssp, 2):
            await self._end(thread, ssp)
        else:
            await locks.mutex_unlock(thread, ssp.gp_mutex)

    async def _try_check_zero(self, thread: Thread, ssp: SrcuStruct, tries: int) -> bool:
        """try_check_zero(): nobody is in under the index that is not in use; an expedited one asks once more."""
        tries += not self.delay(ssp, thread.cpu.clock)
        access = self.system.conductor.probes.access
        while True:
            if access.on:
                access(ssp, Access.READ)
            if not ssp.readers_active(1 ^ ssp.idx & 1):
                return True
            tries -= 1
            if tries <= 0:
                return False
            await burn(thread, _RETRY_NS)

    async def _end(self, thread: Thread, ssp: SrcuStruct) -> None:
        """srcu_gp_end(): callbacks are to be invoked, and if there are more requests the next one begins."""
        system = self.system
        locks = system.locks
        await locks.mutex_lock(thread, ssp.cb_mutex)
        cpu, flags = await spin_lock_irqsave(locks, thread, ssp.lock, "srcu_gp_end")
        delay = 0 if ssp.gp_seq < ssp.gp_seq_needed_exp else 1
        ssp.last_gp_end_ns = cpu.clock
        ssp.gp_seq = gp_seq.end(ssp.gp_seq)
        ssp.gp_seq_needed_exp = max(ssp.gp_seq_needed_exp, ssp.gp_seq)
        await spin_unlock_irqrestore(locks, cpu, ssp.lock, flags)
        await locks.mutex_unlock(thread, ssp.gp_mutex)
        for _, sdp in ssp.sda.touched():
            if sdp.cblist.n_cbs():
                await self.schedule_callbacks(thread.cpu, sdp, delay)
        await locks.mutex_unlock(thread, ssp.cb_mutex)
        cpu, flags = await spin_lock_irqsave(locks, thread, ssp.lock, "srcu_gp_end")
        more = ssp.state == IDLE and ssp.gp_seq < ssp.gp_seq_needed
        if more:
            self._start(cpu, ssp)
        await spin_unlock_irqrestore(locks, cpu, ssp.lock, flags)
        if more:
            await self._reschedule(thread, ssp, 0)

    async def _reschedule(self, thread: Thread, ssp: SrcuStruct, delay: int) -> None:
        """srcu_reschedule(): the work again, unless every request has been fulfilled."""
        system = self.system
        cpu, flags = await spin_lock_irqsave(system.locks, thread, ssp.lock, "srcu_reschedule")
        more = ssp.gp_seq < ssp.gp_seq_needed
        if more and ssp.state == IDLE:
            self._start(cpu, ssp)
        await spin_unlock_irqrestore(system.locks, cpu, ssp.lock, flags)
        if more:
            await self.wq.workqueues.queue_delayed_work(thread.cpu, self.wq.rcu_gp_wq, ssp.work, delay)

    # -- callbacks ---------------------------------------------------------------------------------------------------

    async def schedule_callbacks(self, cpu: Cpu, sdp: SrcuData, delay: int) -> None:
        """srcu_schedule_cbs_sdp(): a work on the CPU of the list, at once or after a jiffy."""
        on = self.system.cpu(sdp.cpu_id)
        await self.wq.workqueues.queue_delayed_work(cpu, self.wq.rcu_gp_wq, sdp.work, delay, on=on)

    async def srcu_invoke_callbacks(self, thread: Thread, ssp: SrcuStruct, sdp: SrcuData) -> None:
        """srcu_invoke_callbacks(): those whose grace period is over, each with bottom halves off."""
        system = self.system
        locks = system.locks
        cpu, flags = await spin_lock_irqsave(locks, thread, sdp.lock, "srcu_invoke_callbacks")
        sdp.cblist.done_seq = ssp.gp_seq
        idle = sdp.invoking or not sdp.cblist.ready()
        done = [] if idle else list(sdp.cblist.extract_done())
        sdp.invoking = sdp.invoking or not idle
        await spin_unlock_irqrestore(locks, cpu, sdp.lock, flags)
        if idle:
            return
        for head in done:
            head.queued = False
            cpu = await system.softirqs.local_bh_disable(thread)
            cpu.clock += system.costs.callback_ns
            await head.function(cpu)
            await system.softirqs.local_bh_enable(cpu)
        cpu, flags = await spin_lock_irqsave(locks, thread, sdp.lock, "srcu_invoke_callbacks")
        sdp.cblist.insert_done(len(done), deque())
        sdp.invoking = False
        more = sdp.cblist.ready()
        await spin_unlock_irqrestore(locks, cpu, sdp.lock, flags)
        if more:
            await self.schedule_callbacks(thread.cpu, sdp, 0)
