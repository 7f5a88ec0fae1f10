"""Floor 3, the other half: gfp flags, per-CPU page lists, the zone, slab, vmalloc, reclaim.

Knows nothing of RCU; what happens to objects it tells to an observer (`objects.LifetimeObserver`), which the machine
makes the oracle.
"""

from ..marks import KERNEL

__trace__ = KERNEL
