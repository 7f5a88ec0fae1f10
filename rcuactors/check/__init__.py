"""Checking: the worst case of one scenario, over versions, builds, surroundings and schedules.

`check()` does all of it; `rcuactors check` and the pytest plugin call that.
"""

from .checking import Check, Checked, check
from .text import lines_of

__all__ = ["Check", "Checked", "check", "lines_of"]
