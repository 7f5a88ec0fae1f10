"""`rcuactors selfcheck`: whether runs are the same, whatever they run on."""

from __future__ import annotations

from typing import Final

import click

from ..eras import ERAS, find_era
from ..runs.options import LARGEST_SEED
from ..selfcheck.programs import subjects_drawn
from ..selfcheck.runner import Tally, selfcheck
from ..selfcheck.subject import Subject, subjects_of
from ..spelling import plural
from ..userfiles.scenarios import find_scenarios, load_scenario
from .common import jobs_option, number_option, whole_number
from .output import print_json, print_lines
from .program import EXIT_VIOLATIONS, ProgramCommand
from .screen import with_error
from .session import collect, quiet_stdout
from .watching import PATIENCE_S

_MOST: Final = 10_000_000
_PROGRAMS: Final = 10_000


@click.command("selfcheck", cls=ProgramCommand, epilog="Example: rcuactors selfcheck my_driver.py --kernel v6.12")
@click.argument("scenarios", nargs=-1, metavar="[SCENARIO]...")
@click.option(
    "--programs",
    callback=lambda ctx, param, text: None if text is None else whole_number(0, _MOST)(ctx, param, text),
    metavar="NUMBER",
    help="How many small drawn programs, beside the scenarios (default: 10,000, or none with SCENARIO).",
)
@number_option(
    "--seed", low=0, high=LARGEST_SEED, default=0, help="Another seed has other schedules, and draws other programs."
)
@click.option(
    "--kernel", "kernels", multiple=True, metavar="VERSION", help="Scenarios on this version only; repeatable."
)
@jobs_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
def selfcheck_command(
    scenarios: tuple[str, ...], programs: int | None, seed: int, kernels: tuple[str, ...], jobs: int, as_json: bool
) -> int:
    """Run scenarios and drawn programs again, from their decisions, on Trio and elsewhere, and compare the events.

    Exit code 1 if any is not, and the first event that differs. With SCENARIO names or files these are checked, and
    programs drawn only if --programs asks for them; a scenario of your own that is not a function of its seed is found
    so.
    """
    with quiet_stdout(True):
        chosen = [load_scenario(name) for name in scenarios or find_scenarios()]
    subjects: list[Subject] = [*subjects_of(chosen, seed, [find_era(name).name for name in kernels or ERAS])]
    drawn = programs if programs is not None else 0 if scenarios else _PROGRAMS
    subjects += subjects_drawn(drawn, seed)
    tally = Tally()
    wanted = len(subjects)
    with quiet_stdout(as_json):
        error = collect(
            selfcheck(subjects, jobs, tally),
            lambda _tally: None,
            patience_s=PATIENCE_S if jobs == 1 else 0,
            how_far=lambda: f"{tally.runs:,} runs of {plural(wanted, 'subject')}",
        )
    if as_json:
        print_json(with_error(tally.as_json(), str(error) if error is not None else None))
    else:
        print_lines(tally.lines() if error is None else tally.lines()[:-1])
    if error is not None:
        raise error
    return EXIT_VIOLATIONS if tally.differences else 0
