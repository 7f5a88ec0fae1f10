"""Stacks: which one the running code is on, and what lies among a function's variables.

A thread has its own; interrupts have one of their CPU's, and so have the softirqs that are served behind them, or
behind local_bh_enable() (arch/x86/kernel/irq_64.c, do_softirq_own_stack()). ksoftirqd serves them on its own stack, and
on PREEMPT_RT so does everybody. object_is_on_stack() (include/linux/sched/task_stack.h) asks of the running thread's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from ..context import preempt
from ..context.memory import FREED, LIVE

if TYPE_CHECKING:
    from .cpu import Cpu
    from .thread import Thread


def on_task_stack(cpu: Cpu) -> bool:
    """The code that runs on this CPU is on its thread's stack."""
    ctx = cpu.ctx
    count = ctx.preempt_count | ctx.irqs_forgotten
    # PREEMPT_RT does not note softirqs in it.
    if preempt.in_hardirq(count) or preempt.in_nmi(count):
        return False
    serving = bool(count & preempt.SOFTIRQ_OFFSET)
    return not serving or cpu.current is cpu.ksoftirqd


_SIZE: Final = 256
_THREAD_SIZE: Final = 1 << 14
_STACKS: Final = 0xFFFFC90000000000
"""The kernel has them in the area of vmalloc() (CONFIG_VMAP_STACK)."""


def stack_of(thread: Thread) -> int:
    """task_stack_page(): the address of its stack."""
    return _STACKS + thread.pid * _THREAD_SIZE


@attrs.define(eq=False, repr=False)
class StackFrame:
    """A function's variables: memory that goes when it returns. `of_task` is the thread whose stack they are on."""

    function: str
    of_task: Thread | None
    state: int = LIVE
    size: int = _SIZE
    members: list[Any] = attrs.field(factory=list)

    def __str__(self) -> str:
        return f"a variable of {self.function}()"

    __repr__ = __str__

    @property
    def address(self) -> int:
        """Where it is."""
        return (stack_of(self.of_task) if self.of_task is not None else _STACKS) + _THREAD_SIZE - _SIZE

    def place_for_member(self) -> int:
        """The address of the next member."""
        return self.address + len(self.members)

    def add(self, member: Any) -> None:
        """Something lies in it from now on."""
        self.members.append(member)

    def goes(self) -> None:
        """The function returns."""
        self.state = FREED

    def is_overwritten(self, _member: Any, _since_ns: int) -> bool:
        """What else may be on the stack by then is not modelled."""
        return False

    def history(self) -> list[str]:
        """Where it is."""
        return [f"{self} on the stack of {self.of_task or 'the interrupts of its CPU'}"]
