"""RCU when CPUs come and go (kernel/rcu/tree.c, "Hotplug CPU" of its requirements).

A CPU that comes says so in its leaf's qsmaskinitnext before its first reader can run (rcu_cpu_starting(), since v6.7
rcutree_report_cpu_starting()), one that goes takes it out behind its last (rcu_report_dead(), since v6.7
rcutree_report_cpu_dead()), and if a grace period waits for it, reports that it is quiescent. The next grace period
looks at that mask once, in a step of its own, before it sets out whom to wait for (gp.py): one that comes behind that
look is not waited for, nor need it be, for its readers are younger than the grace period. They are not younger than
everybody's idea of it: see polled.py, on the cookies that were taken of the root node (commit 85aad7cc4178).

The callbacks of a dead CPU go to the one that has taken it down. What else the kernel's hotplug callbacks do concerns
threads that the model does not have: rcutree_online_cpu() and rcutree_offline_cpu() move those of expedited grace
periods and of boosting to other CPUs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ..context.violation import ViolationKind
from ..kernel.hotplug.states import CpuhpState
from .data import BLIMIT, Callback
from .synchronize_rcu import synchronize_rcu

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kernel.thread import Thread
    from .callbacks import Callbacks
    from .gp import GracePeriodMachine
    from .quiescent import QuiescentStates
    from .rules import RcuRules


@attrs.frozen(eq=False)
class RcuHotplug:
    """What CPU hotplug calls, for one machine."""

    machine: GracePeriodMachine
    callbacks: Callbacks
    quiescent: QuiescentStates
    rules: RcuRules

    def __attrs_post_init__(self) -> None:
        hotplug = self.callbacks.system.hotplug
        hotplug.rcu_is(self)
        hotplug.sets_up(self._set_up)

    def _set_up(self) -> None:
        hotplug = self.callbacks.system.hotplug
        hotplug.setup_state(CpuhpState.RCUTREE_PREP, "RCU/tree:prepare", startup=self.rcutree_prepare_cpu)
        hotplug.setup_state(CpuhpState.AP_RCUTREE_DYING, "RCU/tree:dying", teardown=self.rcutree_dying_cpu)

    async def synchronize_rcu(self, thread: Thread, /) -> None:
        """synchronize_rcu(), which the scheduler calls once nobody is put on the CPU any more."""
        await synchronize_rcu(self.callbacks, thread)

    async def call_rcu(self, cpu: Cpu, function: Callback, name: str, /) -> None:
        """call_rcu()."""
        await self.callbacks.call_rcu(cpu, function, name)

    # -- a CPU comes -------------------------------------------------------------------------------------------------

    async def rcutree_prepare_cpu(self, thread: Thread, cpu_id: int) -> None:
        """rcutree_prepare_cpu(): whoever brings it up makes its rcu_data new, but for the callbacks of early boot."""
        machine = self.machine
        machine.watched()
        rdp = machine.data[cpu_id]
        rdp.qlen_last_fqs_check, rdp.n_force_qs_snap, rdp.blimit = 0, machine.n_force_qs, BLIMIT
        rdp.gp_seq = rdp.mynode.gp_seq
        rdp.cpu_no_qs, rdp.core_needs_qs = True, False
        machine.emit_at(thread.cpu, rdp.gp_seq, "cpuonl")

    async def rcu_cpu_starting(self, cpu: Cpu, /) -> None:
        """rcu_cpu_starting(): on the CPU itself, interrupts off; grace periods that begin from now on wait for it."""
        machine, tree = self.machine, self.machine.tree
        machine.watched()
        leaf = tree.mynode(cpu.cpu_id)
        tree.comes(leaf, cpu)
        if cpu.cpu_id in leaf.qsmask:
            if self.rules.incoming_cpu_warns:
                cpu.judge.warn_on_once(cpu, ViolationKind.BAD_CONTEXT, "rnp->qsmask & mask", self.rules.cpu_starting)
            machine.data[cpu.cpu_id].rcu_urgent_qs = False
            tree.report_qs(leaf, cpu)

    # -- a CPU goes --------------------------------------------------------------------------------------------------

    async def rcutree_dying_cpu(self, thread: Thread, cpu_id: int) -> None:
        """rcutree_dying_cpu(): a line of trace: whether a grace period waits for it; before v6.1, whether none does."""
        leaf = self.machine.tree.mynode(cpu_id)
        waited_for = (cpu_id in leaf.qsmask) is not self.rules.dying_says_it_wrong
        self.machine.emit_at(thread.cpu, leaf.gp_seq, "cpuofl-bgp" if waited_for else "cpuofl")

    async def rcu_report_dead(self, cpu: Cpu, /) -> None:
        """rcu_report_dead(): the CPU's idle thread, interrupts off, for the last time."""
        machine, tree = self.machine, self.machine.tree
        machine.watched()
        leaf = tree.mynode(cpu.cpu_id)
        self.quiescent.deferred_qs(cpu, cpu.current)
        if cpu.cpu_id in leaf.qsmask:
            machine.data[cpu.cpu_id].rcu_urgent_qs = False
            tree.report_qs(leaf, cpu)
        tree.goes(leaf, cpu)
        machine.leave_cpu(cpu)

    async def rcutree_migrate_callbacks(self, thread: Thread, cpu_id: int, /) -> None:
        """rcutree_migrate_callbacks(): those of a dead CPU go to the one that runs this."""
        cpu, flags = thread.local_irq_save("rcutree_migrate_callbacks")
        self.callbacks.migrate(cpu, cpu_id)
        await cpu.local_irq_restore(flags)
