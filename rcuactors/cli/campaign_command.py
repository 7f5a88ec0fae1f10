"""`rcuactors campaign`: many random runs, of which each report must be one that is known."""

from __future__ import annotations

import sys
from typing import Final

import click

from ..builds import BUILDS, find_build
from ..campaign.judge import Judged
from ..campaign.plan import STEPS, Plan
from ..campaign.runner import run_campaign
from ..campaign.tally import Tally, tally_lines, waste_as_json, waste_lines
from ..config import Config, field_names, split_setting, with_settings
from ..eras import ERAS, find_era
from ..runs.options import LARGEST_BOUND, LARGEST_SEED
from ..spelling import no_such
from ..userfiles.designs import as_design
from .common import jobs_option, number_option
from .output import print_json, print_lines
from .program import EXIT_VIOLATIONS, Interrupted, ProgramCommand, complain
from .screen import with_error
from .session import collect, quiet_stdout
from .watching import PATIENCE_S

_MOST_RUNS: Final = 10_000_000
_TOLD_EVERY: Final = 1000

SOUGHT: Final = ("waste",)
"""What can be sought besides reports."""


def _sought(_ctx: click.Context, _param: click.Parameter, text: str | None) -> str | None:
    if text is not None and text not in SOUGHT:
        raise no_such("--seek", text, SOUGHT)
    return text


@click.command(
    "campaign",
    cls=ProgramCommand,
    epilog="Examples: rcuactors campaign --runs 300; rcuactors campaign my_driver.py --kernel v6.12 --runs 50",
)
@click.argument("scenarios", nargs=-1, metavar="[SCENARIO]...")
@number_option("--runs", low=1, high=_MOST_RUNS, default=1000, help="How many runs.")
@number_option(
    "--from",
    "first",
    low=0,
    high=LARGEST_BOUND,
    default=0,
    help="The number of the first run: to go on, to share the work, or to see one run again.",
)
@number_option("--seed", low=0, high=LARGEST_SEED, default=0, help="Another seed draws other runs.")
@click.option("--kernel", "kernels", multiple=True, metavar="VERSION", help="Only this version; repeatable.")
@click.option("--build", "builds", multiple=True, metavar="|".join(BUILDS), help="Only this build; repeatable.")
@click.option(
    "--design",
    "designs",
    multiple=True,
    metavar="NAME|FILE",
    help="This design, on every version; repeatable. Otherwise: the version's own.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="A configuration name, or a parameter of those scenarios that have it, the same in every run; repeatable.",
)
@number_option("--max-steps", low=1, high=LARGEST_BOUND, default=STEPS, help="End a run that takes more steps.")
@click.option(
    "--seek",
    callback=_sought,
    metavar="|".join(SOUGHT),
    help="Tell of this, too: what was done for nothing, which is no violation and changes no exit code.",
)
@jobs_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
@click.option("-v", "--verbose", is_flag=True, help="Tell on standard error how far it is, and what is news at once.")
def campaign_command(
    scenarios: tuple[str, ...],
    runs: int,
    first: int,
    seed: int,
    kernels: tuple[str, ...],
    builds: tuple[str, ...],
    designs: tuple[str, ...],
    settings: tuple[str, ...],
    max_steps: int,
    seek: str | None,
    jobs: int,
    as_json: bool,
    verbose: bool,
) -> int:
    """Make many random runs, over all scenarios, versions and builds: exit code 1 if a report is no known bug."""
    with quiet_stdout(as_json):
        plan = _plan(scenarios, kernels, builds, designs, settings, seed, max_steps)
    tally = Tally(plan, first)

    def take(judged: Judged) -> None:
        tally.take(judged)
        if verbose:
            _tell(judged, tally, runs)

    with quiet_stdout(as_json):
        error = collect(
            run_campaign(plan, first, runs, jobs),
            take,
            patience_s=PATIENCE_S if jobs == 1 else 0,
            how_far=lambda: f"{tally.runs:,} of {runs:,} runs, {len(tally.news)} not known",
        )
    if as_json:
        document = tally.as_json() | ({"waste": waste_as_json(tally)} if seek else {})
        print_json(with_error(document, str(error) if error is not None else None))
    else:
        print_lines(tally_lines(tally) + (["", *waste_lines(tally)] if seek else []))
    if error is not None:
        if tally.runs < runs and isinstance(error, Interrupted):
            complain(f"rcuactors: campaign: --from {first + tally.runs} --runs {runs - tally.runs} goes on")
        raise error
    return 0 if tally.in_order else EXIT_VIOLATIONS


def _plan(
    scenarios: tuple[str, ...],
    kernels: tuple[str, ...],
    builds: tuple[str, ...],
    designs: tuple[str, ...],
    settings: tuple[str, ...],
    seed: int,
    max_steps: int,
) -> Plan:
    for name in kernels:
        find_era(name)
    for name in builds:
        find_build(name, "--build")
    for name in designs:
        as_design(name)
    given = dict(split_setting(setting) for setting in settings)
    with_settings(Config(), {name: value for name, value in given.items() if name in field_names()})
    chosen = {"scenarios": scenarios} if scenarios else {}
    return Plan(
        **chosen,
        kernels=kernels or tuple(ERAS),
        builds=builds or tuple(BUILDS),
        designs=designs,
        settings=given,
        seed=seed,
        max_steps=max_steps,
    )


def _tell(judged: Judged, tally: Tally, runs: int) -> None:
    for item in dict.fromkeys(judged.news):
        _say(f"number {judged.part.number}: {item.kind}: {item.title}\n  {judged.part.command}")
    if judged.bounded:
        _say(f"number {judged.part.number}: ended by the bound of steps\n  {judged.part.command}")
    if tally.runs % _TOLD_EVERY == 0:
        _say(f"{tally.runs:,} of {runs:,} runs, {len(tally.news)} not known")


def _say(text: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
