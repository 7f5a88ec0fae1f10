"""`rcuactors check SCENARIO`: its worst case, over versions, builds, surroundings and schedules."""

from __future__ import annotations

import shlex
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import click

from ..builds import BUILDS, find_build
from ..check import Check, Checked, lines_of
from ..check.checking import MAX_STEPS, SECONDS
from ..check.document import document_of
from ..eras import ERAS, find_era
from ..errors import bad_value
from ..hunt.search import MOST
from ..hunt.story import story_lines
from ..runs.options import LARGEST_BOUND, LARGEST_SEED
from ..runs.spec import Kind, RunSpec
from ..userfiles import load_scenario
from .common import RunArguments, costs_option, jobs_option, number_option, settings_option, whole_number
from .explore_command import directory, seconds_of
from .output import print_json, print_lines
from .program import BEGAN, EXIT_VIOLATIONS, ProgramCommand
from .reporting import finding_file, report_option
from .run_command import command_of
from .screen import with_error
from .session import collect, quiet_stdout
from .styled import page_width
from .watching import PATIENCE_S
from .whole_file import WholeFile


@click.command(
    "check",
    cls=ProgramCommand,
    epilog="Example: rcuactors check my_driver.py --time 1m --kernels v6.12,v7.3 --out found",
)
@click.argument("scenario")
@click.option(
    "--time",
    "seconds",
    callback=seconds_of,
    metavar="TIME",
    help=f"How long to try: 30s, 5m (default: {SECONDS:.0f}s).",
)
@click.option(
    "--schedules",
    callback=lambda ctx, param, text: text and whole_number(1, MOST)(ctx, param, text),
    metavar="NUMBER",
    help="How many to try at most, in all: without --time as long as that takes.",
)
@click.option("--kernels", metavar="VERSION,..", help="The versions (default: all).")
@click.option("--builds", metavar="NAME,..", help=f"The builds (default: {', '.join(BUILDS)}).")
@click.option("--design", metavar="NAME|FILE", help="How they get pages, if not as each version does.")
@settings_option
@costs_option
@number_option("--max-steps", low=1, high=LARGEST_BOUND, default=MAX_STEPS, help="End a run that takes more steps.")
@number_option("--seed", low=0, high=LARGEST_SEED, default=0, help="The first seed of each strategy.")
@jobs_option
@click.option("--out", metavar="DIR", help="Keep the schedule of the shortest finding there, as a file.")
@report_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
def check_command(
    scenario: str,
    seconds: float | None,
    schedules: int | None,
    kernels: str | None,
    builds: str | None,
    jobs: int,
    out: str | None,
    report: str | None,
    as_json: bool,
    **options: Any,
) -> int:
    """Find the worst case of SCENARIO: on every version and build, in luckier and unluckier surroundings and schedules.

    Exit code 1 if there is anything that its expect= does not allow.
    """
    versions = _names("--kernels", kernels)
    for version in versions:
        find_era(version)
    for build in _names("--builds", builds):
        find_build(build, "--builds")
    with quiet_stdout(as_json):
        chosen = load_scenario(scenario)
        arguments = RunArguments(
            **options, kernel=versions[0] if versions else next(iter(ERAS)), as_json=as_json, events=None,
            verbose=False, panic_on_warn=False,
        )  # fmt: skip
        spec = RunSpec.of(chosen, arguments.options(parameters=chosen.parameters, of=chosen.name))
        checked = Checked(
            Check.of(
                spec,
                kernels=[version for version in ERAS if not versions or version in versions],
                builds=[build for build in BUILDS if builds is None or build in _names("--builds", builds)],
                schedules=schedules,
                seconds=seconds,
                jobs=jobs,
            ),
            spent_s=BEGAN.seconds_ago,
        )
    folder = directory(out)
    with finding_file(report, quiet=as_json) as write:
        error = _go(checked, as_json=as_json)
        _tell(checked, scenario, folder, error, as_json=as_json)
        if checked.shortest is not None and error is None:
            write(checked.shortest)
        if error is not None:
            raise error
    return 0 if checked.clean else EXIT_VIOLATIONS


def _names(option: str, text: str | None) -> Sequence[str]:
    names = [name.strip() for name in text.split(",")] if text is not None else []
    if not all(names):
        raise bad_value(f"{option} {text}", "names with commas between them")
    return names


def _go(checked: Checked, *, as_json: bool) -> BaseException | None:
    """Try, and cut down. Returns what the program shall end with; raises what it cannot go on from."""
    wanted = len(checked.states)

    def how_far() -> str:
        tried = sum(bool(state.tried) for state in checked.states.values())
        found = sum(state.found is not None for state in checked.states.values())
        return f"{tried} of {wanted} kernels and surroundings, {checked.schedules:,} schedules, {found} with findings"

    with quiet_stdout(as_json):
        patience_s = PATIENCE_S if checked.check.jobs == 1 else 0
        error = collect(checked.answers(), checked.take, patience_s=patience_s, how_far=how_far)
        if error is not None:
            return error
        checked.fails_by_itself()

        def cut_down() -> Generator[None]:
            checked.cut_down()
            yield

        return collect(cut_down(), lambda _: None, patience_s=PATIENCE_S, how_far=lambda: "cutting it down")


# -- telling -----------------------------------------------------------------------------------------------------------


def _tell(checked: Checked, named: str, folder: Path | None, error: BaseException | None, *, as_json: bool) -> None:
    path = _save(checked, folder)
    if as_json:
        document = {**document_of(checked), "file": str(path) if path is not None else None}
        print_json(with_error(document, str(error) if error is not None else None))
        return
    lines = [*lines_of(checked), *_shortest(checked, named, path)]
    print_lines(lines)


def _save(checked: Checked, folder: Path | None) -> Path | None:
    kept = checked.shortest
    if folder is None or kept is None:
        return None
    path = folder / f"{kept.schedule.shown.signature.file_name}.json"
    with WholeFile("--out", str(path)) as file:
        file.write(kept.schedule.text())
    return path


def _shortest(checked: Checked, named: str, path: Path | None) -> list[str]:
    """The shortest finding, and how to see it again."""
    kept = checked.shortest
    if kept is None:
        return []
    plainest = checked.findings[0].plainest
    lines = ["", f"the shortest, on {plainest.cell}:", *story_lines(kept, page_width()), ""]
    if path is not None:
        beside = [] if checked.check.spec.scenario.kind is Kind.BUNDLED else [named]
        return [*lines, f"kept as {path}; again: {shlex.join(['rcuactors', 'replay-schedule', str(path), *beside])}"]
    again = command_of(named, kept.schedule.spec) if not kept.departures else ""
    return [*lines, f"again: {again}" if again else "--out DIR keeps its schedule, to run it again"]
