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
    from .exp_nodes import ExpeditedNode
    from .gp import GracePeriodMachine
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
    node: ExpeditedNode
    _on_hopeless: Callable[[], None]
    _told_of: int = -1

    def report(self, cpu: Cpu, waited: int) -> None:
        """synchronize_rcu_expedited_stall(): it has lasted for so many jiffies, and is not over."""
        machine, node = self.machine, self.node
        tasks = "".join(f" P{thread.pid}" for thread in node.exp_tasks.values())
        cpus = "".join(f" {number}-...{self._deferred(number)}" for number in node.expmask)
        mask = sum(1 << number for number in node.expmask)
        sequence, root = machine.expedited_sequence, f"{mask:#x}/{'T' if node.exp_tasks else '.'}"
        head = f"rcu: INFO: {machine.name} detected expedited stalls on CPUs/tasks: {{{tasks}{cpus} }}"
        lines = [f"{head} {waited} jiffies s: {sequence} root: {root}"]
        lines.append("rcu: blocking rcu_node structures (internal RCU debug):")
        for target in node.expmask.values():
            trace = call_trace() if target is cpu else suspended_trace(target.current.strand.coroutine)
            lines += [f"NMI backtrace for cpu {target.cpu_id}", *splat.stack(cpu.judge.scene(target), trace)]
        title = f"rcu: INFO: {machine.name} detected expedited stalls on CPUs/tasks:"
        cpu.judge.report(cpu, ViolationKind.RCU_STALL, title, "\n".join(lines))
        if self._told_of == sequence:
            self._on_hopeless()
        self._told_of = sequence

    def _deferred(self, number: int) -> str:
        """That the CPU owes its answer (`cpu_no_qs.b.exp`)."""
        return "D" if self.machine.data[number].exp_no_qs else "."
