"""synchronize_rcu() (kernel/rcu/tree.c): sleep until a grace period has passed; a callback that wakes who waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..kernel.completion import complete, wait_for_completion
from .callbacks import SchedulerActive
from .data import RcuHead

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kernel.thread import Thread
    from .callbacks import Callbacks


def rcu_blocking_is_gp(callbacks: Callbacks, cpu: Cpu) -> bool:
    """rcu_blocking_is_gp(): whether the caller, who may sleep, is a grace period by itself.

    It is before the scheduler runs, on the one CPU that there is; in older versions later, too, in a kernel without
    preemption that has only one CPU online. Only where it might be one is it asked here whether sleeping is legal.
    """
    config, inactive = callbacks.system.config, callbacks.scheduler_active is SchedulerActive.INACTIVE
    if callbacks.rules.one_cpu_needs_no_grace_period:
        if config.preemptible_kernel:
            return inactive
        cpu.judge.might_sleep(cpu)
        return inactive or len(callbacks.system.masks.online()) == 1
    if not inactive:
        return False
    cpu.judge.might_sleep(cpu)
    return True


async def synchronize_rcu(callbacks: Callbacks, thread: Thread) -> None:
    """synchronize_rcu(): at once where the caller is a grace period (rcu_blocking_is_gp()), else wait_rcu_gp()."""
    cpu, system = thread.cpu, callbacks.system
    if callbacks.readers.in_any_section(cpu):
        cpu.judge.suspicious_rcu(cpu, "Illegal synchronize_rcu() in RCU read-side critical section")
    if rcu_blocking_is_gp(callbacks, cpu):
        if callbacks.rules.early_boot_counts:
            callbacks.early_boot_grace_period()
        return
    system.debug_objects.init_on_stack(cpu, RcuHead)
    done = system.new_completion("synchronize_rcu()")
    await callbacks.call_rcu(cpu, lambda on: complete(system, on, done), "wakeme_after_rcu")
    await wait_for_completion(system, thread, done)
