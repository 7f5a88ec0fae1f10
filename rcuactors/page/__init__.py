"""A report: what happened, as one HTML file that needs nothing else, neither another file nor a network.

`Report` says what is on it, `to_html()` makes the file. All that comes from scenarios and recordings goes into one
block of packed data (`encode.py`), which the page's script (`assets/`) unpacks and draws. No text of theirs is ever
markup, and the page's own policy forbids it to load anything.
"""

from __future__ import annotations

from .difference import Difference
from .encode import packed
from .report import Panel, Report, Step, Story
from .template import to_html, write_report

__all__ = ["Difference", "Panel", "Report", "Step", "Story", "packed", "to_html", "write_report"]
