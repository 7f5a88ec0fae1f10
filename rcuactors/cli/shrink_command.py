"""`rcuactors shrink FILE`: a schedule that was kept, cut down (again)."""

from __future__ import annotations

from typing import Final

import click

from ..hunt.keep import shrink
from ..hunt.shrink import MOST_REPLAYS
from ..hunt.story import story_lines
from .common import number_option
from .output import print_lines
from .program import EXIT_VIOLATIONS, ProgramCommand
from .replay_schedule_command import noted, schedule_given
from .reporting import report_option, write_report
from .styled import page_width
from .whole_file import WholeFile

_MOST: Final = 100_000


@click.command(
    "shrink",
    cls=ProgramCommand,
    epilog="Example: rcuactors shrink found/01-use-after-free-kfree.json my_driver.py --out shorter.json",
)
@click.argument("file")
@click.argument("scenario", required=False)
@click.option("--design", metavar="FILE", help="The design's file, if the schedule is of one of your own.")
@click.option("--out", required=True, metavar="FILE", help="Where to write the shorter schedule.")
@report_option
@number_option("--replays", low=1, high=_MOST, default=MOST_REPLAYS, help="How many runs it may take.")
def shrink_command(
    file: str, scenario: str | None, design: str | None, out: str, report: str | None, replays: int
) -> int:
    """Cut the schedule in FILE down: the same problem with fewer departures, and shorter ones."""
    schedule = schedule_given(file, scenario, design)
    with WholeFile("--out", out) as whole:
        kept = shrink(noted(schedule, file), replays)
        whole.write(kept.schedule.text())
    if report is not None:
        write_report(report, kept)
    head = f"{len(schedule.decisions.taken)} departures before, {len(kept.departures)} now"
    print_lines([head, *story_lines(kept, page_width())])
    return EXIT_VIOLATIONS
