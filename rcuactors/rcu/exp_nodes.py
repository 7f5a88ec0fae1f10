"""Whom an expedited grace period waits for (kernel/rcu/tree_exp.h): ->expmask, ->exp_tasks, and who takes them away.

CPUs that were interrupted for it and have not answered are in their leaf's `expmask`; readers that were switched out
there, and began before it, in its `exp_tasks`. A node above waits for those below it. Who takes the last away from a
node reports that one level up (__rcu_report_exp_rnp()), and who does so at the root wakes who drives it. A CPU answers
in the interrupt itself, unless that came upon a reader, or a region with preemption or bottom halves off. Then it owes
the answer (`rcu_data.cpu_no_qs.b.exp`), and gives it at the end of the reader, or when it is switched (quiescent.py).

As with ordinary ones, a change of a node is one step, and leaves of CPUs that nothing has touched are not there: all
of them idle, and have answered as soon as somebody looks.
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
    from .nodes import RcuNode, RcuTree

__trace__ = MACHINERY


@attrs.define(eq=False)
class ExpeditedNode:
    """The part of struct rcu_node that is for expedited grace periods."""

    expmask: dict[int, Cpu] = attrs.field(factory=dict)
    """Of a leaf: the CPUs that are waited for."""
    kids: dict[int, RcuNode] = attrs.field(factory=dict)
    """Of any other: the nodes below that are, its own expmask."""
    exp_tasks: dict[int, Thread] = attrs.field(factory=dict)
    exp_seq_rq: int = 0
    """The furthest that was asked for by way of this node (exp_funnel_lock())."""

    def done(self) -> bool:
        """sync_rcu_exp_done(): nobody is waited for here any more."""
        return not self.expmask and not self.kids and not self.exp_tasks


class ExpeditedTree:
    """rcu_state.node[] as expedited grace periods have it, and rcu_state.expedited_wq."""

    def __init__(self, tree: RcuTree, access: Probe[[object, Access]]) -> None:
        self._tree = tree
        self._access = access
        self._waiting: Thread | None = None

    # -- who drives it -----------------------------------------------------------------------------------------------

    def begin(self, cpus: dict[int, Cpu], *, with_readers: bool) -> None:
        """sync_exp_reset_tree(): every CPU that has been online is to answer.

        `with_readers`: whoever is switched out on a leaf is waited for from here on, not when the leaf's turn comes.
        """
        self._touch(Access.WRITE)
        by_leaf: dict[int, dict[int, Cpu]] = {}
        for cpu_id, cpu in sorted(cpus.items()):
            by_leaf.setdefault(self._tree.mynode(cpu_id).grplo, {})[cpu_id] = cpu
        for leaf in self._tree.leaves():
            leaf.exp.expmask = by_leaf.get(leaf.grplo, {})
            if with_readers:
                self.wait_for_readers(leaf)
        for above, level in zip(self._tree.levels[-2::-1], self._tree.levels[:0:-1], strict=True):
            for node in above.values():
                node.exp.kids = {kid.grpnum: kid for kid in level.values() if kid.parent is node and not kid.exp.done()}

    def wait_for_readers(self, leaf: RcuNode) -> None:
        """Those that are switched out on that leaf have begun before it."""
        self._touch(Access.WRITE)
        leaf.exp.exp_tasks = dict(leaf.blkd_tasks)

    def done(self) -> bool:
        """sync_rcu_exp_done_unlocked() of the root."""
        self._touch(Access.READ)
        return self._tree.root.exp.done()

    def waits(self, thread: Thread | None) -> None:
        """Who drives it sleeps in expedited_wq, or does not any more."""
        self._waiting = thread

    def report_all(self, leaf: RcuNode, quiescent: list[Cpu]) -> None:
        """rcu_report_exp_cpu_mult(), by who drives it and need not be woken."""
        self._touch(Access.WRITE)
        found = [leaf.exp.expmask.pop(cpu.cpu_id, None) for cpu in quiescent]
        if any(found):
            self._report_up(leaf)

    # -- who is waited for -------------------------------------------------------------------------------------------

    def report(self, cpu: Cpu, rdp: RcuData) -> None:
        """rcu_report_exp_rdp(): the CPU is in a quiescent state."""
        rdp.exp_no_qs = False
        if rdp.mynode.exp.expmask.pop(cpu.cpu_id, None) is not None:
            self._reported(cpu, rdp.mynode)

    def ctxt_queue(self, cpu: Cpu, rdp: RcuData, thread: Thread) -> None:
        """rcu_preempt_ctxt_queue(): a reader is switched out, and is waited for if its CPU is."""
        node = rdp.mynode.exp
        if cpu.cpu_id in node.expmask:
            self._touch(Access.WRITE)
            node.exp_tasks[thread.strand.order] = thread
            if rdp.exp_no_qs:
                self.report(cpu, rdp)

    def unblock(self, cpu: Cpu, leaf: RcuNode, thread: Thread) -> None:
        """The end of a reader that was switched out on that leaf (rcu_preempt_deferred_qs_irqrestore())."""
        if leaf.exp.exp_tasks.pop(thread.strand.order, None) is not None:
            self._reported(cpu, leaf)

    def _reported(self, cpu: Cpu, leaf: RcuNode) -> None:
        """__rcu_report_exp_rnp(): the last one wakes who waits (swake_up_one())."""
        self._touch(Access.WRITE)
        done, thread = self._report_up(leaf), self._waiting
        if not done or thread is None or thread.state is not ThreadState.SLEEPING:
            return
        cpu.clock += cpu.system.costs.wake_up_ns
        if thread.cpu is cpu:
            cpu.make_runnable(thread)
        else:
            cpu.post_wake_up(thread)

    @staticmethod
    def _report_up(node: RcuNode) -> bool:
        """From a node that waits for nobody any more to those above. Whether that was the last."""
        while node.exp.done():
            if node.parent is None:
                return True
            node.parent.exp.kids.pop(node.grpnum, None)
            node = node.parent
        return False

    def _touch(self, how: Access) -> None:
        if self._access.on:
            self._access(self, how)
