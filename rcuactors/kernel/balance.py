"""Leaks of context: what the kernel looks at when a handler, a work or a thread ends, and when a count is lowered.

Each check is where the kernel has it: a device's handler that enabled interrupts (kernel/irq/handle.c,
__handle_irq_event_percpu()), a softirq (kernel/softirq.c, __do_softirq()), a timer (kernel/time/timer.c,
call_timer_fn()), a work (kernel/workqueue.c, process_one_work()), a thread (kernel/exit.c), and a preempt_count that
would go below zero (kernel/sched/core.c, preempt_count_sub() of a kernel with CONFIG_DEBUG_PREEMPT).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..context.trace import call_trace
from ..context.violation import ViolationKind
from ..marks import machinery

if TYPE_CHECKING:
    from .cpu import Cpu


@machinery
def report(cpu: Cpu, title: str) -> None:
    """One line, and the stack. Raises under panic_on_warn."""
    text = "\n".join([title, *cpu.judge.stack(cpu, call_trace())])
    cpu.judge.report(cpu, ViolationKind.BAD_CONTEXT, title, text)


@machinery
def report_underflow(cpu: Cpu) -> None:
    """preempt_count_sub() below zero: reported while lockdep is armed, which this ends; the count stays as it is."""
    if cpu.judge.debug_locks:
        cpu.system.lockdep.debug_locks_off()
        cpu.judge.warn(
            cpu, ViolationKind.BAD_CONTEXT, "DEBUG_LOCKS_WARN_ON(val > preempt_count())", "preempt_count_sub"
        )


def check_interrupts_off(cpu: Cpu, line: str) -> None:
    """A device's handler has returned."""
    if not cpu.ctx.irqs_disabled:
        cpu.ctx.irqs_disabled = True
        message = f"irq {line} handler enabled interrupts"
        cpu.judge.warn(cpu, ViolationKind.BAD_CONTEXT, message, "__handle_irq_event_percpu")


def check_softirq(cpu: Cpu, number: int, name: str, entered_with: int) -> None:
    """A softirq's handler has returned."""
    count = cpu.ctx.preempt_count
    if count != entered_with:
        cpu.ctx.preempt_count = entered_with
        report(
            cpu,
            f"huh, entered softirq {number} {name} with preempt_count {entered_with:08x}, exited with {count:08x}?",
        )


def check_timer(cpu: Cpu, name: str, entered_with: int) -> None:
    """A timer's function has returned."""
    count = cpu.ctx.preempt_count
    if count != entered_with:
        cpu.ctx.preempt_count = entered_with
        message = f"timer: {name} preempt leak: {entered_with:08x} -> {count:08x}"
        cpu.judge.warn(cpu, ViolationKind.BAD_CONTEXT, message, "call_timer_fn")


def check_work(cpu: Cpu, name: str) -> None:
    """A work's function has returned.

    lockdep_depth() is 0 once lockdep is off: it does not hear any more that what it noted before is let go.
    """
    ctx = cpu.ctx
    if ctx.preempt_count or (cpu.system.lockdep.on and ctx.held):
        where = f"{ctx.comm}/0x{ctx.preempt_count:08x}/{ctx.pid}"
        report(cpu, f"BUG: workqueue leaked lock or atomic: {where} last function: {name}")


def do_exit(cpu: Cpu) -> None:
    """do_exit(): the running thread ends here."""
    ctx = cpu.ctx
    note = f"note: {ctx.comm}[{ctx.pid}] exited with"
    if ctx.irqs_disabled:
        report(cpu, f"{note} irqs disabled")
        ctx.irqs_disabled = False
    if ctx.preempt_count:
        report(cpu, f"{note} preempt_count {ctx.preempt_count}")
        ctx.preempt_count = 0
    cpu.system.lockdep.check_no_locks_held(cpu)
    for hook in cpu.hooks.on_exit:
        hook(cpu)
