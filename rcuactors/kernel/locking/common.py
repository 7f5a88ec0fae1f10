"""What the operations on all types of locks share.

Taking and letting go are points at which other CPUs may act. An operation that may sleep takes the thread, since it may
end on another CPU; one that spins takes the CPU, and so does letting go of what has pinned its holder.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from ...context import preempt
from ...context.trace import call_trace
from ...context.violation import ORACLE, ViolationKind
from .. import balance
from . import contention, poison

if TYPE_CHECKING:
    from ...context.judge import Judge
    from ...context.lockdep.validator import Lockdep
    from ...context.locks import Lock
    from ...engine.probe import Group
    from ..cpu import Cpu
    from ..probes import Since
    from ..thread import Thread


def _no_rcu(_cpu: Cpu) -> None:
    """A machine without RCU."""


@attrs.frozen(kw_only=True)
class LockStatistics:
    """How often somebody had to wait for a lock (contentions, as /proc/lock_stat has them).

    * `spun` (times): a CPU spun until the lock was handed over, or until there was a reason to sleep.
    * `slept` (times): a thread slept until the lock was handed over.
    """

    spun: int
    slept: int


@attrs.define(eq=False, kw_only=True)
class LockOperations:
    """For one kernel: `rt` decides what a spinlock_t is.

    `preempt_offset` is 0 in a kernel without PREEMPT_COUNT. Every operation that takes a lock costs `uncontended_ns`,
    beside the time waited. `rcu_enter` and `rcu_leave` are the RCU floor's (`readers_are_told()`). While `told.on` or
    `told_preemption.on`, somebody listens, and `since` tells him. `rt_section_ends_last`: KernelRules has it.
    """

    rt: bool
    preempt_offset: int
    lockdep: Lockdep
    judge: Judge
    uncontended_ns: int
    since: Since
    rt_section_ends_last: bool = False
    told: Group = attrs.field(init=False)
    told_preemption: Group = attrs.field(init=False)
    rcu_enter: Callable[[Cpu], None] = _no_rcu
    rcu_leave: Callable[[Cpu], None] = _no_rcu
    spun: int = 0
    slept: int = 0

    def __attrs_post_init__(self) -> None:
        told = self.since.told
        self.told, self.told_preemption = told.locks, told.preemption

    def statistics(self) -> LockStatistics:
        """Their figures, as they are now."""
        return LockStatistics(spun=self.spun, slept=self.slept)

    def readers_are_told(self, enter: Callable[[Cpu], None], leave: Callable[[Cpu], None]) -> None:
        """What enters and leaves the read-side section that a lock of PREEMPT_RT is."""
        self.rcu_enter, self.rcu_leave = enter, leave

    @staticmethod
    def _pass_on(cpu: Cpu, lock: Lock) -> None:
        if lock.waiters:
            for following in lock.pass_on():
                contention.hand(cpu, following)
        else:
            lock.owner = None

    def allow_preemption(self, cpu: Cpu) -> None:
        """preempt_enable_no_resched(), also after the unlock of a lock that was never taken."""
        ctx = cpu.ctx
        if ctx.preempt_count & preempt.PREEMPT_MASK:
            ctx.preempt_count -= self.preempt_offset
            if ctx.reader is not None:
                cpu.hooks.may_end_reader(cpu)
            if self.told_preemption.on and not ctx.preempt_count:
                self.since.preemption_on(cpu)
        elif self.preempt_offset:
            balance.report_underflow(cpu)

    def _touch(self, cpu: Cpu, lock: Lock) -> None:
        """The lock is used: if it lies in an object, that must not be free."""
        if lock.inside is not None:
            self.judge.used(cpu, lock.inside, lock.name)

    def _touch_unlocking(self, cpu: Cpu, lock: Lock) -> None:
        """The lock is let go of, which writes where it lies."""
        if lock.inside is not None:
            self.judge.used(cpu, lock.inside, lock.name)
            poison.written(cpu, lock.inside)

    def _not_held_so(self, cpu: Cpu, lock: Lock) -> None:
        """A lock is let go in a way in which nobody has it. Lockdep tells of one that is not held at all.

        That it is held in the other way, shared or not, lockdep does not look at; the lock's word is broken then.
        """
        other = "shared" if lock.readers else "exclusively"
        if lock.owner is cpu.current or cpu.current in lock.readers:
            title = f"BUG: bad unlock: {lock.name} is held {other}, and let go as if it were not"
            text = "\n".join([title, *self.judge.stack(cpu, call_trace())])
            self.judge.report(cpu, ViolationKind.BAD_UNLOCK, title, text, ORACLE)

    def _pin(self, thread: Thread) -> Cpu:
        """What an rt spinlock's holder has besides: no migration, a read-side section."""
        cpu = thread.migrate_disable()
        self.rcu_enter(cpu)
        return cpu

    def _unpin(self, cpu: Cpu) -> None:
        cpu.migrate_enable()
        self.rcu_leave(cpu)
