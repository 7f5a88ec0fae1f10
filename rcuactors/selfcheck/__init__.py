"""Floor 6: whether a run is the same, whatever it runs on: again, from its decisions, on Trio and without, elsewhere.

What this program promises of any run is tried on scenarios and on drawn programs, to the byte of their events.
"""

from ..marks import KERNEL
from .programs import subjects_drawn
from .runner import Difference, Tally, selfcheck
from .subject import Subject, subjects_of

__trace__ = KERNEL

__all__ = ["Difference", "Subject", "Tally", "selfcheck", "subjects_drawn", "subjects_of"]
