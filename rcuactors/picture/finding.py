"""A finding: its schedule, beside the nearest one that passes, and why each step had to come where it came."""

from __future__ import annotations

from ..hunt.keep import Kept, replay_of
from ..hunt.nearest import Nearest, nearest
from ..hunt.story import departure_text, told_lines
from ..page import Report, Step, Story
from ..spelling import plural
from .runs import watched_attempt


def finding_report(kept: Kept) -> Report:
    """The page of a schedule that was kept."""
    found = nearest(kept)
    shown = kept.schedule.shown
    drawn = watched_attempt(kept.attempt, replay_of(kept.schedule), f"the finding: {shown.signature}")
    panels, facts = [drawn.panel], [("shows", str(shown.signature)), *drawn.facts]
    passing = found.passing()
    if passing is not None and found.without is not None:
        title = f"the nearest that passes, without {departure_text(found.without)}"
        panels.append(watched_attempt(kept.attempt, passing, title).panel)
    facts += [
        ("policy", kept.schedule.policy),
        ("departures", f"{len(kept.departures)}, {_least(kept)}"),
        *((("known bug", shown.known),) if shown.known else ()),
    ]
    return Report(title=shown.title, panels=tuple(panels), facts=tuple(facts), story=_story(found))


def _least(kept: Kept) -> str:
    return "none of them can be left out" if kept.schedule.minimal else "not cut down to the least"


def _story(found: Nearest) -> Story:
    shown = found.kept.schedule.shown
    steps = [
        Step(text=departure_text(why.departure), why=why.reason, time_ns=why.departure.at_ns) for why in found.whys
    ]
    steps.append(Step(text=shown.title, time_ns=shown.time_ns))
    departures = plural(len(found.whys), "departure")
    title = f"{departures} from the policy {found.kept.schedule.policy!r}" if found.whys else "it goes wrong by itself"
    return Story(title=title, steps=tuple(steps), text="\n".join(told_lines(found.kept)))
