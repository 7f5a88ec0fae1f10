"""Floor 6: which context may do what, tried out cell by cell, and held against what real kernels did.

The rig does on the model what a kernel module did on real machines: a thread enters a context (contexts.py), does one
operation there (operations.py), on a fresh machine for every cell (rig.py). The verdict is the kernel's own first
report (verdict.py), so it follows from the mechanisms below and from nothing in here.
"""

from ..marks import KERNEL

__trace__ = KERNEL
