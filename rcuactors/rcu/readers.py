"""Read-side sections and quiescent states (kernel/rcu/tree_plugin.h).

Preemptible RCU counts nesting in the task and waits for tasks that were switched out inside; without
CONFIG_PREEMPTION a section is a region with preemption off, and any context switch is a quiescent state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ..context import preempt
from ..context.trace import caller_site
from ..context.waittype import WaitType
from .messages import QuiescentStateReported, ReaderBlocked, ReaderExited

if TYPE_CHECKING:
    from ..context.locks import Lock
    from ..kernel.cpu import Cpu
    from ..kernel.system import System
    from ..kernel.thread import Thread
    from .gp import GracePeriodMachine
    from .oracle import Oracle, Reader


@attrs.define(eq=False)
class ReadSide:
    """rcu_read_lock() and its kin, for all CPUs. `qs_needed` maps a CPU to the grace period that waits for it."""

    system: System
    machine: GracePeriodMachine
    oracle: Oracle
    qs_needed: dict[int, int] = attrs.field(factory=dict)
    _sections: dict[int, list[Reader]] = attrs.field(factory=dict)
    _map: Lock = attrs.field(init=False)
    _preemptible: bool = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._map = self.system.lock_factory.make_map("rcu_read_lock", inner=WaitType.CONFIG, outer=WaitType.FREE)
        self._preemptible = self.system.config.preemptible_kernel
        self.system.hooks.on_switch.append(self.note_context_switch)
        self.system.hooks.on_tick.append(self._tick)
        self.system.hooks.on_idle.append(self.report)
        if not self._preemptible:
            self.system.hooks.on_cond_resched.append(self.report)

    def rcu_read_lock(self, cpu: Cpu) -> None:
        """Enter a read-side section; never waits."""
        ctx, system = cpu.ctx, self.system
        ctx.rcu_nesting += 1
        if not self._preemptible:
            ctx.preempt_count += system.locks.preempt_offset
        cpu.clock += system.costs.rcu_read_ns
        site = caller_site()
        if system.lockdep.on:
            system.lockdep.acquire(cpu, self._map, site=site)
        self._sections.setdefault(cpu.current.pid or -1 - cpu.cpu_id, []).append(
            self.oracle.reader_enters(str(cpu.current), site)
        )

    def rcu_read_unlock(self, cpu: Cpu) -> None:
        """Leave the innermost section.

        The end of the outermost one may be the quiescent state that a grace period waits for.
        """
        ctx, system = cpu.ctx, self.system
        key = cpu.current.pid or -1 - cpu.cpu_id
        sections = self._sections.get(key)
        if not sections:
            raise RuntimeError("rcu_read_unlock() without rcu_read_lock()")
        self.oracle.reader_leaves(sections.pop())
        if not sections:
            del self._sections[key]
        if system.lockdep.on:
            system.lockdep.release(cpu, self._map)
        cpu.clock += system.costs.rcu_read_ns
        ctx.rcu_nesting -= 1
        if not self._preemptible:
            ctx.preempt_count -= system.locks.preempt_offset
        if ctx.rcu_nesting or not self._preemptible:
            return
        thread = cpu.current
        if thread.rcu_blocked:
            thread.rcu_blocked = False
            system.conductor.post(self.machine, ReaderExited(sender=cpu.name, time_ns=cpu.clock, thread=thread))
        # With interrupts or preemption off the section does not end for RCU yet (rcu_read_unlock_special()).
        if cpu.cpu_id in self.qs_needed and not ctx.preempt_count and not ctx.irqs_disabled:
            self.report(cpu)

    def current_section(self, cpu: Cpu) -> Reader | None:
        """The innermost open section of what runs on the CPU now."""
        sections = self._sections.get(cpu.current.pid or -1 - cpu.cpu_id)
        return sections[-1] if sections else None

    def report(self, cpu: Cpu) -> None:
        """rcu_report_qs_rdp(): the CPU has passed through a quiescent state."""
        seq = self.qs_needed.pop(cpu.cpu_id, None)
        if seq is not None:
            message = QuiescentStateReported(sender=cpu.name, time_ns=cpu.clock, cpu=cpu, seq=seq)
            self.system.conductor.post(self.machine, message)

    def note_context_switch(self, cpu: Cpu, thread: Thread, _preempted: bool) -> None:
        """rcu_note_context_switch(): who is switched out in a reader is waited for by name; the CPU is quiescent."""
        if self._preemptible and thread.ctx.rcu_nesting and not thread.rcu_blocked:
            thread.rcu_blocked = True
            message = ReaderBlocked(sender=cpu.name, time_ns=cpu.clock, cpu=cpu, thread=thread)
            self.system.conductor.post(self.machine, message)
        self.report(cpu)

    def _tick(self, cpu: Cpu) -> None:
        """rcu_flavor_sched_clock_irq().

        A tick that interrupted no reader and no region with preemption or bottom halves off is a quiescent state.
        """
        if cpu.cpu_id not in self.qs_needed:
            return
        # One level of hardirq is the tick's own; an idle thread that serves a softirq below it is not idle.
        if cpu.ctx.preempt_count & ~preempt.NMI_MASK != preempt.HARDIRQ_OFFSET:
            return
        if cpu.idle or (self._preemptible and not cpu.ctx.rcu_nesting):
            self.report(cpu)
