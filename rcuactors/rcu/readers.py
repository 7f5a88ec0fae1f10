"""Read-side sections and quiescent states (kernel/rcu/tree_plugin.h).

rcu_read_lock(), rcu_read_unlock() and rcu_read_unlock_special(), rcu_note_context_switch().

Preemptible RCU counts nesting in the task and waits for tasks that were switched out inside; without
CONFIG_PREEMPTION a section is a region with preemption off, and any context switch is a quiescent state. Regions with
bottom halves or preemption off are readers, too; rcu_read_lock_bh() and rcu_read_lock_sched() say so to lockdep
(include/linux/rcupdate.h).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from ..context import preempt
from ..context.locks import RECURSIVE_READ, MapSpec
from ..context.trace import caller_site, suspended_trace
from ..context.violation import ViolationKind
from ..context.waittype import WaitType
from ..kernel.thread import ThreadState
from ..marks import inline, machinery
from .messages import QuiescentStateReported, ReaderBlocked, ReaderExited

if TYPE_CHECKING:
    from ..context.locks import Lock
    from ..kernel.cpu import Cpu
    from ..kernel.system import System
    from ..kernel.thread import Thread
    from .gp import GracePeriodMachine
    from .oracle import Oracle, Reader


RCU_MAP: Final = MapSpec("rcu_read_lock", WaitType.CONFIG, WaitType.FREE)
RCU_BH_MAP: Final = MapSpec("rcu_read_lock_bh", WaitType.CONFIG, WaitType.FREE)
RCU_SCHED_MAP: Final = MapSpec("rcu_read_lock_sched", WaitType.SPIN, WaitType.FREE)
"""rcu_lock_map and its kin (kernel/rcu/update.c): to enter a section is always legal, what may be done in it is not."""


@attrs.frozen(kw_only=True)
class ReadSideStatistics:
    """Read-side sections, and the quiescent states that are owed.

    * `readers` (threads): in a section of any flavour; a handler on an idle CPU counts as one.
    * `sections` (sections): open now, nested ones counted each.
    * `qs_needed` (CPUs): that have been asked for a quiescent state and have not passed through one.
    """

    readers: int
    sections: int
    qs_needed: int


@attrs.define(eq=False)
class ReadSide:
    """rcu_read_lock() and its kin, for all CPUs. `qs_needed` maps a CPU to the grace period that waits for it."""

    system: System
    machine: GracePeriodMachine
    oracle: Oracle
    qs_needed: dict[int, int] = attrs.field(factory=dict)
    _sections: dict[int, list[tuple[Lock, Reader]]] = attrs.field(factory=dict)
    rcu: Lock = attrs.field(init=False)
    rcu_bh: Lock = attrs.field(init=False)
    rcu_sched: Lock = attrs.field(init=False)
    _preemptible: bool = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        system = self.system
        make_map = system.lock_factory.make_map
        self.rcu, self.rcu_bh, self.rcu_sched = make_map(RCU_MAP), make_map(RCU_BH_MAP), make_map(RCU_SCHED_MAP)
        self._preemptible = system.config.preemptible_kernel
        self._forbid_sleep()
        system.locks.readers_are_told(self._enter_rt_lock, self._leave_rt_lock)
        system.hooks.on_switch.append(self.note_context_switch)
        system.hooks.on_exit.append(self._exit)
        system.hooks.hints.append(self._hint)
        system.hooks.on_tick.append(self._tick)
        system.hooks.on_idle.append(self.report)
        if not self._preemptible:
            system.hooks.on_cond_resched.append(self.report)

    def _forbid_sleep(self) -> None:
        """rcu_sleep_check(): readers of preemptible RCU may be switched out; so may RCU-bh on PREEMPT_RT."""
        judge = self.system.judge
        if not self._preemptible:
            judge.never_sleep_in(self.rcu, "RCU")
        if not self.system.config.PREEMPT_RT:
            judge.never_sleep_in(self.rcu_bh, "RCU-bh")
        judge.never_sleep_in(self.rcu_sched, "RCU-sched")

    def statistics(self) -> ReadSideStatistics:
        """Its figures, as they are now."""
        return ReadSideStatistics(
            readers=len(self._sections),
            sections=sum(len(sections) for sections in self._sections.values()),
            qs_needed=len(self.qs_needed),
        )

    # -- sections ----------------------------------------------------------------------------------------------------

    @inline
    def rcu_read_lock(self, cpu: Cpu) -> None:
        """rcu_read_lock(): enter a read-side section; never waits."""
        cpu.clock += self.system.costs.rcu_read_ns
        self._nest(cpu)

    @inline
    def rcu_read_unlock(self, cpu: Cpu) -> None:
        """rcu_read_unlock(): leave the innermost section.

        The end of the outermost one may be the quiescent state that a grace period waits for.
        """
        cpu.clock += self.system.costs.rcu_read_ns
        self._unnest(cpu)

    @inline
    async def rcu_read_lock_bh(self, thread: Thread) -> None:
        """rcu_read_lock_bh(): bottom halves off, which is a read-side section to every flavour."""
        cpu = await self.system.softirqs.local_bh_disable(thread)
        self._open(cpu, self.rcu_bh)

    @inline
    async def rcu_read_unlock_bh(self, cpu: Cpu) -> None:
        """rcu_read_unlock_bh()."""
        self._close(cpu, self.rcu_bh)
        await self.system.softirqs.local_bh_enable(cpu)

    @inline
    def rcu_read_lock_sched(self, cpu: Cpu) -> None:
        """rcu_read_lock_sched(): preemption off."""
        cpu.preempt_disable(caller_site())
        self._open(cpu, self.rcu_sched)

    @inline
    async def rcu_read_unlock_sched(self, cpu: Cpu) -> None:
        """rcu_read_unlock_sched()."""
        self._close(cpu, self.rcu_sched)
        await cpu.preempt_enable()

    def _enter_rt_lock(self, cpu: Cpu) -> None:
        """What rt_spin_lock() does once it has the lock; in its price."""
        self._nest(cpu)

    def _leave_rt_lock(self, cpu: Cpu) -> None:
        self._unnest(cpu)

    def _nest(self, cpu: Cpu) -> None:
        ctx = cpu.ctx
        ctx.rcu_nesting += 1
        if not self._preemptible:
            cpu.preempt_disable(caller_site())
        self._open(cpu, self.rcu)

    def _unnest(self, cpu: Cpu) -> None:
        ctx = cpu.ctx
        if not self._close(cpu, self.rcu):
            return
        ctx.rcu_nesting -= 1
        if not self._preemptible:
            self.system.locks.allow_preemption(cpu)
        elif not ctx.rcu_nesting:
            self._outermost_ended(cpu)

    def _outermost_ended(self, cpu: Cpu) -> None:
        """rcu_read_unlock_special()."""
        ctx, thread = cpu.ctx, cpu.current
        if thread.rcu_blocked:
            thread.rcu_blocked = False
            message = ReaderExited(sender=cpu.name, time_ns=cpu.clock, thread=thread)
            self.system.conductor.post(self.machine, message)
        # With interrupts or preemption off the section does not end for RCU yet.
        if cpu.cpu_id in self.qs_needed and not ctx.preempt_count and not ctx.irqs_disabled:
            self.report(cpu)

    def _open(self, cpu: Cpu, flavour: Lock) -> None:
        site = caller_site()
        if self.system.lockdep.on:
            self.system.lockdep.acquire(cpu, flavour, read=RECURSIVE_READ, site=site)
        reader = self.oracle.reader_enters(str(cpu.current), site)
        self._sections.setdefault(_key(cpu), []).append((flavour, reader))

    def _close(self, cpu: Cpu, flavour: Lock) -> bool:
        """False when there is no such section, which is reported."""
        sections = self._sections.get(_key(cpu), [])
        index = next((at for at in reversed(range(len(sections))) if sections[at][0] is flavour), None)
        if index is None:
            self._report_imbalance(cpu, flavour)
            return False
        self.oracle.reader_leaves(sections.pop(index)[1])
        if not sections:
            del self._sections[_key(cpu)]
        if self.system.lockdep.on:
            self.system.lockdep.release(cpu, flavour)
        return True

    def _report_imbalance(self, cpu: Cpu, flavour: Lock) -> None:
        """By lockdep if it is on, else by the WARN_ON_ONCE() of __rcu_read_unlock()."""
        if self.system.lockdep.on:
            self.system.lockdep.release(cpu, flavour)
            return
        function = flavour.name.replace("lock", "unlock")
        message = f"{function}() without {flavour.name}()"
        self.system.judge.warn(cpu, ViolationKind.BAD_UNLOCK, message, "__rcu_read_unlock")

    def current_section(self, cpu: Cpu) -> Reader | None:
        """The innermost open section of what runs on the CPU now."""
        sections = self._sections.get(_key(cpu))
        return sections[-1][1] if sections else None

    def _exit(self, cpu: Cpu) -> None:
        """exit_rcu(): a task that ends in a reader ends the reader with it."""
        for _, reader in self._sections.pop(_key(cpu), []):
            self.oracle.reader_leaves(reader)
        cpu.ctx.rcu_nesting = 0
        self._outermost_ended(cpu)

    # -- what lockdep can say about them -----------------------------------------------------------------------------

    def _hint(self, cpu: Cpu) -> str:
        return "in a reader" if self._sections.get(_key(cpu)) else ""

    def in_any_section(self, cpu: Cpu) -> bool:
        """lock_is_held() of one of the three maps."""
        is_held, ctx = self.system.lockdep.is_held, cpu.ctx
        return is_held(ctx, self.rcu) or is_held(ctx, self.rcu_bh) or is_held(ctx, self.rcu_sched)

    @machinery
    def check_dereference(self, cpu: Cpu) -> None:
        """rcu_dereference_check(): rcu_read_lock() is what it has to be under, no other flavour."""
        if not self.system.lockdep.is_held(cpu.ctx, self.rcu):
            self.system.judge.suspicious_rcu(cpu, "suspicious rcu_dereference_check() usage")

    # -- quiescent states --------------------------------------------------------------------------------------------

    @machinery
    def report(self, cpu: Cpu) -> None:
        """rcu_report_qs_rdp(): the CPU has passed through a quiescent state."""
        seq = self.qs_needed.pop(cpu.cpu_id, None)
        if seq is not None:
            message = QuiescentStateReported(sender=cpu.name, time_ns=cpu.clock, cpu=cpu, seq=seq)
            self.system.conductor.post(self.machine, message)

    def note_context_switch(self, cpu: Cpu, thread: Thread, preempted: bool) -> None:
        """rcu_note_context_switch(): who is switched out in a reader is waited for by name; the CPU is quiescent.

        A reader of preemptible RCU may be preempted, but must not give up its CPU itself.
        """
        if self._preemptible and thread.ctx.rcu_nesting:
            if not preempted:
                self._complain(cpu, thread)
            if not thread.rcu_blocked:
                thread.rcu_blocked = True
                message = ReaderBlocked(sender=cpu.name, time_ns=cpu.clock, cpu=cpu, thread=thread)
                self.system.conductor.post(self.machine, message)
        self.report(cpu)

    def _complain(self, cpu: Cpu, thread: Thread) -> None:
        # A thread that waits outside the model is not on Python's stack.
        outside = thread.state is ThreadState.OUTSIDE
        trace = suspended_trace(thread.strand.coroutine) if outside else None
        complaint = self.system.judge.voluntary_switch_in_reader(cpu, thread.ctx, trace)
        if complaint is not None:
            raise complaint

    def _tick(self, cpu: Cpu) -> None:
        """rcu_sched_clock_irq(), rcu_flavor_sched_clock_irq().

        A tick that interrupted no reader and no region with preemption or bottom halves off is a quiescent state. A
        CPU that the grace period has waited for too long is to call the scheduler.
        """
        # One level of hardirq is the tick's own; an idle thread that serves a softirq below it is not idle.
        before = cpu.ctx.preempt_count - preempt.HARDIRQ_OFFSET & ~preempt.NMI_MASK
        interrupted_plain = before == (self.system.locks.preempt_offset if cpu.idle else 0)
        if cpu.cpu_id in self.machine.urgent:
            self.machine.urgent.discard(cpu.cpu_id)
            if not (cpu.idle and interrupted_plain):
                cpu.resched_curr()
        if cpu.cpu_id not in self.qs_needed or not interrupted_plain:
            return
        if cpu.idle or (self._preemptible and not cpu.ctx.rcu_nesting):
            self.report(cpu)


def _key(cpu: Cpu) -> int:
    """Whose sections: a thread's, or those of what runs on a CPU's idle thread."""
    return cpu.current.pid or -1 - cpu.cpu_id
