"""Leaks of context: what the kernel looks at when a handler, a work or a thread ends, and when a count is lowered.

Each check is where the kernel has it: a device's handler that enabled interrupts (kernel/irq/handle.c,
__handle_irq_event_percpu()), a softirq (kernel/softirq.c, __do_softirq()), a timer (kernel/time/timer.c,
call_timer_fn()), a work (kernel/workqueue.c, process_one_work()), a thread (kernel/exit.c), and a preempt_count that
would go below zero (kernel/sched/core.c, preempt_count_sub() of a kernel with CONFIG_DEBUG_PREEMPT).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ..context import preempt, splat
from ..context.trace import call_trace
from ..context.violation import ViolationKind
from ..marks import machinery

if TYPE_CHECKING:
    from .cpu import Cpu


@machinery
def report(cpu: Cpu, title: str, *more: str) -> None:
    """A line, what else there is, and the stack. Raises under panic_on_warn."""
    text = "\n".join([title, *more, *cpu.judge.stack(cpu, call_trace())])
    cpu.judge.report(cpu, ViolationKind.BAD_CONTEXT, title, text)


@machinery
def report_underflow(cpu: Cpu, amount: int = preempt.PREEMPT_OFFSET) -> None:
    """preempt_count_sub() below zero: reported while lockdep is armed, which this ends; the count stays as it is.

    So it is in a kernel with DEBUG_PREEMPT. Of the others we report it as well, unless it is the preempt_enable() whose
    count schedule() has wiped out: that this was wrong has been said by then.
    """
    ctx = cpu.ctx
    if ctx.preempt_forgotten and not cpu.system.config.DEBUG_PREEMPT:
        ctx.preempt_forgotten = max(ctx.preempt_forgotten - amount, 0)
        return
    cpu.system.lockdep.debug_locks_warn_on(cpu, "val > preempt_count()", "preempt_count_sub")


@machinery
def check_bogus_irq_restore(cpu: Cpu) -> None:
    """raw_check_bogus_irq_restore(): local_irq_restore() belongs where interrupts are off.

    Something between it and its local_irq_save() has enabled them (kernel/locking/irqflag-debug.c).
    """
    if cpu.system.config.DEBUG_IRQFLAGS and cpu.system.rules.debug_irqflags:
        message = "raw_local_irq_restore() called with IRQs enabled"
        cpu.judge.warn_once(cpu, ViolationKind.BAD_CONTEXT, message, "warn_bogus_irq_restore")


def check_interrupts_off(cpu: Cpu, line: str) -> None:
    """A device's handler has returned. Whoever called it turns them off again."""
    if not cpu.ctx.irqs_disabled:
        message = f"irq {line} handler enabled interrupts"
        cpu.judge.warn(cpu, ViolationKind.BAD_CONTEXT, message, "__handle_irq_event_percpu")


def report_softirq(cpu: Cpu, number: int, name: str, entered_with: int) -> None:
    """A softirq's handler has returned with another preempt_count."""
    count = cpu.ctx.preempt_count
    cpu.ctx.preempt_count, cpu.ctx.irqs_forgotten = entered_with, 0
    report(
        cpu,
        f"softirq: huh, entered softirq {number} {name} with preempt_count {entered_with:08x}, "
        f"exited with {count:08x}?",
    )


def check_timer(cpu: Cpu, name: str, entered_with: int) -> None:
    """A timer's function has returned."""
    count = cpu.ctx.preempt_count
    if count != entered_with:
        cpu.ctx.preempt_count = entered_with
        message = f"timer: {name} preempt leak: {entered_with:08x} -> {count:08x}"
        cpu.judge.warn(cpu, ViolationKind.BAD_CONTEXT, message, "call_timer_fn")


@attrs.frozen
class Depths:
    """lockdep_depth() and rcu_preempt_depth(): locks that are held, readers that are open."""

    locks: int
    readers: int

    @classmethod
    def of(cls, cpu: Cpu) -> Depths:
        """Those of what runs here. Of locks it is 0 once lockdep is off; without preemption nobody counts readers."""
        system = cpu.system
        return cls(
            len(cpu.ctx.held) if system.lockdep.on else 0,
            cpu.ctx.rcu_nesting if system.config.preemptible_kernel else 0,
        )


def check_work(cpu: Cpu, name: str, before: Depths | None) -> None:
    """A work's function has returned.

    What it has left behind is told again after every later work of this worker, until somebody takes it away; where it
    is compared with what was there `before`, of locks and readers once.
    lockdep_depth() is 0 once lockdep is off: it does not hear any more that what it noted before is let go.
    """
    ctx = cpu.ctx
    if before is not None:
        _check_depths(cpu, name, before)
    elif ctx.preempt_count or (cpu.system.lockdep.on and ctx.held):
        where = f"{ctx.comm}/0x{ctx.preempt_count:08x}/{ctx.pid}"
        title = f"BUG: workqueue leaked lock or atomic: {where}"
        report(cpu, title, f"     last function: {name}", *splat.show_held_locks(cpu.judge.scene(cpu)))
    # The cond_resched() that follows may sleep, and the pool's raw_spin_lock_irq() leaves interrupts on.
    cpu.judge.might_sleep(cpu)
    if ctx.irqs_disabled:
        if ctx.held:
            cpu.system.lockdep.hardirqs_on(cpu)
        ctx.irqs_disabled = False


@machinery
def _check_depths(cpu: Cpu, name: str, before: Depths) -> None:
    """The same of v6.9 and later."""
    ctx, after = cpu.ctx, Depths.of(cpu)
    if not ctx.preempt_count and after == before:
        return
    report(
        cpu,
        f"BUG: workqueue leaked atomic, lock or RCU: {ctx.comm}[{ctx.pid}]",
        f"     preempt=0x{ctx.preempt_count:08x} lock={before.locks}->{after.locks} "
        f"RCU={before.readers}->{after.readers} workfn={name}",
        *splat.show_held_locks(cpu.judge.scene(cpu)),
    )
