"""Quiescent states (kernel/rcu/tree_plugin.h): when a CPU, or a reader that was switched out, holds nothing up.

Preemptible RCU: a tick that interrupted no reader and no region with preemption or bottom halves off, and any context
switch; who is switched out in a reader is waited for by name (rcu_note_context_switch()). The end of such a reader is
told at once only if preemption, bottom halves and interrupts are on (rcu_read_unlock_special()). Otherwise it is
*deferred*: the section goes on to RCU until all three are, and until then the scheduler has been asked to look.

Without preemption: a context switch, a tick that found the CPU idle, and cond_resched() once the grace period has
waited for long (rcu_all_qs(), `rcu_urgent_qs`).

A quiescent state is noted in `cpu_no_qs`; a tick that finds it noted has the softirq report it (rcu_pending(),
rcu_core()).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ..context import preempt
from ..context.violation import ViolationKind
from ..kernel.irq.irq_work import IrqWork
from ..kernel.irq.softirq import Softirq
from ..kernel.thread import NEED_QS
from ..marks import machinery
from .exp_nodes import ExpeditedTree

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kernel.system import System
    from ..kernel.thread import Thread
    from .data import RcuData
    from .gp import GracePeriodMachine
    from .rules import RcuRules

_NO_PREEMPTION = preempt.PREEMPT_MASK | preempt.SOFTIRQ_MASK


@attrs.define(eq=False)
class QuiescentStates:
    """For all CPUs."""

    system: System
    machine: GracePeriodMachine
    rules: RcuRules
    expedited: ExpeditedTree = attrs.field(init=False)
    _preemptible: bool = attrs.field(init=False)
    _softirq: bool = attrs.field(init=False)
    """use_softirq: off on PREEMPT_RT, where RCU's core runs in a thread."""

    def __attrs_post_init__(self) -> None:
        config, hooks = self.system.config, self.system.hooks
        self.expedited = ExpeditedTree(self.machine.tree, self.system.conductor.probes.access)
        self._preemptible, self._softirq = config.preemptible_kernel, not config.PREEMPT_RT
        hooks.on_idle.append(self._idle_enter)
        if not self._preemptible:
            hooks.on_cond_resched.append(self.rcu_all_qs)

    def rdp(self, cpu: Cpu) -> RcuData:
        """this_cpu_ptr(&rcu_data)."""
        return self.machine.data[cpu.cpu_id]

    @machinery
    def rcu_qs(self, cpu: Cpu) -> None:
        """rcu_qs(): the CPU is in a quiescent state; without preemption that answers an expedited one, too."""
        rdp = self.rdp(cpu)
        rdp.cpu_no_qs = False
        if rdp.exp_no_qs and not self._preemptible:
            self.expedited.report(cpu, rdp)

    def _idle_enter(self, cpu: Cpu) -> None:
        """rcu_idle_enter(): from here on nobody need look at this CPU, which is what the next scan sees."""
        rdp = self.rdp(cpu)
        rdp.idle_entries += 1
        if rdp.exp_no_qs:
            self.expedited.report(cpu, rdp)
        if rdp.gp_kthread_ran:
            rdp.gp_kthread_ran = False
            self.rcu_qs(cpu)

    @machinery
    def gp_kthread_ran(self, cpu: Cpu) -> None:
        """The grace-period kthread has run here: it was switched to, and away from when it went to sleep.

        An idle CPU has no reader to be switched out, and is quiescent when it idles again. Of a busy one the
        scheduler thinks what it would have thought: that somebody else's turn has come.
        """
        if cpu.idle:
            self.rdp(cpu).gp_kthread_ran = True
        elif not self._preemptible:
            cpu.resched_curr()

    # -- switches ----------------------------------------------------------------------------------------------------

    @machinery
    def switched(self, cpu: Cpu, thread: Thread) -> None:
        """rcu_note_context_switch(), less its warning: who is switched out in a reader is waited for, not the CPU."""
        if not self._preemptible:
            self.rcu_qs(cpu)
            self.rdp(cpu).rcu_urgent_qs = False
            return
        rdp = self.rdp(cpu)
        if thread.ctx.rcu_nesting > 0 and not thread.rcu_blocked:
            thread.rcu_blocked = True
            self.machine.tree.ctxt_queue(rdp.mynode, cpu, thread)
            self.expedited.ctxt_queue(cpu, rdp, thread)
        elif thread.rcu_blocked or thread.rcu_need_qs or rdp.exp_no_qs:
            self.deferred_qs(cpu, thread)
        rdp.cpu_no_qs = False
        if rdp.exp_no_qs:
            self.expedited.report(cpu, rdp)

    @machinery
    def rcu_all_qs(self, cpu: Cpu) -> None:
        """rcu_all_qs(), from cond_resched()."""
        rdp = self.rdp(cpu)
        if rdp.rcu_urgent_qs:
            rdp.rcu_urgent_qs = False
            self.rcu_qs(cpu)

    # -- the end of a reader that is waited for ----------------------------------------------------------------------

    def need_deferred_qs(self, cpu: Cpu, thread: Thread) -> bool:
        """rcu_preempt_need_deferred_qs()."""
        if thread.ctx.rcu_nesting:
            return False
        return bool(thread.rcu_blocked or thread.rcu_need_qs or self.machine.data[cpu.cpu_id].exp_no_qs)

    @machinery
    def deferred_qs(self, cpu: Cpu, thread: Thread) -> None:
        """rcu_preempt_deferred_qs(), rcu_preempt_deferred_qs_irqrestore(): tell what was put off, if anything was."""
        if not self.need_deferred_qs(cpu, thread):
            return
        rdp = self.rdp(cpu)
        if self.rules.deferral_ends_with_report:
            rdp.defer_qs_iw_pending = False
        special, thread.rcu_need_qs = thread.rcu_need_qs, 0
        if special & NEED_QS:
            self.rcu_qs(cpu)
        if rdp.exp_no_qs:
            self.expedited.report(cpu, rdp)
        if thread.rcu_blocked:
            thread.rcu_blocked = False
            leaf = self.machine.tree.blocked_node(thread)
            self.machine.tree.unblock(cpu, thread)
            if leaf is not None:
                self.expedited.unblock(cpu, leaf, thread)

    @machinery
    def rcu_read_unlock_special(self, cpu: Cpu) -> None:
        """rcu_read_unlock_special(): the outermost reader of a thread that is waited for has ended."""
        ctx, thread = cpu.ctx, cpu.current
        if preempt.in_nmi(ctx.preempt_count):
            return
        if not ctx.irqs_disabled and not ctx.preempt_count & _NO_PREEMPTION:
            self.deferred_qs(cpu, thread)
            return
        expedited = self._needs_exp(cpu, thread)
        if self._softirq and (preempt.in_hardirq(ctx.preempt_count) or (expedited and not ctx.irqs_disabled)):
            self.system.softirqs.raise_irqoff(cpu, Softirq.RCU)
            return
        cpu.resched_curr()
        if ctx.irqs_disabled and (expedited or (thread.rcu_blocked and self._boosts())):
            self._queue_irq_work(cpu)

    def _needs_exp(self, cpu: Cpu, thread: Thread) -> bool:
        """rcu_unlock_needs_exp_handling(): an expedited grace period waits for this reader, or may."""
        if cpu.cpu_id in self.rdp(cpu).mynode.exp.expmask:
            return True
        leaf = self.machine.tree.blocked_node(thread) if thread.rcu_blocked else None
        return leaf is not None and bool(leaf.exp.exp_tasks)

    def _boosts(self) -> bool:
        """CONFIG_RCU_BOOST is PREEMPT_RT's: who was boosted is to be told soon that it is not any more."""
        return self.system.config.PREEMPT_RT and self.rules.deboosting_needs_irq_work

    def _queue_irq_work(self, cpu: Cpu) -> None:
        """defer_qs_iw, which is initialised once for each CPU since commit 61399e0c5410."""
        rdp = self.rdp(cpu)
        if rdp.defer_qs_iw_pending:
            return
        rdp.defer_qs_iw_pending = True
        if rdp.defer_qs_iw is None:
            rdp.defer_qs_iw = IrqWork("rcu_preempt_deferred_qs_handler", self._deferred_qs_handler)
        elif self.rules.defer_qs_iw_initialised_anew:
            self.system.irq_works.init_irq_work(cpu, rdp.defer_qs_iw)
        self.system.irq_works.irq_work_queue_irqoff(cpu, rdp.defer_qs_iw)

    async def _deferred_qs_handler(self, cpu: Cpu) -> None:
        """rcu_preempt_deferred_qs_handler(): it is enough that it ran; the scheduler looks on the way out.

        In a reader that was no use, and it has to be queued again.
        """
        if not self.rules.deferral_ends_with_report or cpu.ctx.rcu_nesting:
            self.rdp(cpu).defer_qs_iw_pending = False

    # -- ticks -------------------------------------------------------------------------------------------------------

    @machinery
    def tick(self, cpu: Cpu) -> None:
        """rcu_sched_clock_irq(), less what rcu_pending() asks; then rcu_flavor_sched_clock_irq()."""
        rdp, idle = self.rdp(cpu), interrupted_idle(cpu)
        rdp.ticks_this_gp += 1
        if rdp.rcu_urgent_qs:
            rdp.rcu_urgent_qs = False
            if not idle:
                cpu.resched_curr()
        if self._preemptible:
            self._preemptible_tick(cpu, rdp)
        elif idle:
            self.rcu_qs(cpu)

    def _preemptible_tick(self, cpu: Cpu, rdp: RcuData) -> None:
        ctx, thread = cpu.ctx, cpu.current
        nesting = ctx.rcu_nesting
        if nesting > 0 or ctx.preempt_count & _NO_PREEMPTION:
            if self.need_deferred_qs(cpu, thread):
                cpu.resched_curr()
            waited_for = rdp.core_needs_qs and rdp.cpu_no_qs
            if nesting > 0 and waited_for and self._is_old(cpu):
                thread.rcu_need_qs |= NEED_QS
        elif self.need_deferred_qs(cpu, thread):
            self.deferred_qs(cpu, thread)
        elif nesting:
            cpu.judge.warn_on_once(cpu, ViolationKind.BAD_UNLOCK, "rcu_preempt_depth()", "rcu_sched_clock_irq")
        else:
            self.rcu_qs(cpu)

    def _is_old(self, cpu: Cpu) -> bool:
        machine = self.machine
        return machine.jiffies(cpu.clock) > machine.gp_start + self.system.config.HZ


def interrupted_idle(cpu: Cpu) -> bool:
    """rcu_is_cpu_rrupt_from_idle(): a hardirq, the first one, on top of the idle loop itself."""
    before = cpu.ctx.preempt_count - preempt.HARDIRQ_OFFSET & ~preempt.NMI_MASK
    return cpu.idle and before == cpu.system.locks.preempt_offset
