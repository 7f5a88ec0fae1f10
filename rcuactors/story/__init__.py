"""A run told in columns, one for each CPU and one for what is nobody's: timers, grace periods.

Who tells makes `Row`s, in any order of time: of a whole run (`Teller`), or of one finding (hunt/story.py). What repeats
itself is folded, what is left is laid out in the width that there is.
"""

from __future__ import annotations

from .columns import columns
from .folding import folded
from .rows import NOBODY, Level, Row
from .teller import Teller
from .telling import Story, story_of

__all__ = ["NOBODY", "Level", "Row", "Story", "Teller", "columns", "folded", "story_of"]
