"""Whom an expedited grace period waits for (kernel/rcu/tree_exp.h): ->expmask, ->exp_tasks, and who takes them away.

CPUs that were interrupted for it and have not answered are in `expmask`; readers that were switched out, and began
before it, in `exp_tasks`. Of rcu_node's tree the model has one node for this, leaf and root. A CPU answers in the
interrupt itself, unless that came upon a reader, or a region with preemption or bottom halves off. Then it owes the
answer (`rcu_data.cpu_no_qs.b.exp`), and gives it at the end of the reader, or when it is switched (quiescent.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ..engine.probe import Access
from ..kernel.thread import ThreadState
from ..marks import MACHINERY

if TYPE_CHECKING:
    from ..engine.probe import Probe
    from ..kernel.cpu import Cpu
    from ..kernel.thread import Thread
    from .data import RcuData

__trace__ = MACHINERY


@attrs.define(eq=False)
class ExpeditedNode:
    """The part of struct rcu_node that is for expedited grace periods, and rcu_state.expedited_wq."""

    _access: Probe[[object, Access]]
    expmask: dict[int, Cpu] = attrs.field(factory=dict)
    exp_tasks: dict[int, Thread] = attrs.field(factory=dict)
    _waiting: Thread | None = None

    def begin(self, cpus: dict[int, Cpu]) -> None:
        """sync_exp_reset_tree(): every CPU that has been online is to answer."""
        self._touch(Access.WRITE)
        self.expmask = dict(sorted(cpus.items()))

    def wait_for_readers(self, blocked: dict[int, Thread]) -> None:
        """Those that are switched out now have begun before it."""
        self._touch(Access.WRITE)
        self.exp_tasks = dict(blocked)

    def done(self) -> bool:
        """sync_rcu_exp_done()."""
        self._touch(Access.READ)
        return not self.expmask and not self.exp_tasks

    def waits(self, thread: Thread | None) -> None:
        """Who drives it sleeps in expedited_wq, or does not any more."""
        self._waiting = thread

    def report(self, cpu: Cpu, rdp: RcuData) -> None:
        """rcu_report_exp_rdp(): the CPU is in a quiescent state."""
        rdp.exp_no_qs = False
        if self.expmask.pop(cpu.cpu_id, None) is not None:
            self._reported(cpu)

    def report_all(self, quiescent: list[Cpu]) -> None:
        """rcu_report_exp_cpu_mult(), by who drives it and need not be woken."""
        self._touch(Access.WRITE)
        for cpu in quiescent:
            self.expmask.pop(cpu.cpu_id, None)

    def ctxt_queue(self, cpu: Cpu, rdp: RcuData, thread: Thread) -> None:
        """rcu_preempt_ctxt_queue(): a reader is switched out, and is waited for if its CPU is."""
        if cpu.cpu_id in self.expmask:
            self._touch(Access.WRITE)
            self.exp_tasks[thread.strand.order] = thread
            if rdp.exp_no_qs:
                self.report(cpu, rdp)

    def unblock(self, cpu: Cpu, thread: Thread) -> None:
        """The end of a reader that was switched out (rcu_preempt_deferred_qs_irqrestore())."""
        if self.exp_tasks.pop(thread.strand.order, None) is not None:
            self._reported(cpu)

    def _reported(self, cpu: Cpu) -> None:
        """__rcu_report_exp_rnp(): the last one wakes who waits (swake_up_one())."""
        self._touch(Access.WRITE)
        thread = self._waiting
        if self.expmask or self.exp_tasks or thread is None or thread.state is not ThreadState.SLEEPING:
            return
        cpu.clock += cpu.system.costs.wake_up_ns
        if thread.cpu is cpu:
            cpu.make_runnable(thread)
        else:
            cpu.post_wake_up(thread)

    def _touch(self, how: Access) -> None:
        if self._access.on:
            self._access(self, how)
