"""When the grace-period kthread looks again, and when a grace period is too old (kernel/rcu/tree.c, tree_stall.h)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ..kernel.system import System

_JIFFIES_FQS_DIV: Final = 256
"""RCU_JIFFIES_FQS_DIV."""


def till_scan(given: int, system: System, *, at_least: int) -> int:
    """jiffies_till_first_fqs, jiffies_till_next_fqs: as set, at most a second, or RCU_JIFFIES_TILL_FORCE_QS and more.

    kernel/rcu/tree.c, param_set_first_fqs_jiffies(), rcu_init_geometry().
    """
    config = system.config
    if given < 0:
        return 1 + (config.HZ > 250) + (config.HZ > 500) + config.nr_cpus // _JIFFIES_FQS_DIV
    return max(at_least, min(given, config.HZ))


def till_sched_qs(till_first_fqs: int, till_next_fqs: int, system: System) -> int:
    """jiffies_to_sched_qs (adjust_jiffies_till_sched_qs())."""
    config = system.config
    return max(till_first_fqs + 2 * till_next_fqs, config.HZ // 10 + config.nr_cpus // _JIFFIES_FQS_DIV)


def stall_timeout_jiffies(system: System) -> int:
    """rcu_jiffies_till_stall_check(): five seconds more under PROVE_RCU, which PROVE_LOCKING brings.

    kernel/rcu/tree_stall.h, RCU_STALL_DELAY_DELTA.
    """
    config = system.config
    seconds = max(3, min(300, config.rcu_cpu_stall_timeout))
    return (seconds + 5 * config.lockdep) * config.HZ
