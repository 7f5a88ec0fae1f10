"""`rcuactors run SCENARIO`, and the same for a scenario file that is run as a program."""

from __future__ import annotations

from typing import Any

import click

from ..runs import Run
from ..scenario import Scenario
from ..userfiles import load_scenario
from ..userfiles.blame import blame_scenario
from .common import RunArguments, run_options, with_sinks
from .program import EXIT_VIOLATIONS, ProgramCommand
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
        session.screen.begin(run.result())
        error = session.attempt(run.run, run.machine.conductor, blame=lambda error: blame_scenario(chosen, error))
    result = run.result()
    session.screen.end(result, error=str(error) if error is not None else None)
    if error is not None:
        raise error
    return 0 if result.clean else EXIT_VIOLATIONS
