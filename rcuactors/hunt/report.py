"""A finding as plain text, for who has not seen the model: facts first, then the story, and nothing that is guessed.

At most 60 lines, so that it fits a mail. What does not fit is left out of the middle of the story, and counted.
"""

from __future__ import annotations

from typing import Final

from ..eras import find_era
from ..report.units import duration
from ..spelling import plural
from .keep import Kept
from .story import told_lines

MOST_LINES: Final = 60
_END: Final = 16
"""Lines of the story's end that are kept: the report's trace, and why what was waited for was not enough."""


def report_lines(kept: Kept) -> list[str]:
    """The report of a schedule that was kept."""
    facts = _facts(kept)
    width = max(len(name) for name, _ in facts) + 2
    lines = [*(f"{name + ':':<{width}} {text}" for name, text in facts), ""]
    story = told_lines(kept)
    room = MOST_LINES - len(lines)
    if len(story) > room:
        gone = len(story) - room + 1
        story = [*story[: room - _END - 1], f"  ({plural(gone, 'line')} left out)", *story[-_END:]]
    return [*lines, *story]


def _facts(kept: Kept) -> list[tuple[str, str]]:
    schedule, spec, shown = kept.schedule, kept.schedule.spec, kept.schedule.shown
    where = f" on CPU {shown.cpu}" if shown.cpu >= 0 else ""
    least = "none of them can be left out" if schedule.minimal else "not cut down to the least"
    return [
        ("what happens", shown.title),
        ("told apart as", str(shown.signature)),
        ("kernel", f"{spec.kernel}, as rcuactors {schedule.to_json()['rcuactors']} models it"),
        ("page source", str(spec.design or find_era(spec.kernel).design)),
        ("configuration", " ".join(f"{name}={value}" for name, value in spec.settings.items()) or "the workload's own"),
        ("workload", f"{spec.scenario.function}, digest {spec.scenario.digest[:12]}"),
        ("commit", shown.known or "of no bug that the version is known to have"),
        ("when", f"at {duration(shown.time_ns)} of virtual time{where}"),
        ("schedule", f"{plural(len(kept.departures), 'departure')} from the policy {schedule.policy!r}; {least}"),
    ]
