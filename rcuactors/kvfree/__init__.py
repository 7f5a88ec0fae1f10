"""Floor 4: kvfree_rcu() itself: blocks, the page cache, batches, monitor, drain, shrinker.

How a page is got is a design's business (`designs/`).
"""

from ..marks import KERNEL

__trace__ = KERNEL
