"""What higher floors hear of a CPU's life: lists of plain functions, filled once when the machine is put together.

They are called on the stack of whoever happens to run there. A report of the kernel's is raised at that await, which
has caused it; any other error has nothing to do with it, and ends the run (`call_hooks`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, ParamSpec

import attrs

from ..context.violation import KernelBug
from ..engine.actor import Message
from ..marks import machinery

if TYPE_CHECKING:
    from ..context.memory import Memory
    from ..engine.conductor import Conductor
    from .cpu import Cpu
    from .thread import Thread


P = ParamSpec("P")


@machinery
def call_hooks(conductor: Conductor, hooks: list[Callable[P, None]], *arguments: P.args, **keywords: P.kwargs) -> None:
    """Call each of them. Raises KernelBug, and RunOver where one of them has failed."""
    try:
        for hook in hooks:
            hook(*arguments, **keywords)
    except KernelBug:
        raise
    except Exception as error:
        raise conductor.ended_by(error) from error


def _nothing_needed(_cpu: Cpu) -> bool:
    return False


def _nobody_reads(_cpu: Cpu) -> None:
    """A machine without RCU."""


@attrs.define(eq=False)
class CpuHooks:
    """Shared by all CPUs of a machine."""

    on_new_cpu: list[Callable[[Cpu], None]] = attrs.field(factory=list)
    """A CPU has come into being (CPUs that nothing touches never do)."""
    on_switch: list[Callable[[Cpu, Thread, bool], None]] = attrs.field(factory=list)
    """schedule() may take the CPU from a thread; the flag says that this is, or counts as, a preemption."""
    on_exit: list[Callable[[Cpu], None]] = attrs.field(factory=list)
    """The running thread ends (do_exit())."""
    on_cond_resched: list[Callable[[Cpu], None]] = attrs.field(factory=list)
    """The running thread offers to give way."""
    on_tick: list[Callable[[Cpu], None]] = attrs.field(factory=list)
    """The scheduling-clock interrupt, in hardirq context."""
    worker_tick: Callable[[Cpu], Awaitable[None]] | None = None
    """wq_worker_tick(), in a kernel that has one, in the scheduling-clock interrupt."""
    on_idle: list[Callable[[Cpu], None]] = attrs.field(factory=list)
    """The CPU goes idle."""
    on_printk: list[Callable[[Cpu, str], None]] = attrs.field(factory=list)
    """The CPU prints a line that is no report."""
    hints: list[Callable[[Cpu], str]] = attrs.field(factory=list)
    """What is to be said of a CPU to strategies that look for it; empty: nothing."""
    keeps_tick: Callable[[Cpu], bool] = _nothing_needed
    """An idle CPU needs the next tick all the same (rcu_needs_cpu())."""
    on_message: dict[type[Message], Callable[[Cpu, Message], None]] = attrs.field(factory=dict)
    """Messages of higher floors to a CPU: noted when interrupts are on, acted on at the next tick or switch."""
    may_end_reader: Callable[[Cpu], None] = _nobody_reads
    """Preemption, bottom halves or interrupts are on again, or a handler has ended, while `Context.reader` is open."""
    softirqs_follow: Callable[[Cpu], None] = _nobody_reads
    """PREEMPT_RT: bottom halves are about to be on again, but for what serves the softirqs now in the same thread."""
    softirqs: dict[int, Callable[[Cpu], Awaitable[None]]] = attrs.field(factory=dict)
    """The handler of each softirq vector, in the order in which they are served."""

    saves_stack: Callable[[Thread, Memory | None], Awaitable[None]] | None = None
    """kasan_record_aux_stack(), where that can do harm: of who gives memory to RCU, where it lies."""

    def saves_stack_by(self, save: Callable[[Thread, Memory | None], Awaitable[None]]) -> None:
        """Who does it."""
        self.saves_stack = save

    def worker_tick_by(self, look: Callable[[Cpu], Awaitable[None]]) -> None:
        """What looks at each tick whether a worker hogs the CPU."""
        self.worker_tick = look

    def keep_tick_if(self, needed: Callable[[Cpu], bool]) -> None:
        """What says whether an idle CPU keeps its tick."""
        self.keeps_tick = needed

    def softirqs_follow_by(self, told: Callable[[Cpu], None]) -> None:
        """Who hears of that."""
        self.softirqs_follow = told

    def readers_end_by(self, look: Callable[[Cpu], None]) -> None:
        """What looks whether a reader has ended."""
        self.may_end_reader = look
