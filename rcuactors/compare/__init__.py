"""Floor 6: the debated designs side by side, under the same rules: verdicts in every context, costs, and why.

A design is known here by its name, or by the file that holds it, and by nothing else: what is said of one is derived
from its runs.
"""

from ..marks import KERNEL

__trace__ = KERNEL
