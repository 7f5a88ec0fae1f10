"""What comes out of a user's files: scenarios and designs, how they are loaded and watched, and who is to blame."""

from .designs import find_design, load_design
from .scenarios import find_scenarios, load_scenario

__all__ = ["find_design", "find_scenarios", "load_design", "load_scenario"]
