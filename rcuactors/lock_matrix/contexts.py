"""The contexts in which the operations are tried: those that the module of the recordings entered, in its order.

Each is called by the runner, a thread on CPU 1. The calls of other functions hit CPU 0; timers and hrtimers expire on
a CPU that idles.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ..lab import contexts as lab
from ..lab.contexts import Context

CONTEXTS: Final[Mapping[str, Context]] = MappingProxyType(
    {
        name: lab.CONTEXTS[name]
        for name in (
            "process",
            "preempt_disable",
            "irq_disable",
            "bh_disable",
            "rcu_read",
            "mutex",
            "spin",
            "spin_irqsave",
            "raw_spin",
            "raw_spin_irqsave",
            "softirq_tasklet",
            "softirq_timer",
            "hrtimer_soft",
            "irqwork_nonhard",
            "hardirq_irqwork",
            "hardirq_hrtimer",
            "hardirq_smpcall",
        )
    }
)
