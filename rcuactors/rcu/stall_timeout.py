"""How long a grace period may last before that is told (kernel/rcu/tree_stall.h)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..kernel.system import System


def stall_timeout_jiffies(system: System) -> int:
    """rcu_jiffies_till_stall_check(): five seconds more under PROVE_RCU, which PROVE_LOCKING brings.

    kernel/rcu/tree_stall.h, RCU_STALL_DELAY_DELTA.
    """
    config = system.config
    seconds = max(3, min(300, config.rcu_cpu_stall_timeout))
    return (seconds + 5 * config.lockdep) * config.HZ
