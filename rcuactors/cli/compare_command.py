"""`rcuactors compare`: the debated designs side by side, in every context and on workloads, or in scenarios."""

from __future__ import annotations

import contextlib
import csv
import io
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs
import click

from ..builds import BUILDS, USUAL_BUILDS
from ..compare.board import Board, make_board
from ..compare.designs import DesignRef, find_designs
from ..compare.documents import COLUMNS, document_of, rows_of
from ..compare.html import page_of
from ..compare.kernels import ComparedKernel, find_kernels, to_measure
from ..compare.layout import COLOURS
from ..compare.tasks import Answer, Plan, Task, do, in_good_order, scenario_of, tasks_of
from ..compare.text import WIDTH, lines_of
from ..config import field_names, split_setting
from ..designs import DESIGNS
from ..engine.choice import Timed
from ..eras import ERAS
from ..errors import BadInput, bad_value
from ..explore import Random
from ..lab.jobs import do_all, in_this_process
from ..spelling import no_such, plural
from ..userfiles import find_scenarios
from .common import jobs_option, whole_number
from .frames import comparison
from .live import is_live, live_option
from .output import print_json
from .program import Interrupted, ProgramCommand, complain
from .reporting import page_file, page_option
from .screen import with_error
from .session import collect
from .styled import print_styled_lines
from .whole_file import WholeFile

if TYPE_CHECKING:
    from ..page import Report

_MOST_SEEDS: Final = 10_000
_NARROWEST: Final = 40
"""In less there is no room for a name and a figure beside it."""
_PATIENCE_S: Final = 3.0
"""After Ctrl-C a run in this process has so long to end."""
_LARGEST_SEED: Final = (1 << 63) - 1


@click.command(
    "compare",
    cls=ProgramCommand,
    epilog="Examples: rcuactors compare; "
    "rcuactors compare raw_lock_caller --designs direct,hrtimer-work --kernels v5.9,v6.12:rt",
)
@click.argument("scenarios", nargs=-1, metavar="[SCENARIO]...")
@click.option(
    "--designs", metavar="NAME,...", help="The designs to compare (default: all); a version is its own design."
)
@click.option("--versions", is_flag=True, help="Every version with its own design, besides.")
@click.option("--design", "files", multiple=True, metavar="FILE.py", help="A design of your own, besides; repeatable.")
@click.option(
    "--kernels",
    default=",".join(USUAL_BUILDS),
    show_default=True,
    metavar="NAME,...",
    help="The kernels to compare on: builds of the default version, VERSION, or VERSION:BUILD.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="A configuration name, or a parameter of the scenarios; repeatable.",
)
@jobs_option
@click.option(
    "--seeds",
    callback=lambda ctx, param, text: whole_number(1, _MOST_SEEDS)(ctx, param, text) if text is not None else None,
    metavar="NUMBER",
    help="Run everything under strategy random with so many seeds.",
)
@click.option(
    "--seed",
    callback=lambda ctx, param, text: whole_number(0, _LARGEST_SEED)(ctx, param, text) if text is not None else None,
    metavar="NUMBER",
    help="The first of the seeds (default: 0).",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
@click.option("--csv", "csv_file", metavar="FILE", help=f"Write the columns {', '.join(COLUMNS)}.")
@click.option("--html", "html_file", metavar="FILE", help="Write one HTML file that needs nothing else.")
@page_option
@live_option("which cells are done")
@click.option("-v", "--verbose", is_flag=True, help="Tell on stderr how long each design took.")
def compare_command(
    scenarios: tuple[str, ...],
    designs: str | None,
    versions: bool,
    files: tuple[str, ...],
    kernels: str,
    settings: tuple[str, ...],
    jobs: int,
    seeds: int | None,
    seed: int | None,
    as_json: bool,
    csv_file: str | None,
    html_file: str | None,
    report: str | None,
    live: bool,
    verbose: bool,
) -> None:
    """Compare the designs: what the kernel says of each in every context, what it costs, and why it won or lost.

    With SCENARIO names or files, compare them in these instead.
    """
    names = _design_names(designs, versions=versions)
    plan = _plan(scenarios, names, files, kernels, settings, _seeds(seeds, seed))
    target = _target(as_json=as_json, csv_file=csv_file, html_file=html_file)
    progress = Progress(list(tasks_of(plan)))
    with target if target is not None else contextlib.nullcontext(), page_file(report) as page:
        error = progress.run(jobs, live=is_live(live))
        if error is not None and not progress.answers and not isinstance(error, Interrupted):
            raise error
        board = make_board(plan, progress.tasks, progress.answers)
        try:
            if target is not None:
                target.write(_csv_text(board) if csv_file is not None else page_of(board))
            if page is not None and error is None:
                page.write(_drawn(board, files, scenarios))
        except BadInput as unwritten:
            # What was compared is told nevertheless.
            error = error or unwritten
    if verbose:
        progress.tell_seconds()
    if as_json:
        print_json(with_error(document_of(board), str(error) if error is not None else None))
    else:
        _print(board)
    if error is not None:
        raise error


def _drawn(board: Board, files: tuple[str, ...], scenarios: Sequence[str]) -> Report:
    """Two of the designs, run once more."""
    from ..picture.compared import comparison_report  # noqa: PLC0415 - most do without

    sources = {scenario_of(source).name: source for source in _sources(scenarios)}
    return comparison_report("the comparison", document_of(board), files=files, sources=sources)[0]


def _print(board: Board) -> None:
    print_styled_lines(lambda width: lines_of(board, max(width or WIDTH, _NARROWEST)), COLOURS)


# -- before ------------------------------------------------------------------------------------------------------------


def _names(option: str, text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise bad_value(f"{option} {text}", "names with commas between them")
    return names


def _design_names(text: str | None, *, versions: bool) -> list[str] | None:
    """The names that were given, and all versions if they are asked for; None for all designs."""
    names = _names("--designs", text) if text is not None else None
    return [*(DESIGNS if names is None else names), *ERAS] if versions else names


def _check_versions(designs: Sequence[DesignRef], kernels: Sequence[ComparedKernel]) -> None:
    """Raises BadInput where versions are both rows and kernels: a row of one would say that it is another."""
    own = next((design.name for design in designs if design.version), "")
    other = next((kernel.name for kernel in kernels if kernel.name not in BUILDS), "")
    if own and other:
        raise BadInput(
            f"--kernels {other}: {own} is compared with its own design, so needs only builds, such as plain,rt"
        )


def _seeds(count: int | None, first: int | None) -> tuple[int, ...]:
    """The seeds of strategy random; none at all for one timed run."""
    if count is None and first is None:
        return ()
    begin = first or 0
    return tuple(range(begin, begin + (count or 1)))


def _plan(
    scenarios: Sequence[str],
    designs: Sequence[str] | None,
    files: Sequence[str],
    kernels: str,
    settings: Sequence[str],
    seeds: tuple[int, ...],
) -> Plan:
    chosen = dict(split_setting(setting) for setting in settings)
    sources = _sources(scenarios)
    config = _check_settings(chosen, sources)
    compared = find_kernels(_names("--kernels", kernels), config)
    for kernel in compared if not sources else ():
        own = kernel.config()
        if own.nr_cpus < 2:
            raise BadInput(f"nr_cpus={own.nr_cpus}: the comparison needs a machine with at least 2 CPUs")
        if own.surroundings:
            raise bad_value(f"{own.surroundings[0]}=y", "scenarios to compare in, which alone have such surroundings")
    refs = find_designs(designs, files)
    _check_versions(refs, compared)
    return Plan(
        designs=refs,
        kernels=compared,
        measured=compared if sources else to_measure(compared, config),
        scenarios=tuple(sources),
        settings=chosen,
        strategy=Random.name if seeds else Timed.name,
        seeds=seeds or (0,),
    )


def _sources(scenarios: Sequence[str]) -> list[str]:
    """Each once. Raises BadInput for two of the same name, which no table could tell apart."""
    by_name: dict[str, str] = {}
    for scenario in scenarios:
        source = _absolute(scenario)
        name = scenario_of(source).name
        if by_name.setdefault(name, source) != source:
            raise BadInput(f"scenario {scenario}: {by_name[name]} is a scenario of that name, too: {name}")
    return list(by_name.values())


def _absolute(scenario: str) -> str:
    """A name, or a path that means the same in every process. Raises BadInput when there is no such scenario."""
    scenario_of(scenario)
    return scenario if scenario in find_scenarios() else str(Path(scenario).resolve())


def _check_settings(chosen: Mapping[str, str], sources: Sequence[str]) -> dict[str, str]:
    """Return those of the configuration. Raises BadInput for a name that nobody has."""
    parameters = dict.fromkeys(name for source in sources for name in scenario_of(source).parameters)
    known = (*parameters, *field_names())
    for name in chosen:
        if name not in known:
            raise no_such("--set", name, known, wrong="no such name")
    return {name: text for name, text in chosen.items() if name not in parameters}


def _target(*, as_json: bool, csv_file: str | None, html_file: str | None) -> WholeFile | None:
    given = {"--json": as_json, "--csv": csv_file is not None, "--html": html_file is not None}
    chosen = [option for option, is_given in given.items() if is_given]
    if len(chosen) > 1:
        raise BadInput(f"{' and '.join(chosen)}: only one of them")
    if csv_file is not None:
        return WholeFile("--csv", csv_file)
    return WholeFile("--html", html_file) if html_file is not None else None


def _csv_text(board: Board) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows_of(board))
    return stream.getvalue()


# -- meanwhile ---------------------------------------------------------------------------------------------------------


@attrs.define
class Progress:
    """How far it is."""

    tasks: list[Task]
    answers: dict[int, Answer] = attrs.field(factory=dict)
    seconds: dict[str, float] = attrs.field(factory=dict)
    _began: float = attrs.field(factory=lambda: time.monotonic())  # noqa: PLW0108 - looked up when it is made

    def run(self, jobs: int, *, live: bool = False) -> BaseException | None:
        """Do all tasks. Return what the program shall end with, when it has shown what was done until then."""
        order = in_good_order(self.tasks)
        return collect(
            do_all(do, [self.tasks[number] for number in order], jobs),
            lambda result: self._take(order[result[0]], *result[1]),
            # In this process a run is let come to its end, unless it never does; other processes are just ended.
            patience_s=_PATIENCE_S if in_this_process(self.tasks, jobs) else 0,
            how_far=self.shown,
            frame=comparison(self.tasks, self.answers, self.shown) if live else None,
        )

    def _take(self, number: int, answer: Answer | BadInput, seconds: float) -> None:
        if isinstance(answer, BadInput):
            raise answer
        self.answers[number] = answer
        name = self.tasks[number].design.name
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds

    def shown(self) -> str:
        """What stands beside the bar: how much is done, and how long the rest will take."""
        wanted, all_work = plural(len(self.tasks), "run"), sum(task.weight for task in self.tasks)
        # A copy, since the thread that draws the bar is not the one that gets the answers.
        work = sum(self.tasks[number].weight for number in list(self.answers))
        if not work:
            return f"0 of {wanted}"
        left = (time.monotonic() - self._began) * (all_work - work) / work
        return f"{len(self.answers):,} of {wanted}, about {plural(max(round(left), 1), 'second')} left"

    def tell_seconds(self) -> None:
        """The CPU time of each design, and the time that all of it took."""
        for name, seconds in self.seconds.items():
            complain(f"{name}: {seconds:.1f} s of CPU time")
        complain(f"{plural(len(self.answers), 'run')} in {time.monotonic() - self._began:.1f} s")
