"""`rcuactors report THING`: what happened, as one HTML file to look at."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping
from typing import Any

import click

from ..engine.choice import Timed
from ..eras import DEFAULT_ERA
from ..errors import bad_value
from ..page import write_report
from ..picture.recorded import Reading
from ..picture.things import Asked, Made, made
from ..runs import RunOptions
from ..runs.options import LARGEST_SEED
from ..things import Kind, kind_of
from .common import RunArguments, costs_option, max_steps_option, number_option, settings_option
from .output import print_lines
from .program import EXIT_VIOLATIONS, ProgramCommand
from .run_command import command_of
from .session import collect, quiet_stdout
from .watching import PATIENCE_S, HowFar, Stopper
from .whole_file import WholeFile


@click.command(
    "report",
    cls=ProgramCommand,
    epilog="Examples: rcuactors report my_driver.py -o driver.html; "
    "rcuactors report stale_batch --kernel v6.1.0 --kernel v6.12 -o fix.html; "
    "rcuactors report found/01-leak.json -o leak.html",
)
@click.argument("things", nargs=-1, metavar="THING [THING]")
@click.option("-o", "--out", metavar="FILE", help="The HTML file to write.")
@click.option("--kernel", "kernels", multiple=True, metavar="VERSION", help="The version; twice: one for each side.")
@click.option("--design", "designs", multiple=True, metavar="NAME|FILE", help="How it gets pages; twice, too.")
@settings_option
@click.option("--strategy", default=Timed.name, show_default=True, metavar="NAME", help="Who decides.")
@number_option("--seed", low=0, high=LARGEST_SEED, default=0, help="Seed of the strategy.")
@costs_option
@max_steps_option
@click.option("--scenario", metavar="FILE", help="The file of a scenario of your own that a schedule is of.")
@click.option("--probe", default="", metavar="NAME", help="The name of the probe on kvfree_call_rcu() in a trace.")
def report_command(
    things: tuple[str, ...],
    out: str | None,
    kernels: tuple[str, ...],
    designs: tuple[str, ...],
    scenario: str | None,
    probe: str,
    **options: Any,
) -> int:
    """Write what happened in THING as one HTML file: a scenario, a trace or recording, a schedule, a comparison's JSON.

    Two THINGs, or one on two versions or with two designs, stand side by side. Exit code 1 if something was reported.
    """
    if out is None:
        raise bad_value("report", "the file to write: -o FILE.html")
    names = _names(things, kernels, designs)
    stopper = Stopper(PATIENCE_S)
    watched = HowFar(lambda: not stopper.requested)
    asked = Asked(
        names=names,
        options_for=_options_for(kernels, designs, options),
        command_of=command_of,
        version=kernels[0] if kernels else "",
        beside=scenario,
        designs=designs,
        reading=Reading(probe=probe, progress=watched.read, watch=watched.at),
    )
    pages: list[Made] = []

    def work() -> Generator[Made]:
        yield made(asked)

    with WholeFile("-o", out) as file:
        with quiet_stdout(True):
            error = collect(work(), pages.append, patience_s=PATIENCE_S, how_far=watched.say, stopper=stopper)
        if error is not None and not pages:
            raise error
        (page,) = pages
        try:
            if page.report is not None:
                write_report(page.report, file.stream)
            else:
                file.stream.write(page.compared)
        except OSError as unwritten:
            raise file.cannot(unwritten) from None
        file.finish(keep=True)
    print_lines([page.title, f"written to {out}"])
    if page.raised is not None:
        raise page.raised
    return EXIT_VIOLATIONS if page.reported else 0


def _names(things: tuple[str, ...], kernels: tuple[str, ...], designs: tuple[str, ...]) -> tuple[str, ...]:
    """A THING for each side. Raises BadInput."""
    if not 1 <= len(things) <= 2:
        raise bad_value(f"report {' '.join(things)}".rstrip(), "one THING, or two to stand side by side")
    kinds = [kind_of(thing) for thing in things]
    if Kind.COMPARISON in kinds and len(designs) == 1:
        raise bad_value(f"--design {designs[0]}", "another: two of the comparison's designs stand side by side")
    for option, given in (("--kernel", kernels), ("--design", designs)):
        if len(given) > 2:
            raise bad_value(f"{option} {given[2]}", f"one {option}, or two, of which each side has one")
    if len(things) == 1 and kinds[0] is Kind.SCENARIO and 2 in (len(kernels), len(designs)):
        return things * 2
    if len(kernels) == 2 and Kind.SCENARIO not in kinds:
        raise bad_value(f"--kernel {kernels[1]}", f"one version at most for {kinds[0].value}")
    return things


def _options_for(
    kernels: tuple[str, ...], designs: tuple[str, ...], options: Mapping[str, Any]
) -> Callable[[int, Collection[str], str], RunOptions]:
    """What each side's run is told."""

    def options_for(number: int, parameters: Collection[str], of: str) -> RunOptions:
        words: dict[str, Any] = {
            **options,
            "kernel": kernels[number % len(kernels)] if kernels else DEFAULT_ERA,
            "design": designs[number % len(designs)] if designs else None,
        }
        arguments = RunArguments(**words, as_json=False, events=None, verbose=False, panic_on_warn=False)
        return arguments.options(parameters=parameters, of=of)

    return options_for
