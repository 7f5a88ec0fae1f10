"""What differs between kernel versions in RCU: values that an era picks (eras/). Source: kernel/rcu/tree.c."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class RcuRules:
    """One version's. The defaults are v5.9's."""

    one_cpu_needs_no_grace_period: bool = True
    """Without preemption synchronize_rcu() returns at once on a machine of one CPU (rcu_blocking_is_gp()). From v6.1 on
    it waits as soon as the scheduler runs ("rcu: Disable run-time single-CPU grace-period optimization")."""
