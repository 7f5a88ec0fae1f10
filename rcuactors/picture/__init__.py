"""Anything that somebody wants to see, as the page of a report: what it is, its runs or lines, and what belongs beside.

The elements are the timeline's, the page is drawn by `page`.
"""

from __future__ import annotations

from .finding import finding_report
from .recorded import Reading, recording_report
from .runs import Drawn, Watcher
from .things import Asked, Made, made

__all__ = ["Asked", "Drawn", "Made", "Reading", "Watcher", "finding_report", "made", "recording_report"]
