"""Floor 2: CPUs, threads, interrupts, softirqs, timers, workqueues, and the locks that a wake-up takes.

Knows nothing of memory and RCU. What floors above hang into a CPU (a page list, a callback list) they keep
themselves, by CPU number; what they must hear of (a context switch, a tick, idleness) they hear through
`hooks.CpuHooks`.
"""

from ..marks import KERNEL

__trace__ = KERNEL
