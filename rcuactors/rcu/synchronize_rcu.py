"""synchronize_rcu() (kernel/rcu/tree.c): sleep until a grace period has passed.

What wakes who waits is a callback, or the grace-period kthread (sr_normal.py). Or it is an expedited one
(expedited.py), where rcu_expedited has it so; synchronize_rcu_expedited() is the other way round, where rcu_normal
does. Both say first who must not call them.
"""

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
    if callbacks.rules.blocking_might_sleep:
        return _is_early(callbacks, cpu)
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


def _is_early(callbacks: Callbacks, cpu: Cpu) -> bool:
    """The same from v6.6 on: whoever is none might sleep."""
    if callbacks.scheduler_active is SchedulerActive.INACTIVE:
        return True
    cpu.judge.might_sleep(cpu)
    return False


async def synchronize_rcu(callbacks: Callbacks, thread: Thread) -> None:
    """synchronize_rcu(): at once where the caller is a grace period (rcu_blocking_is_gp()), else wait for one."""
    cpu = thread.cpu
    if callbacks.readers.in_any_section(cpu):
        cpu.judge.suspicious_rcu(cpu, "Illegal synchronize_rcu() in RCU read-side critical section")
    if rcu_blocking_is_gp(callbacks, cpu):
        if callbacks.rules.early_boot_counts:
            callbacks.machine.early_boot_grace_period()
        return
    if callbacks.expedited.rcu_gp_is_expedited():
        await synchronize_rcu_expedited(callbacks, thread)
    else:
        await synchronize_rcu_normal(callbacks, thread)


async def synchronize_rcu_expedited(callbacks: Callbacks, thread: Thread) -> None:
    """synchronize_rcu_expedited() (kernel/rcu/tree_exp.h): the same by an expedited grace period."""
    cpu = thread.cpu
    if callbacks.readers.in_any_section(cpu):
        cpu.judge.suspicious_rcu(cpu, "Illegal synchronize_rcu_expedited() in RCU read-side critical section")
    if rcu_blocking_is_gp(callbacks, cpu):
        if callbacks.rules.early_boot_counts:
            callbacks.machine.early_boot_expedited()
        return
    if callbacks.expedited.rcu_gp_is_normal():
        await synchronize_rcu_normal(callbacks, thread)
    else:
        await callbacks.expedited.synchronize(thread)


async def synchronize_rcu_normal(callbacks: Callbacks, thread: Thread) -> None:
    """synchronize_rcu_normal(): wait_rcu_gp(), unless the grace-period kthread wakes its callers (sr_normal.py)."""
    requests = callbacks.machine.requests
    if requests is not None and not requests.latched:
        await requests.wait(thread)
        return
    cpu, system = thread.cpu, callbacks.system
    system.debug_objects.init_on_stack(cpu, RcuHead)
    done = system.new_completion("synchronize_rcu()")
    await callbacks.call_rcu_hurry(cpu, lambda on: complete(system, on, done), "wakeme_after_rcu")
    await wait_for_completion(system, thread, done)
