"""Floor 6: whether a run is the same, whatever it runs on: again, from its decisions, on Trio and without, elsewhere.

What this program promises of any run is tried on scenarios and on drawn programs, to the byte of their events.
"""

from ..marks import KERNEL

__trace__ = KERNEL
