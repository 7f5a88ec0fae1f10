"""Whom a grace period waits for: struct rcu_node (kernel/rcu/tree.h), of which the model has one for all CPUs.

CPUs by their bit in `qsmask`; readers that were switched out by their place in `blkd_tasks`, those of them that keep
the present grace period from ending being `gp_tasks`. Whoever takes the last of them away has the grace-period kthread
woken. A leaf of the kernel's tree serves 16 CPUs or more, and its raw lock, rcu_node_0, is held for every change; here
a change is one step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from ..engine.probe import Access
from ..marks import MACHINERY

if TYPE_CHECKING:
    from ..engine.probe import Probe
    from ..kernel.cpu import Cpu
    from ..kernel.thread import Thread

__trace__ = MACHINERY


@attrs.define(eq=False)
class RcuNode:
    """struct rcu_node.

    `gp_seq` is the grace period as this node has it, `gp_seq_needed` the furthest that anybody has asked for.
    `untouched` says that CPUs which nothing has touched so far are waited for, too: they idle, and the next scan sees
    that.
    """

    wake_gp_kthread: Callable[[Cpu], None]
    _access: Probe[[object, Access]]
    gp_seq: int
    gp_seq_needed: int
    qsmask: dict[int, Cpu] = attrs.field(factory=dict)
    untouched: bool = False
    blkd_tasks: dict[int, Thread] = attrs.field(factory=dict)
    gp_tasks: dict[int, Thread] = attrs.field(factory=dict)

    def all_quiescent(self) -> bool:
        """No CPU and no reader (rcu_preempt_blocked_readers_cgp()) is waited for any more."""
        return not self.qsmask and not self.gp_tasks and not self.untouched

    def _written(self) -> None:
        if self._access.on:
            self._access(self, Access.WRITE)

    def report_qs(self, cpu: Cpu) -> None:
        """rcu_report_qs_rdp(), rcu_report_qs_rnp(): a CPU has passed through a quiescent state."""
        self._written()
        if self.qsmask.pop(cpu.cpu_id, None) is not None and self.all_quiescent():
            self.wake_gp_kthread(cpu)

    def ctxt_queue(self, cpu: Cpu, thread: Thread) -> None:
        """rcu_preempt_ctxt_queue(): a reader is switched out. The grace period waits for it if it does for its CPU."""
        self._written()
        self.blkd_tasks[thread.strand.order] = thread
        if cpu.cpu_id in self.qsmask:
            self.gp_tasks[thread.strand.order] = thread

    def unblock(self, cpu: Cpu, thread: Thread) -> None:
        """The end of rcu_preempt_deferred_qs_irqrestore(), rcu_report_unblock_qs_rnp()."""
        self._written()
        self.blkd_tasks.pop(thread.strand.order, None)
        if self.gp_tasks.pop(thread.strand.order, None) is not None and self.all_quiescent():
            self.wake_gp_kthread(cpu)
