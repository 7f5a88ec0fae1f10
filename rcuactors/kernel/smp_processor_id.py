"""Who may ask which CPU this is (lib/smp_processor_id.c, CONFIG_DEBUG_PREEMPT).

The answer of smp_processor_id(), and what this_cpu_ptr() points to, hold for as long as the thread stays where it is.
A kernel with DEBUG_PREEMPT reports whoever asks while it could be moved (check_preemption_disabled()): with preemption
and interrupts on, migration not disabled, and not on its only CPU, which is a matter of the version
(`KernelRules.one_cpu_allowed_is_bound`). Its limit of ten messages in five seconds is not modelled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..context.trace import call_trace, caller_site
from ..context.violation import ORACLE, ViolationKind
from ..marks import machinery

if TYPE_CHECKING:
    from .cpu import Cpu
    from .thread import Thread


def _stays(thread: Thread) -> bool:
    """is_percpu_thread(), or, as older kernels have it, nr_cpus_allowed == 1."""
    system, allowed = thread.cpu.system, thread.cpus_allowed
    if thread.bound or not system.rules.one_cpu_allowed_is_bound:
        return thread.bound
    return len(allowed if allowed is not None else system.masks.possible) == 1


def check_preemption_disabled(cpu: Cpu, what: str) -> None:
    """check_preemption_disabled(): report `what`, called just now, if this thread could be moved.

    Raises under panic_on_warn.
    """
    ctx, judge, thread = cpu.ctx, cpu.judge, cpu.current
    if not cpu.system.config.DEBUG_PREEMPT or ctx.preempt_count or ctx.irqs_disabled or judge.booting:
        return
    if _stays(thread) or ctx.migrate_disabled:
        return
    # The report itself has preemption off, and prints preempt_count() less that one.
    title = f"BUG: using {what}() in preemptible [{ctx.preempt_count:08x}] code: {ctx.comm}/{ctx.pid}"
    text = "\n".join([title, f"caller is {caller_site()}", *judge.stack(cpu, call_trace())])
    judge.report(cpu, ViolationKind.PREEMPTIBLE_CPU_ID, title, text)


@machinery
def report_foreign_state(cpu: Cpu, name: str, owner: int) -> None:
    """Per-CPU state is used through a pointer that its thread got on another CPU.

    No kernel sees this; the model does, whatever the configuration.
    """
    ctx, judge = cpu.ctx, cpu.judge
    title = f"BUG: per-CPU state of CPU {owner} used on CPU {cpu.cpu_id}: {name} by {ctx.comm}/{ctx.pid}"
    lines = [title, "its pointer was got before the thread moved", *judge.stack(cpu, call_trace())]
    judge.report(cpu, ViolationKind.FOREIGN_CPU_STATE, title, "\n".join(lines), ORACLE)
