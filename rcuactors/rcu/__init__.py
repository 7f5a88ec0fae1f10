"""Floor 3, one half: grace periods, callbacks, read-side sections, and the lifetime oracle that trusts none of them."""

from ..marks import KERNEL

__trace__ = KERNEL
