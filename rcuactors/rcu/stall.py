"""Grace periods that do not end (kernel/rcu/tree_stall.h): check_cpu_stall() and what it prints.

Each tick looks. A CPU that is itself waited for says so of itself, print_cpu_stall(); two jiffies later any other CPU
says whom all are waiting for, print_other_cpu_stall(). The next report of the same stall comes after three times as
long.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import attrs

from ..context import splat
from ..context.trace import call_trace, suspended_trace
from ..context.violation import ViolationKind
from ..kernel.show_task import sched_show_task
from ..kernel.thread import NEED_QS
from ..marks import machinery
from .gp_times import stall_timeout_jiffies

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kernel.system import System
    from ..kernel.thread import Thread
    from .gp import GracePeriodMachine
    from .rules import RcuRules

_RAT_DELAY: Final = 2
"""RCU_STALL_RAT_DELAY: jiffies that a CPU has to tell on itself."""


@attrs.frozen(kw_only=True)
class StallStatistics:
    """Stalls.

    * `reports` (reports): of the present grace period, that it does not end.
    """

    reports: int


@attrs.define(eq=False)
class StallDetector:
    """Looks at each tick. `on_hopeless` is called for a stall that was told before and is still there."""

    system: System
    machine: GracePeriodMachine
    rules: RcuRules
    on_hopeless: Callable[[], None]
    _about: int = 0
    _due: int = 0
    _reports: int = 0

    def statistics(self) -> StallStatistics:
        """Its figures, as they are now."""
        return StallStatistics(reports=self._reports)

    @machinery
    def check_cpu_stall(self, cpu: Cpu) -> None:
        """check_cpu_stall()."""
        machine = self.machine
        if not machine.in_progress:
            return
        now, timeout = machine.jiffies(cpu.clock), stall_timeout_jiffies(self.system)
        if self._about != machine.gp_seq:
            self._about, self._due, self._reports = machine.gp_seq, machine.gp_start + timeout, 0
        if now < self._due:
            return
        itself = cpu.cpu_id in machine.data[cpu.cpu_id].mynode.qsmask
        if not itself and now < self._due + _RAT_DELAY:
            return
        self._due = now + 3 * timeout + 3
        self._reports += 1
        self._report(cpu, now - machine.gp_start, itself=itself)
        if self._reports > 1:
            self.on_hopeless()

    def _report(self, cpu: Cpu, waited: int, *, itself: bool) -> None:
        name, queued = self.machine.name, self.machine.data.total_cbs()
        online = f" ncpus={len(self.system.masks.online())}" if self.rules.stall_names_online_cpus else ""
        gp_seq = self.machine.gp_seq
        if itself:
            title = f"rcu: INFO: {name} self-detected stall on CPU"
            lines = [self._cpu_line(cpu), f"\t(t={waited} jiffies g={gp_seq} q={queued}{online})"]
            lines += cpu.judge.stack(cpu, call_trace())
        else:
            title = f"rcu: INFO: {name} detected stalls on CPUs/tasks:"
            lines = [self._cpu_line(waited_for) for waited_for in self.machine.tree.waited_for()]
            lines += self._task_lines()
            by = f"detected by {cpu.cpu_id}, t={waited} jiffies, g={gp_seq}, q={queued}"
            lines += [f"\t({by}{online})", *self._stacks(cpu)]
            cpu.resched_curr()
        cpu.judge.report(cpu, ViolationKind.RCU_STALL, title, "\n".join([title, *lines]))

    def _cpu_line(self, cpu: Cpu) -> str:
        """print_cpu_stall_info()."""
        machine, rdp = self.machine, self.machine.data[cpu.cpu_id]
        behind = machine.gp_seq - rdp.gp_seq >> 2
        since = f"{behind} GPs behind" if behind else f"{rdp.ticks_this_gp} ticks this GP"
        nesting = "0/0x0" if cpu.idle else "1/0x4000000000000000"
        scans = machine.n_force_qs - machine.n_force_qs_gpstart
        return (
            f"rcu: \t{cpu.cpu_id}-....: ({since}) idle={2 * rdp.idle_entries & 0xFFFF:04x}/{nesting} "
            f"softirq={rdp.softirq_snap}/{rdp.softirqs} fqs={scans}"
        )

    def _task_lines(self) -> list[str]:
        """rcu_print_task_stall(), of each leaf: of who runs just the number (check_slow_task())."""
        return [
            f"rcu: \tTasks blocked on level-{leaf.level} rcu_node (CPUs {leaf.grplo}-{leaf.grphi}):"
            f"{''.join(_task_text(thread) for thread in leaf.gp_tasks.values())}"
            for leaf in self.machine.tree.leaves()
            if leaf.gp_tasks
        ]

    def _stacks(self, cpu: Cpu) -> list[str]:
        """rcu_dump_cpu_stacks(), rcu_print_detail_task_stall_rnp()."""
        lines: list[str] = []
        for target in self.machine.tree.waited_for():
            trace = suspended_trace(target.current.strand.coroutine)
            lines += [f"NMI backtrace for cpu {target.cpu_id}", *splat.stack(cpu.judge.scene(target), trace)]
        for thread in self.machine.tree.readers_waited_for():
            trace = call_trace() if thread is cpu.current else suspended_trace(thread.strand.coroutine)
            lines += [sched_show_task(thread)[0], "Call Trace:", *(f" {line}" for line in trace)]
        return lines


def _task_text(thread: Thread) -> str:
    if thread.cpu.current is thread:
        return f" P{thread.pid}"
    need_qs = "q" if thread.rcu_need_qs & NEED_QS else "."
    return f" P{thread.pid}/{thread.ctx.rcu_nesting}:{'b' if thread.rcu_blocked else '.'}{need_qs}.l"
