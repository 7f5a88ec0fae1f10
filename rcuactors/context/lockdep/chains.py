"""Chains of held locks, each of which is validated once: the kernel's chain cache (kernel/locking/lockdep.c).

Every chain seen is a node of a tree. The key of a step is the lock's class and the way in which it was taken, so that
walking along a known chain is a dictionary look-up a lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from .. import preempt
from ..context import Context
from ..locks import LockClass

if TYPE_CHECKING:
    from ..held import HeldLock

IRQS_OFF: Final = 1
BH_OFF: Final = 2
IN_SOFTIRQ: Final = 4
IN_HARDIRQ: Final = 8
THREADABLE: Final = 16
TRYLOCK: Final = 32
READ_SHIFT: Final = 6
NESTED: Final = 256
IN_NMI: Final = 512
CODES: Final = 1024
IRQ_CONTEXT: Final = IN_SOFTIRQ | IN_HARDIRQ | IN_NMI


def task_irq_context(code: int) -> int:
    """task_irq_context(): in which kind of interrupt, if in any."""
    return code & IRQ_CONTEXT


@attrs.define(eq=False)
class ChainNode:
    """One chain, by its last lock. `code` is the way in which that one was taken.

    `limit` is the strictest wait number of the chain in this irq context; `overridden` says that a wait-override map
    has set it, whatever the context allows.
    """

    lock_class: LockClass
    code: int
    limit: int
    overridden: bool
    site: str
    last: HeldLock | None = None
    """The record of the last time that it was gone through."""
    children: dict[int, ChainNode] = attrs.field(factory=dict)
    marked: int = 0
    """In which states all locks of the chain were seen to be held with such interrupts on (mark_held_locks())."""

    irq_context: int = attrs.field(init=False)
    """Chains do not reach from one into another."""
    read: int = attrs.field(init=False)
    """WRITE, READ or RECURSIVE_READ."""
    trylock: bool = attrs.field(init=False)
    """It was not waited for."""

    def __attrs_post_init__(self) -> None:
        # All in the code, but each is asked for several times when a chain is judged.
        self.irq_context = task_irq_context(self.code)
        self.read = self.code >> READ_SHIFT & 3
        self.trylock = bool(self.code & TRYLOCK)


def context_code(ctx: Context) -> int:
    """The context of an acquisition as a small number.

    A PREEMPT_RT thread that serves softirqs is no softirq context to lockdep (include/linux/irqflags.h,
    lockdep_softirq_enter()), it only has them disabled.
    """
    count = ctx.preempt_count | ctx.irqs_forgotten
    code = IRQS_OFF if ctx.irqs_disabled else 0
    if count < preempt.SOFTIRQ_OFFSET:
        return code | BH_OFF if ctx.softirq_disable_cnt else code
    if preempt.in_serving_softirq(count):
        code |= IN_SOFTIRQ
    elif count & preempt.SOFTIRQ_MASK or ctx.softirq_disable_cnt:
        code |= BH_OFF
    if count & preempt.HARDIRQ_MASK:
        code |= IN_HARDIRQ
        if preempt.in_nmi(count):
            if count >= preempt.BELOW_ZERO:
                # It is no handler: lockdep has books of its own.
                return code & IRQS_OFF
            code |= IN_NMI
        if ctx.hardirq_threadable or ctx.irq_config:
            code |= THREADABLE
    return code
