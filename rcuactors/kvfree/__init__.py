"""Floor 4: kvfree_rcu() itself: blocks, the page cache, batches, monitor, drain, shrinker.

How a page is got is a design's business (`designs/`).
"""

from ..marks import KERNEL, Side

__trace__ = KERNEL
__side__ = Side.KVFREE
