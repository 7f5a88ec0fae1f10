"""A thread's execution context: preempt_count, interrupts, RCU nesting, held locks, who it is.

As in the kernel, an interrupt handler borrows the context of whoever it interrupted: it raises the hardirq field, and
lowers it on the way out. The held locks are one stack; the `irq_context` of each tells at which nesting it was taken
(kernel/locking/lockdep.c).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import attrs

from . import preempt

if TYPE_CHECKING:
    from .held import HeldLock
    from .locks import Lock


@attrs.define(eq=False, kw_only=True)
class Context:
    """What `current` and its preempt_count are on a real machine.

    State, changed in place by the CPU that runs the thread.
    """

    comm: str
    pid: int
    preempt_count: int = 0
    preempt_forgotten: int = 0
    """The preempt_count that the scheduler has wiped out, when it reported that it was called with one."""
    irqs_forgotten: int = 0
    """Of that, what lockdep goes on seeing, which has books of its own: the softirq or the interrupt that is served."""
    irqs_disabled: bool = False
    rcu_nesting: int = 0
    reader: Any = None
    """The reader that goes on, as the lifetime oracle's book has it (rcu/book.py), or None."""
    spinning_locks: int = 0
    """How many locks that turn preemption off it has, in a kernel without PREEMPT_COUNT, which does not show it."""
    migrate_disabled: int = 0
    softirq_thread: bool = False
    """PREEMPT_RT serves softirqs in this thread now: preempt_count does not show it."""
    softirq_disable_cnt: int = 0
    """How deep PREEMPT_RT has bottom halves disabled (current->softirq_disable_cnt); preempt_count does not show it."""
    hardirq_threadable: bool = False
    """The interrupt handler that runs now would be a thread under PREEMPT_RT (lockdep's hardirq_threaded)."""
    irq_config: bool = False
    """The handler is a non-hard hrtimer's or irq_work's: spinlock_t is allowed in it (lockdep_hrtimer_enter())."""
    held: list[HeldLock] = attrs.field(factory=list)
    """What lockdep knows to be held, outermost first."""
    preempt_disabled_at: str = ""
    irqs_disabled_at: str = ""

    def holds(self, lock: Lock) -> bool:
        """The lock is among those held, as far as lockdep knows."""
        return any(held.lock is lock for held in self.held)

    def preemptible(self) -> bool:
        """`preemptible()` of a kernel with PREEMPT_COUNT; without it the kernel's macro is the constant 0."""
        return not self.preempt_count and not self.irqs_disabled

    def in_atomic(self) -> bool:
        """`in_atomic()`: a preempt_count other than 0. It does not see interrupts that are off, nor RCU readers."""
        return self.preempt_count != 0

    def kind(self) -> str:
        """One word for the strongest limit: nmi, hardirq, softirq, irqs_off, preempt_off or process."""
        count = self.preempt_count
        if preempt.in_nmi(count):
            return "nmi"
        if preempt.in_hardirq(count):
            return "hardirq"
        if preempt.in_serving_softirq(count) or self.softirq_thread:
            return "softirq"
        if self.irqs_disabled:
            return "irqs_off"
        return "preempt_off" if count else "process"

    def flags(self, *, need_resched: bool = False) -> str:
        """The five context columns of ftrace: irqs, resched, context, preempt depth, migrate-disable depth."""
        return _columns(
            self.preempt_count, self.irqs_disabled, self.softirq_thread, self.migrate_disabled, need_resched
        )


@lru_cache(maxsize=4096)
def _columns(count: int, irqs_disabled: bool, softirq_thread: bool, pinned: int, need_resched: bool) -> str:
    """kernel/trace/trace_output.c; the depths stop at 15 (tracing_gen_ctx_irq_test()). All runs have the same few."""
    bh_off = bool(count & preempt.SOFTIRQ_MASK & ~preempt.SOFTIRQ_OFFSET)
    irqs = ("D" if bh_off else "d") if irqs_disabled else ("b" if bh_off else ".")
    hard, soft = preempt.in_hardirq(count), preempt.in_serving_softirq(count)
    if preempt.in_nmi(count):
        where = "Z" if hard else "z"
    elif hard:
        where = "H" if soft else "h"
    else:
        where = "s" if soft or softirq_thread else "."
    depth = count & preempt.PREEMPT_MASK
    return (
        irqs
        + ("N" if need_resched else ".")
        + where
        + (f"{min(depth, 0xF):x}" if depth else ".")
        + (f"{min(pinned, 0xF):x}" if pinned else ".")
    )
