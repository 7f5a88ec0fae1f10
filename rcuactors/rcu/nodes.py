"""Whom a grace period waits for: struct rcu_node (kernel/rcu/tree.h), and the tree of them.

A leaf waits for CPUs, by their bits in `qsmask`, and for readers that were switched out, by their place in
`blkd_tasks`: those of them that keep the present grace period from ending are its `gp_tasks`. A node above waits for
those below it. Who takes the last of them away reports that one level up (rcu_report_qs_rnp()), and who does so at the
root has the grace-period kthread woken. Each node has a raw lock, rcu_node_0 and so on, that is held for every change
of it; here a change is one step.

The masks of CPUs that are online are kept as what they lack, `offline` for qsmaskinit, which the grace periods go by,
and `offline_next` for qsmaskinitnext, which coming and going CPUs change (hotplug.py): so a machine of 1,024 CPUs costs
what those cost that are used. A leaf is made when something first touches one of its CPUs. The others idle, and are
waited for all together, `untouched`, until the next scan sees that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import attrs

from ..engine.probe import Access
from ..marks import MACHINERY
from . import seq
from .exp_nodes import ExpeditedNode

if TYPE_CHECKING:
    from ..engine.probe import Probe
    from ..kernel.cpu import Cpu
    from ..kernel.thread import Thread
    from .geometry import Geometry

__trace__ = MACHINERY


@attrs.define(eq=False)
class RcuNode:
    """struct rcu_node.

    `gp_seq` is the grace period as this node has it, `gp_seq_needed` the furthest that has been asked for here.
    """

    level: int
    grplo: int
    grphi: int
    grpnum: int
    """Its number among those that its parent serves."""
    parent: RcuNode | None
    gp_seq: int
    gp_seq_needed: int
    qsmask: dict[int, Cpu] = attrs.field(factory=dict)
    """Of a leaf: the CPUs that are waited for."""
    kids: dict[int, RcuNode] = attrs.field(factory=dict)
    """Of any other: the nodes below that are, its own qsmask."""
    offline: set[int] = attrs.field(factory=set)
    offline_next: set[int] = attrs.field(factory=set)
    wait_blkd_tasks: bool = False
    """All its CPUs have gone, and readers are left that were switched out on them."""
    blkd_tasks: dict[int, Thread] = attrs.field(factory=dict)
    gp_tasks: dict[int, Thread] = attrs.field(factory=dict)
    exp: ExpeditedNode = attrs.field(factory=ExpeditedNode)

    def quiescent(self) -> bool:
        """No CPU, no node and no reader (rcu_preempt_blocked_readers_cgp()) is waited for here any more."""
        return not self.qsmask and not self.kids and not self.gp_tasks

    def has_cpus(self) -> bool:
        """Of a leaf: whether qsmaskinit is not 0."""
        return len(self.offline) <= self.grphi - self.grplo

    def scan_hotplug(self) -> bool:
        """What rcu_gp_init() does to a leaf about CPUs that have come or gone since; False if there was nothing."""
        if self.offline == self.offline_next and not self.wait_blkd_tasks:
            return False
        had = self.has_cpus()
        self.offline = set(self.offline_next)
        has = self.has_cpus()
        if had and not has and self.blkd_tasks:
            self.wait_blkd_tasks = True
        if self.wait_blkd_tasks and (has or not self.blkd_tasks):
            self.wait_blkd_tasks = False
        return True


class RcuTree:
    """rcu_state.node[], by levels: `levels[0]` has the root, `levels[-1]` the leaves that were made so far."""

    def __init__(
        self,
        geometry: Geometry,
        cpus: dict[int, Cpu],
        wake_gp_kthread: Callable[[Cpu], None],
        access: Probe[Any],
        *,
        offline: frozenset[int] = frozenset(),
    ) -> None:
        """`offline` are the CPUs that do not take part from boot on."""
        self.geometry = geometry
        self._offline_at_boot = offline
        self.wake_gp_kthread = wake_gp_kthread
        self.untouched = False
        self.levels: list[dict[int, RcuNode]] = [{} for _ in geometry.nodes]
        self._leaves, self._leaf_spread = self.levels[-1], geometry.spread[-1]
        self._cpus = cpus
        self._access = access
        self._blocked_node: dict[int, RcuNode] = {}
        self._gp_seq = seq.INITIAL
        """What a node that is made now has: as the last of those that were not."""
        self._offline_unmade = len(offline)
        """Those of leaves that were not made."""
        self.root = self._node(0, 0)
        self._alone = [self.root] if geometry.nodes == (1,) else None
        """The root, where it is the only node that there will be."""
        for cpu in cpus.values():
            self.cpu_is_touched(cpu)

    def _node(self, level: int, index: int) -> RcuNode:
        """One node, and those above it if they are missing (rcu_init_one())."""
        made = self.levels[level].get(index)
        if made is None:
            spread = self.geometry.spread
            parent = self._node(level - 1, index // spread[level - 1]) if level else None
            grplo, grphi = self.geometry.span(level, index)
            grpnum = index % spread[level - 1] if level else 0
            made = RcuNode(level, grplo, grphi, grpnum, parent, self._gp_seq, self._gp_seq)
            self.levels[level][index] = made
            if level == self.geometry.leaf_level and self._offline_at_boot:
                made.offline = set(self._offline_at_boot.intersection(range(grplo, grphi + 1)))
                made.offline_next = set(made.offline)
                self._offline_unmade -= len(made.offline)
        return made

    def mynode(self, cpu_id: int) -> RcuNode:
        """rdp->mynode: the leaf that serves this CPU."""
        index = cpu_id // self._leaf_spread
        return self._leaves.get(index) or self._node(self.geometry.leaf_level, index)

    def cpu_is_touched(self, cpu: Cpu) -> None:
        """It is waited for by name from now on, so its leaf has to be there."""
        self.mynode(cpu.cpu_id)

    def breadth_first(self) -> Iterator[RcuNode]:
        """rcu_for_each_node_breadth_first(): those that are there, and others that are made meanwhile."""
        return iter(self._alone) if self._alone is not None else self._breadth_first()

    def _breadth_first(self) -> Iterator[RcuNode]:
        for level in self.levels:
            seen: set[int] = set()
            while new := sorted(level.keys() - seen):
                seen.add(new[0])
                yield level[new[0]]

    def leaves(self) -> list[RcuNode]:
        """rcu_for_each_leaf_node()."""
        return self._alone or [leaf for _, leaf in sorted(self._leaves.items())]

    def is_last_leaf(self, leaf: RcuNode) -> bool:
        """rcu_is_last_leaf_node()."""
        return leaf.grphi == self.geometry.nr_cpus - 1

    def waited_for(self) -> list[Cpu]:
        """Whose quiescent state is missing."""
        return [cpu for leaf in self.leaves() for cpu in leaf.qsmask.values()]

    def readers_waited_for(self) -> list[Thread]:
        """Who was switched out and is waited for."""
        return [thread for leaf in self.leaves() for thread in leaf.gp_tasks.values()]

    def all_quiescent(self) -> bool:
        """No CPU and no reader is waited for any more."""
        return self.root.quiescent() and not self.untouched

    # -- the grace-period kthread ------------------------------------------------------------------------------------

    def begin(self, node: RcuNode, gp_seq: int) -> None:
        """What rcu_gp_init() does to each node, the root first: whom it waits for, and which grace period it is now."""
        if node is self.root:
            self.untouched = self._some_are_untouched()
        if node.level == self.geometry.leaf_level:
            self._begin_leaf(node)
        else:
            below = self.levels[node.level + 1].values()
            node.kids = {kid.grpnum: kid for kid in below if kid.parent is node and self._has_work(kid)}
        node.gp_seq = gp_seq

    def all_begun(self, gp_seq: int) -> None:
        """The rest of them, which nothing has touched, in one."""
        self._gp_seq = gp_seq

    def _begin_leaf(self, leaf: RcuNode) -> None:
        if leaf.blkd_tasks and (leaf.has_cpus() or leaf.wait_blkd_tasks):
            leaf.gp_tasks = dict(leaf.blkd_tasks)
        leaf.qsmask = {cpu.cpu_id: cpu for cpu in self._touched(leaf)}
        node = leaf
        while node.parent is not None and not leaf.quiescent():
            # Touched since its parent was set, for which it was one of those that idle.
            node.parent.kids[node.grpnum] = node
            node = node.parent
        for cpu_id in leaf.qsmask.keys() & leaf.offline_next:
            del leaf.qsmask[cpu_id]
        self._report_up(leaf)

    def _has_work(self, node: RcuNode) -> bool:
        """Whether its parent's qsmaskinit has its bit, of what was touched."""
        if node.level < self.geometry.leaf_level:
            below = self.levels[node.level + 1].values()
            return any(self._has_work(kid) for kid in below if kid.parent is node)
        readers = bool(node.blkd_tasks) and (node.has_cpus() or node.wait_blkd_tasks)
        return readers or next(self._touched(node), None) is not None

    def _touched(self, leaf: RcuNode) -> Iterator[Cpu]:
        """The CPUs of qsmaskinit that something has touched."""
        cpus, offline = self._cpus, leaf.offline
        if len(self.levels) == 1:
            return (cpu for cpu_id, cpu in sorted(cpus.items()) if cpu_id not in offline)
        span = range(leaf.grplo, leaf.grphi + 1)
        return (cpus[cpu_id] for cpu_id in span if cpu_id in cpus and cpu_id not in offline)

    def _some_are_untouched(self) -> bool:
        offline = [cpu_id for leaf in self._leaves.values() for cpu_id in leaf.offline]
        touched_offline = sum(cpu_id in self._cpus for cpu_id in offline)
        online = self.geometry.nr_cpus - len(offline) - self._offline_unmade
        return len(self._cpus) - touched_offline < online

    def end(self, node: RcuNode, gp_seq: int) -> bool:
        """What rcu_gp_cleanup() does to each; whether more was asked for there (rcu_future_gp_cleanup())."""
        node.gp_seq = gp_seq
        if not seq.cmp_ge(gp_seq, node.gp_seq_needed):
            return True
        node.gp_seq_needed = gp_seq
        return False

    # -- CPUs that come and go ---------------------------------------------------------------------------------------

    def is_online(self, cpu_id: int) -> bool:
        """rcu_rdp_cpu_online(): its bit in qsmaskinitnext."""
        return cpu_id not in self.mynode(cpu_id).offline_next

    def comes(self, leaf: RcuNode, cpu: Cpu) -> None:
        """The CPU's bit in qsmaskinitnext is set."""
        self._written()
        leaf.offline_next.discard(cpu.cpu_id)

    def goes(self, leaf: RcuNode, cpu: Cpu) -> None:
        """It is cleared."""
        self._written()
        leaf.offline_next.add(cpu.cpu_id)

    # -- quiescent states --------------------------------------------------------------------------------------------

    def _written(self) -> None:
        if self._access.on:
            self._access(self.root, Access.WRITE)

    def _report_up(self, node: RcuNode) -> bool:
        """rcu_report_qs_rnp(): from a node that waits for nobody any more to those above. Whether that was the last."""
        while node.quiescent():
            parent = node.parent
            if parent is None:
                return not self.untouched
            if parent.kids.pop(node.grpnum, None) is None:
                return False
            node = parent
        return False

    def found_quiescent(self, leaf: RcuNode, cpu_id: int) -> None:
        """The same of a CPU that a scan has found so."""
        del leaf.qsmask[cpu_id]
        self._report_up(leaf)

    def report_qs(self, leaf: RcuNode, cpu: Cpu) -> None:
        """rcu_report_qs_rdp(), rcu_report_qs_rnp(): a CPU has passed through a quiescent state."""
        self._written()
        if leaf.qsmask.pop(cpu.cpu_id, None) is not None and self._report_up(leaf):
            self.wake_gp_kthread(cpu)

    def ctxt_queue(self, leaf: RcuNode, cpu: Cpu, thread: Thread) -> None:
        """rcu_preempt_ctxt_queue(): a reader is switched out. The grace period waits for it if it does for its CPU."""
        self._written()
        order = thread.strand.order
        self._blocked_node[order] = leaf
        leaf.blkd_tasks[order] = thread
        if cpu.cpu_id in leaf.qsmask:
            leaf.gp_tasks[order] = thread

    def blocked_node(self, thread: Thread) -> RcuNode | None:
        """->rcu_blocked_node: the leaf on which it was switched out in a reader that is not over."""
        return self._blocked_node.get(thread.strand.order)

    def unblock(self, cpu: Cpu, thread: Thread) -> None:
        """The end of rcu_preempt_deferred_qs_irqrestore(), rcu_report_unblock_qs_rnp().

        It is taken off the leaf on which it was switched out (rcu_blocked_node), wherever it runs now.
        """
        self._written()
        order = thread.strand.order
        leaf = self._blocked_node.pop(order, None)
        if leaf is None:
            return
        del leaf.blkd_tasks[order]
        if leaf.gp_tasks.pop(order, None) is not None and self._report_up(leaf):
            self.wake_gp_kthread(cpu)
