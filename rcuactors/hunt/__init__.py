"""Hunting: many schedules of one scenario, until one goes wrong; that one cut down, kept, told and run again.

`hunt()` does all of it, `replay_schedule()` runs a kept schedule again; what they are made of is here, too.
"""

from .finding import Shown, Signature
from .hunting import Finding, Hunted, hunt, replay_schedule
from .keep import Kept, Replayed, keep, keyed, shrink
from .plan import PORTFOLIO, Plan, plan_of
from .progress import Progress
from .report import report_lines
from .schedule import Schedule, read_schedule
from .search import explore
from .steps import Step, steps_of
from .story import story_lines
from .tally import Tally, nothing_lines, tally_lines
from .trial import Trial

__all__ = [
    "PORTFOLIO",
    "Finding",
    "Hunted",
    "Kept",
    "Plan",
    "Progress",
    "Replayed",
    "Schedule",
    "Shown",
    "Signature",
    "Step",
    "Tally",
    "Trial",
    "explore",
    "hunt",
    "keep",
    "keyed",
    "nothing_lines",
    "plan_of",
    "read_schedule",
    "replay_schedule",
    "report_lines",
    "shrink",
    "steps_of",
    "story_lines",
    "tally_lines",
]
