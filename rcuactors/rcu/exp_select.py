"""Whom an expedited grace period asks (kernel/rcu/tree_exp.h): sync_rcu_exp_select_cpus(), rcu_exp_handler().

Each leaf of the rcu_node tree is looked through by itself: the last one by who drives the grace period, the others each
by a work, on a CPU of theirs, or by a thread that the leaf has for it (exp_drivers.py), all at once; then it waits for
these. A CPU that idles, that has gone, or on which this runs, has answered. Any other is sent an interrupt, unless it
has been idle since. One that is on its way up or down gets none, and is tried again a jiffy later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from ..context import preempt
from ..kernel.thread import EXP_HINT
from ..kernel.time.timeouts import schedule_timeout_uninterruptible
from ..marks import machinery, stands_for
from .quiescent import interrupted_idle

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kernel.system import System
    from ..kernel.thread import Thread
    from .data import RcuData
    from .exp_drivers import ExpeditedDriver, Flush
    from .exp_nodes import ExpeditedTree
    from .gp import GracePeriodMachine
    from .nodes import RcuNode
    from .rules import RcuRules

_NO_PREEMPTION: Final = preempt.PREEMPT_MASK | preempt.SOFTIRQ_MASK


@attrs.define(eq=False)
class ExpeditedSelection:
    """One machine's."""

    system: System
    machine: GracePeriodMachine
    node: ExpeditedTree
    rules: RcuRules
    driver: ExpeditedDriver

    async def sync_rcu_exp_select_cpus(self, thread: Thread) -> None:
        """sync_rcu_exp_select_cpus()."""
        system, tree = self.system, self.machine.tree
        self.node.begin(system.cpus, with_readers=self.rules.exp_tasks_at_reset)
        await thread.spend(system.costs.gp_init_ns)
        flushes = []
        for leaf in tree.leaves():
            if not leaf.exp.expmask:
                continue
            if tree.is_last_leaf(leaf):
                await self.sync_rcu_exp_select_node_cpus(thread, leaf)
            else:
                flushes.append(await self._queue(thread, leaf))
        for flush in flushes:
            await flush(thread)

    async def _queue(self, thread: Thread, leaf: RcuNode) -> Flush:
        async def sync_rcu_exp_select_node_cpus(on: Thread) -> None:
            await self.sync_rcu_exp_select_node_cpus(on, leaf)

        return await self.driver.select(thread.cpu, leaf, sync_rcu_exp_select_node_cpus)

    @stands_for("__sync_rcu_exp_select_node_cpus")
    async def sync_rcu_exp_select_node_cpus(self, thread: Thread, leaf: RcuNode) -> None:
        """__sync_rcu_exp_select_node_cpus(), before v5.18 without the underscores: the CPUs and readers of one leaf."""
        tree, node = self.machine.tree, self.node
        quiescent: list[Cpu] = []
        asked: list[tuple[Cpu, int]] = []
        for cpu in leaf.exp.expmask.values():
            if cpu is thread.cpu or not tree.is_online(cpu.cpu_id) or cpu.in_idle_loop:
                quiescent.append(cpu)
            else:
                asked.append((cpu, self._rdp(cpu).idle_entries))
        if not self.rules.exp_tasks_at_reset:
            node.wait_for_readers(leaf)
        for cpu, idle_entries in asked:
            if await self._is_quiescent(thread, leaf, cpu, idle_entries):
                quiescent.append(cpu)
        node.report_all(leaf, quiescent)

    async def _is_quiescent(self, thread: Thread, leaf: RcuNode, target: Cpu, idle_entries: int) -> bool:
        """False once the interrupt is on its way: the CPU answers by itself."""
        while self._rdp(target).idle_entries == idle_entries:
            cpu = thread.preempt_disable()
            here = cpu is target
            reached = False
            if not here:
                call = self.system.cross_calls.smp_call_function_single
                reached = await call(cpu, target, self._rcu_exp_handler, wait=False) == 0
            await cpu.preempt_enable()
            if here:
                # Who drives this has moved here meanwhile, so the CPU has switched.
                return not self.rules.exp_forgets_own_cpu
            if reached:
                return False
            if not (self.machine.tree.is_online(target.cpu_id) and target.cpu_id in leaf.exp.expmask):
                return True
            self.trace(thread.cpu, "selectofl")
            await schedule_timeout_uninterruptible(self.system, thread, 1)
        return True

    # -- who is interrupted ------------------------------------------------------------------------------------------

    @machinery
    async def _rcu_exp_handler(self, cpu: Cpu) -> None:
        """rcu_exp_handler()."""
        rdp = self._rdp(cpu)
        if cpu.cpu_id not in rdp.mynode.exp.expmask:
            return
        if not self.system.config.preemptible_kernel:
            self._without_preemption(cpu, rdp)
        elif cpu.ctx.rcu_nesting > 0:
            rdp.exp_no_qs = True
            cpu.current.rcu_need_qs |= EXP_HINT
        elif not cpu.ctx.preempt_count & _NO_PREEMPTION or interrupted_idle(cpu):
            self.node.report(cpu, rdp)
        else:
            rdp.exp_no_qs = True
            cpu.resched_curr()

    def _without_preemption(self, cpu: Cpu, rdp: RcuData) -> None:
        """The same of a kernel without preemptible RCU, where every switch is a quiescent state."""
        if rdp.exp_no_qs:
            return
        counted = self.rules.exp_handler_sees_preempt_count and self.system.config.preempt_count
        if interrupted_idle(cpu) or (counted and not cpu.ctx.preempt_count & _NO_PREEMPTION):
            self.node.report(cpu, rdp)
            return
        rdp.exp_no_qs = rdp.rcu_urgent_qs = True
        cpu.resched_curr()

    def _rdp(self, cpu: Cpu) -> RcuData:
        return self.machine.data[cpu.cpu_id]

    def trace(self, cpu: Cpu, what: str, wanted: int | None = None) -> None:
        """trace_rcu_exp_grace_period(), of the one that is going on where no other is said."""
        told, events = self.machine.probes.exp_step, self.system.events
        if not (told.on or events.on):
            return
        seq = self.machine.expedited_endval() if wanted is None else wanted
        if told.on:
            told(seq, what, cpu.clock)
        if events.on:
            self.system.emit(cpu, "rcu_exp_grace_period", f"{self.machine.name} {seq} {what}")
