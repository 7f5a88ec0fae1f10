"""Read-side sections (include/linux/rcupdate.h, kernel/rcu/tree_plugin.h).

rcu_read_lock() and rcu_read_unlock(), and the forms with bottom halves or preemption off; what lockdep knows of them.

Preemptible RCU counts nesting in the task and waits for tasks that were switched out inside; without
CONFIG_PREEMPTION a section is a region with preemption off, and any context switch is a quiescent state. Regions with
bottom halves or preemption off are readers, too; rcu_read_lock_bh() and rcu_read_lock_sched() say so to lockdep. When
a section has ended for RCU is decided in quiescent.py, when a reader is over for the oracle in book.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from ..context import preempt, splat
from ..context.locks import RECURSIVE_READ, MapSpec
from ..context.trace import call_trace, caller_site, suspended_trace
from ..context.violation import ORACLE, ViolationKind
from ..context.waittype import WaitType
from ..kernel.thread import ThreadState
from ..marks import inline, machinery

if TYPE_CHECKING:
    from ..context.locks import Lock
    from ..kernel.cpu import Cpu
    from ..kernel.system import System
    from ..kernel.thread import Thread
    from .book import ReaderBook
    from .quiescent import QuiescentStates


RCU_MAP: Final = MapSpec("rcu_read_lock", WaitType.CONFIG, WaitType.FREE)
RCU_BH_MAP: Final = MapSpec("rcu_read_lock_bh", WaitType.CONFIG, WaitType.FREE)
RCU_SCHED_MAP: Final = MapSpec("rcu_read_lock_sched", WaitType.SPIN, WaitType.FREE)
"""rcu_lock_map and its kin (kernel/rcu/update.c): to enter a section is always legal, what may be done in it is not."""


@attrs.frozen(kw_only=True)
class ReadSideStatistics:
    """Read-side sections, and the quiescent states that are owed.

    * `readers` (threads): in a section of any flavour; a handler on an idle CPU counts as one.
    * `sections` (sections): open now, nested ones counted each.
    * `qs_needed` (CPUs): that know of a grace period and have not passed through a quiescent state since.
    """

    readers: int
    sections: int
    qs_needed: int


@attrs.define(eq=False)
class ReadSide:
    """rcu_read_lock() and its kin, for all CPUs."""

    system: System
    quiescent: QuiescentStates
    book: ReaderBook
    _sections: dict[int, list[Lock]] = attrs.field(factory=dict)
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
        system.hooks.on_exit.append(self.exit_rcu)
        system.hooks.hints.append(self._hint)

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
            qs_needed=sum(rdp.core_needs_qs and rdp.cpu_no_qs for rdp in self.quiescent.machine.data.values()),
        )

    # -- sections ----------------------------------------------------------------------------------------------------

    @inline
    def rcu_read_lock(self, cpu: Cpu) -> None:
        """rcu_read_lock(): enter a read-side section; never waits."""
        cpu.clock += self.system.costs.rcu_read_ns
        self._nest(cpu, named=True)

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
        self.book.leaves(cpu)
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
        self.book.leaves(cpu)
        await cpu.preempt_enable()

    def _enter_rt_lock(self, cpu: Cpu) -> None:
        """What rt_spin_lock() does once it has the lock; in its price."""
        self._nest(cpu, named=False)

    def _leave_rt_lock(self, cpu: Cpu) -> None:
        self._unnest(cpu)

    def _nest(self, cpu: Cpu, *, named: bool) -> None:
        ctx = cpu.ctx
        ctx.rcu_nesting += 1
        if not self._preemptible:
            cpu.preempt_disable(caller_site())
        self._open(cpu, self.rcu, named=named)

    def _unnest(self, cpu: Cpu) -> None:
        ctx = cpu.ctx
        ctx.rcu_nesting -= 1
        closed = self._close(cpu, self.rcu) if ctx.rcu_nesting >= 0 else self._unbalanced(cpu)
        if not self._preemptible:
            self.system.locks.allow_preemption(cpu)
        elif not ctx.rcu_nesting and (cpu.current.rcu_blocked or cpu.current.rcu_need_qs):
            self.quiescent.rcu_read_unlock_special(cpu)
        if closed:
            self.book.leaves(cpu)

    def _unbalanced(self, cpu: Cpu) -> bool:
        """The nesting is negative. Lockdep is told of the end first, or last, as the version has it."""
        if self.quiescent.rules.unlock_tells_lockdep_first:
            closed = self._close(cpu, self.rcu)
            self._underflow(cpu)
            return closed
        self._underflow(cpu)
        return self._close(cpu, self.rcu)

    def _underflow(self, cpu: Cpu) -> None:
        """__rcu_read_unlock() says so with PROVE_LOCKING.

        In a task it stays so, and whoever looks finds it: the tick, might_sleep(). Without preemption nobody counts,
        and without PROVE_LOCKING nobody says anything yet (kernel/rcu/tree_plugin.h of v6.1).
        """
        if not self._preemptible:
            cpu.ctx.rcu_nesting = 0
        elif self.system.config.lockdep:
            self.system.judge.warn_on_once(cpu, ViolationKind.BAD_UNLOCK, "rrln < 0", "__rcu_read_unlock")

    def _open(self, cpu: Cpu, flavour: Lock, *, named: bool = True) -> None:
        site = caller_site()
        if self.system.lockdep.on:
            self.system.lockdep.acquire(cpu, flavour, read=RECURSIVE_READ, site=site)
        self.book.enters(cpu, site, named=named)
        self._sections.setdefault(_key(cpu), []).append(flavour)

    def _close(self, cpu: Cpu, flavour: Lock) -> bool:
        """False when there is no such section, which is reported."""
        sections = self._sections.get(_key(cpu), [])
        index = next((at for at in reversed(range(len(sections))) if sections[at] is flavour), None)
        if index is None:
            self._report_imbalance(cpu, flavour)
            return False
        del sections[index]
        if not sections:
            del self._sections[_key(cpu)]
        if self.system.lockdep.on:
            self.system.lockdep.release(cpu, flavour)
        return True

    def _report_imbalance(self, cpu: Cpu, flavour: Lock) -> None:
        """By lockdep if it is on; a kernel without PROVE_LOCKING has nobody who would notice here."""
        judge, lockdep = self.system.judge, self.system.lockdep
        if lockdep.on:
            lockdep.release(cpu, flavour)
        elif not (lockdep.built and self._preemptible and flavour is self.rcu):
            function = flavour.name.replace("lock", "unlock")
            message = f"{function}() without {flavour.name}()"
            text = splat.warning(judge.scene(cpu), message, function, call_trace())
            judge.report(cpu, ViolationKind.BAD_UNLOCK, f"BUG: {message}", text, ORACLE)

    def exit_rcu(self, cpu: Cpu) -> None:
        """exit_rcu(): a task that ends in a reader ends the reader with it."""
        ctx = cpu.ctx
        self._sections.pop(_key(cpu), None)
        ctx.rcu_nesting = 0
        self.quiescent.deferred_qs(cpu, cpu.current)
        self.book.thread_ends(cpu)

    def note_context_switch(self, cpu: Cpu, thread: Thread, preempted: bool) -> None:
        """rcu_note_context_switch(): a reader may be preempted, but must not give up its CPU itself."""
        if not preempted:
            if self._preemptible and thread.ctx.rcu_nesting > 0:
                self._complain(cpu, thread)
            self.book.gives_up_cpu(thread)
        self.quiescent.switched(cpu, thread)

    def _complain(self, cpu: Cpu, thread: Thread) -> None:
        # A thread that waits outside the model is not on Python's stack.
        outside = thread.state is ThreadState.OUTSIDE
        trace = suspended_trace(thread.strand.coroutine) if outside else None
        complaint = self.system.judge.voluntary_switch_in_reader(cpu, thread.ctx, trace)
        if complaint is not None:
            raise complaint

    # -- what lockdep can say about them -----------------------------------------------------------------------------

    def _hint(self, cpu: Cpu) -> str:
        return "in a reader" if self._sections.get(_key(cpu)) else ""

    def in_any_section(self, cpu: Cpu) -> bool:
        """lock_is_held() of one of the three maps."""
        is_held, ctx = self.system.lockdep.is_held, cpu.ctx
        return is_held(ctx, self.rcu) or is_held(ctx, self.rcu_bh) or is_held(ctx, self.rcu_sched)

    def rcu_read_lock_held(self, cpu: Cpu) -> bool:
        """rcu_read_lock_held() (kernel/rcu/update.c): rcu_read_lock(), no other flavour and no bare region."""
        return self.system.lockdep.is_held(cpu.ctx, self.rcu)

    def rcu_read_lock_bh_held(self, cpu: Cpu) -> bool:
        """rcu_read_lock_bh_held(): bottom halves or interrupts off; in_softirq() is what PREEMPT_RT counts itself."""
        ctx = cpu.ctx
        return bool(ctx.preempt_count & preempt.SOFTIRQ_MASK) or ctx.softirq_disable_cnt > 0 or ctx.irqs_disabled

    def rcu_read_lock_sched_held(self, cpu: Cpu) -> bool:
        """rcu_read_lock_sched_held(): not preemptible, which a kernel without PREEMPT_COUNT never is."""
        ctx = cpu.ctx
        held = self.system.lockdep.is_held(ctx, self.rcu_sched)
        return held or not self.system.config.preempt_count or not ctx.preemptible()

    @machinery
    def check_dereference(self, cpu: Cpu, held: bool, function: str) -> None:
        """RCU_LOCKDEP_WARN() of rcu_dereference_check() and its kin (include/linux/rcupdate.h)."""
        if not held:
            self.system.judge.suspicious_rcu(cpu, f"suspicious {function}() usage")


def _key(cpu: Cpu) -> int:
    """Whose sections: a thread's, or those of what runs on a CPU's idle thread."""
    return cpu.current.pid or -1 - cpu.cpu_id
