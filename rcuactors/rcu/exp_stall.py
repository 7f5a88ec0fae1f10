"""Expedited grace periods that do not end (kernel/rcu/tree_exp.h, synchronize_rcu_expedited_stall()).

Who drives one wakes up when it has waited for too long, and says which CPUs and readers it waits for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from ..context import splat
from ..context.trace import call_trace, suspended_trace
from ..context.violation import ViolationKind
from .gp_times import stall_timeout_jiffies

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kernel.system import System
    from .gp import GracePeriodMachine
    from .nodes import RcuNode
    from .rules import RcuRules


def exp_stall_timeout(system: System, rules: RcuRules) -> int:
    """rcu_exp_jiffies_till_stall_check(), in jiffies: at most 21 s, and a quarter more under PROVE_RCU.

    Before it was there, rcu_jiffies_till_stall_check() (kernel/rcu/tree_stall.h).
    """
    timeout = stall_timeout_jiffies(system)
    if not rules.exp_stall_timeout:
        return timeout
    config = system.config
    timeout = max(2, min(timeout, 21 * config.HZ))
    return timeout + (timeout * 25 // 100 + 1 if config.lockdep else 0)


@attrs.define(eq=False)
class ExpeditedStalls:
    """What tells of them. `on_hopeless` is called for one that was told before and is still there."""

    machine: GracePeriodMachine
    _on_hopeless: Callable[[], None]
    _told_of: int = -1

    def report(self, cpu: Cpu, waited: int) -> None:
        """synchronize_rcu_expedited_stall(): it has lasted for so many jiffies, and is not over."""
        machine, leaves = self.machine, self.machine.tree.leaves()
        missing = [target for leaf in leaves for target in leaf.exp.expmask.values()]
        listed = "".join(self._of_leaf(leaf) for leaf in leaves)
        sequence, root = machine.expedited_sequence, machine.root
        head = f"rcu: INFO: {machine.name} detected expedited stalls on CPUs/tasks: {{{listed} }}"
        lines = [f"{head} {waited} jiffies s: {sequence} root: {_state(root)}"]
        below = (node for node in machine.tree.breadth_first() if node is not root and not node.exp.done())
        nodes = "".join(f" l={node.level}:{node.grplo}-{node.grphi}:{_state(node)}" for node in below)
        lines.append(f"rcu: blocking rcu_node structures (internal RCU debug):{nodes}")
        for target in missing:
            trace = call_trace() if target is cpu else suspended_trace(target.current.strand.coroutine)
            lines += [f"NMI backtrace for cpu {target.cpu_id}", *splat.stack(cpu.judge.scene(target), trace)]
        title = f"rcu: INFO: {machine.name} detected expedited stalls on CPUs/tasks:"
        cpu.judge.report(cpu, ViolationKind.RCU_STALL, title, "\n".join(lines))
        if self._told_of == sequence:
            self._on_hopeless()
        self._told_of = sequence

    def _of_leaf(self, leaf: RcuNode) -> str:
        tasks = "".join(f" P{thread.pid}" for thread in leaf.exp.exp_tasks.values())
        return tasks + "".join(f" {number}-{self._flags(cpu)}" for number, cpu in leaf.exp.expmask.items())

    def _flags(self, cpu: Cpu) -> str:
        """That it is offline, and that it owes its answer (`cpu_no_qs.b.exp`); two that have been online since boot."""
        return f"{'.' if cpu.online else 'O'}..{'D' if self.machine.data[cpu.cpu_id].exp_no_qs else '.'}"


def _state(node: RcuNode) -> str:
    """->expmask, and whether there are ->exp_tasks."""
    bits = [number - node.grplo for number in node.exp.expmask] or list(node.exp.kids)
    return f"{sum(1 << bit for bit in bits):#x}/{'T' if node.exp.exp_tasks else '.'}"
