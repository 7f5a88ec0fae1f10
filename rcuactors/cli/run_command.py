"""`rcuactors run SCENARIO`, and the same for a scenario file that is run as a program."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import click

from ..context.violation import KernelBug
from ..errors import BadInput
from ..loading import load_scenario
from ..report.units import duration, plural
from ..scenario import Run, Scenario
from .common import RunArguments, run_options, with_sinks
from .program import EXIT_VIOLATIONS, Interrupted, ProgramCommand
from .session import open_session, quiet_stdout


@click.command("run", cls=ProgramCommand)
@click.argument("scenario")
@run_options
def run_command(scenario: str, **options: Any) -> int:
    """Run SCENARIO, a name (`rcuactors list scenarios`) or the path of a file, and tell what was found."""
    arguments = RunArguments(**options)
    with quiet_stdout(arguments.as_json):
        chosen = load_scenario(scenario)
    return run_scenario(chosen, arguments)


def scenario_command(chosen: Scenario) -> ProgramCommand:
    """Make the command that a scenario file is when it is run as a program."""

    @click.command(cls=ProgramCommand, help=chosen.about or None)
    @run_options
    def command(**options: Any) -> int:
        return run_scenario(chosen, RunArguments(**options))

    return command


def run_scenario(chosen: Scenario, arguments: RunArguments) -> int:
    """Run it and show it; returns the exit code."""
    options = arguments.options(parameters=chosen.parameters, of=chosen.name)
    with open_session(arguments) as session:
        run = Run(chosen, with_sinks(options, session.sinks))
        conductor = run.machine.conductor
        session.screen.begin(run.result())
        ended = session.attempt(
            run.run,
            how_far=lambda: f"{plural(conductor.steps, 'step')}, virtual time {duration(conductor.now)}",
        )
    result, interrupted = run.result(), isinstance(ended, KeyboardInterrupt)
    if ended is not None and not isinstance(ended, KernelBug | KeyboardInterrupt):
        if not result.clean:
            # What was found until then is not lost with the run.
            session.screen.end(result, so_far=True)
        if isinstance(ended, BadInput):
            raise ended
        raise BadInput(raised_text(chosen, ended)) from ended
    session.screen.end(result, so_far=interrupted)
    if interrupted:
        raise Interrupted
    return 0 if result.clean else EXIT_VIOLATIONS


def raised_text(chosen: Scenario, error: BaseException) -> str:
    """Say what a scenario raised, and where: the innermost line of its own file, and the innermost of all."""
    frames = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    file = getattr(getattr(chosen.body, "__code__", None), "co_filename", None)
    own = [entry for entry in frames if entry[0] == file]
    places = dict.fromkeys([*own[-1:], *frames[-1:]])
    where = ", in ".join(f"{Path(name).name}:{line}" for name, line in places)
    said = f": {error}" if str(error) else ""
    return f"scenario {chosen.name} raised {type(error).__name__}{said} ({where})"
