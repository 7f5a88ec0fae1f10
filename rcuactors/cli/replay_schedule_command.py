"""`rcuactors replay-schedule FILE`: a schedule that was kept, run again strictly, and told."""

from __future__ import annotations

import click

from ..engine.events import DigestSink
from ..errors import BadInput, ReplayDiverged
from ..hunt.keep import Kept, keyed, prepared, replay
from ..hunt.schedule import Schedule, read_schedule, with_users_files
from ..hunt.steps import steps_of
from ..hunt.story import story_lines
from ..report.text import head_line
from ..userfiles import load_scenario
from .output import print_json, print_lines
from .program import EXIT_VIOLATIONS, ProgramCommand
from .reporting import report_option, write_report
from .session import quiet_stdout
from .stepping import walk_through
from .styled import page_width


def schedule_given(file: str, scenario: str | None, design: str | None) -> Schedule:
    """The schedule in a file, with the user's own files that were given beside it. Raises BadInput."""
    schedule = read_schedule(file)
    if scenario is not None:
        with quiet_stdout(True):
            chosen = load_scenario(scenario)
        return with_users_files(schedule, file, chosen, design)
    return with_users_files(schedule, file, None, design)


def noted(schedule: Schedule, file: str) -> Kept:
    """The schedule with its departures as they can be left out. Raises BadInput where the run comes apart."""
    try:
        return keyed(schedule)
    except ReplayDiverged as error:
        raise BadInput(f"{file}: {error}") from None


@click.command(
    "replay-schedule",
    cls=ProgramCommand,
    epilog="Example: rcuactors replay-schedule found/01-use-after-free-kfree.json my_driver.py",
)
@click.argument("file")
@click.argument("scenario", required=False)
@click.option("--design", metavar="FILE", help="The design's file, if the schedule is of one of your own.")
@report_option
@click.option("--step", "by_steps", is_flag=True, help="Walk through it, forwards and back.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
def replay_schedule_command(
    file: str, scenario: str | None, design: str | None, report: str | None, by_steps: bool, as_json: bool
) -> int:
    """Run the schedule in FILE again, strictly: exit code 1 if it shows what it did, 2 if the run comes apart.

    SCENARIO is the file of a scenario of your own; a schedule never loads one by itself.
    """
    if by_steps and as_json:
        raise BadInput("--step and --json: somebody who walks through it reads text; needs one of them")
    schedule = schedule_given(file, scenario, design)
    digest = DigestSink()
    with quiet_stdout(as_json):
        run = prepared(schedule, digest)
        head = head_line(run.result())
        try:
            replayed = replay(schedule, run, digest)
        except ReplayDiverged as error:
            raise BadInput(f"{file}: {error}") from None
    if report is not None:
        write_report(report, noted(schedule, file))
    if as_json:
        print_json({"shows": schedule.to_json()["shows"], "result": replayed.result.as_json()})
        return EXIT_VIOLATIONS
    kept = noted(schedule, file)
    if by_steps:
        print_lines([head])
        walk_through(steps_of(kept))
        return EXIT_VIOLATIONS
    again = f"{schedule.decisions.choices:,} decisions, events as they were; shows {schedule.shown.signature}"
    print_lines([head, f"replayed          {again}", *story_lines(kept, page_width())])
    return EXIT_VIOLATIONS
