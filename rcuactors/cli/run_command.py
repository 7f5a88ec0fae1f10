"""`rcuactors run SCENARIO`, and the same for a scenario file that is run as a program."""

from __future__ import annotations

import shlex
from collections.abc import Generator
from typing import Any, Final

import attrs
import click

from ..engine.line import DEFAULT_MAX_STEPS
from ..errors import BadInput
from ..runs import Run, RunOptions
from ..runs.options import LARGEST_SEED
from ..runs.run import patient_collector
from ..scenario import Scenario
from ..spelling import plural
from ..userfiles import load_scenario
from ..userfiles.blame import blame_scenario
from .common import RunArguments, run_options, whole_number, with_sinks
from .led_there import what_led_there
from .output import print_json, print_lines
from .program import EXIT_VIOLATIONS, ProgramCommand
from .reporting import PageFile, page_file
from .screen import with_error
from .session import collect, open_session, quiet_stdout
from .told import Told
from .watching import PATIENCE_S

_MOST_SEEDS: Final = 10_000_000


@click.command(
    "run",
    cls=ProgramCommand,
    epilog="Examples: rcuactors run raw_lock_caller --kernel v5.9 --set PROVE_RAW_LOCK_NESTING=y; "
    "rcuactors run my_driver.py -e kvfree --cpu 1; rcuactors run my_driver.py --around use-after-free",
)
@click.argument("scenario")
@click.option(
    "--seeds",
    callback=lambda ctx, param, text: text and whole_number(1, _MOST_SEEDS)(ctx, param, text),
    metavar="NUMBER",
    help="Run it with so many seeds, from --seed on, up to the first that shows something.",
)
@run_options
def run_command(scenario: str, seeds: int | None, **options: Any) -> int:
    """Run SCENARIO, a name (`rcuactors list scenarios`) or the path of a file, and tell what was found."""
    arguments = RunArguments(**options)
    with quiet_stdout(arguments.as_json):
        chosen = load_scenario(scenario)
    return run_scenario(chosen, arguments) if seeds is None else run_seeds(scenario, chosen, arguments, seeds)


def scenario_command(chosen: Scenario) -> ProgramCommand:
    """Make the command that a scenario file is when it is run as a program."""

    @click.command(cls=ProgramCommand, help=chosen.about or None)
    @run_options
    def command(**options: Any) -> int:
        return run_scenario(chosen, RunArguments(**options))

    return command


def run_seeds(named: str, chosen: Scenario, arguments: RunArguments, seeds: int) -> int:
    """Run it with so many seeds; show the first run that is not clean, and the command that shows it again."""
    options = arguments.options(parameters=chosen.parameters, of=chosen.name)
    if arguments.report is not None:
        raise BadInput(f"--report {arguments.report} and --seeds: a page is of one run; needs one --seed")
    ends = min(options.seed + seeds, LARGEST_SEED + 1)
    found: list[int] = []
    done: list[int] = []

    def tried() -> Generator[tuple[int, bool]]:
        quiet = attrs.evolve(options, events=False)
        with patient_collector(), quiet_stdout(True):
            for seed in range(options.seed, ends):
                yield seed, _shows_nothing(chosen, attrs.evolve(quiet, seed=seed))
                if found:
                    return

    def take(answer: tuple[int, bool]) -> None:
        done.append(answer[0])
        if not answer[1]:
            found.append(answer[0])

    error = collect(
        tried(), take, patience_s=PATIENCE_S, how_far=lambda: f"{len(done):,} of {seeds:,} seeds, all clean"
    )
    if not found:
        _tell_clean(chosen, arguments, options, len(done), complete=error is None)
        if error is not None:
            raise error
        return 0
    try:
        return run_scenario(chosen, arguments, seed=found[0])
    finally:
        if not arguments.as_json:
            again = command_of(named, attrs.evolve(options, seed=found[0]))
            print_lines([f"seed {found[0]}, after {plural(len(done) - 1, 'clean seed')}; again: {again}"])


def _shows_nothing(chosen: Scenario, options: RunOptions) -> bool:
    one = Run(chosen, options)
    # Whatever it raised, the run that is shown says it.
    return one.attempt() is None and one.result().clean


def _tell_clean(chosen: Scenario, arguments: RunArguments, options: RunOptions, count: int, *, complete: bool) -> None:
    last = options.seed + count - 1
    if arguments.as_json:
        document = {"scenario": chosen.name, "seeds": count, "first": options.seed, "last": last, "clean": True}
        print_json(with_error(document, None if complete else "interrupted"))
    else:
        print_lines([f"clean with {plural(count, 'seed')}, {options.seed} to {last}" if count else "no seed was run"])


def command_of(named: str, options: RunOptions) -> str:
    """The command that shows a run."""
    words = ["rcuactors", "run", named, "--kernel", options.kernel]
    words += ["--design", str(options.design)] if options.design is not None else []
    words += ["--strategy", str(options.strategy), "--seed", str(options.seed)]
    words += ["--max-steps", str(options.max_steps)] if options.max_steps != DEFAULT_MAX_STEPS else []
    words += [word for name, text in options.settings.items() for word in ("--set", f"{name}={text}")]
    return shlex.join(words)


def run_scenario(chosen: Scenario, arguments: RunArguments, *, seed: int | None = None) -> int:
    """Run it, with that seed if one is given, and show it; returns the exit code."""
    options = arguments.options(parameters=chosen.parameters, of=chosen.name)
    if seed is not None:
        options = attrs.evolve(options, seed=seed)
    with page_file(arguments.report) as page:
        return _run(chosen, arguments, options, page)


def _run(chosen: Scenario, arguments: RunArguments, options: RunOptions, page: PageFile | None) -> int:
    with open_session(arguments) as session:
        one = Run(chosen, with_sinks(options, session.sinks))
        if page is not None:
            page.watch(one.machine)
        one.machine.probes.violation.listen(session.screen.reported)
        told = Told(one.machine, arguments)
        session.screen.begin(one.result())
        title = f"{chosen.name} on {options.kernel}"
        error = session.attempt(one.run, one.machine, title=title, blame=lambda error: blame_scenario(chosen, error))
    result = one.result()
    told.print()
    session.screen.end(result, error=str(error) if error is not None else None)
    if arguments.verbose and not arguments.story:
        print_lines(what_led_there(chosen, options, result))
    if page is not None:
        page.write_run(result, error)
    error = error or told.missed or session.screen.missed()
    if error is not None:
        raise error
    return 0 if result.clean and result.as_expected else EXIT_VIOLATIONS
