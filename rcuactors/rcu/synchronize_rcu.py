"""synchronize_rcu() (kernel/rcu/tree.c): sleep until a grace period has passed; a callback that wakes who waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..kernel.completion import complete, wait_for_completion
from .callbacks import SchedulerActive

if TYPE_CHECKING:
    from ..kernel.thread import Thread
    from .callbacks import Callbacks


async def synchronize_rcu(callbacks: Callbacks, thread: Thread) -> None:
    """synchronize_rcu(): at once while there is only one context (rcu_blocking_is_gp()), else wait_rcu_gp()."""
    cpu, system = thread.cpu, callbacks.system
    if callbacks.readers.in_any_section(cpu):
        cpu.judge.suspicious_rcu(cpu, "Illegal synchronize_rcu() in RCU read-side critical section")
    config = system.config
    if not config.preemptible_kernel:
        cpu.judge.might_sleep(cpu)
    active = callbacks.scheduler_active
    if active is SchedulerActive.INACTIVE or (not config.preemptible_kernel and config.nr_cpus == 1):
        return
    done = system.new_completion("synchronize_rcu()")
    await callbacks.call_rcu(cpu, lambda on: complete(system, on, done), "wakeme_after_rcu")
    await wait_for_completion(system, thread, done)
