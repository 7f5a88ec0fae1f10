"""`rcuactors show scenario NAME`: the text of what comes with the package."""

from __future__ import annotations

import click

from ..spelling import no_such
from ..userfiles import find_scenarios
from .output import print_lines
from .program import ProgramGroup


@click.group("show", cls=ProgramGroup, invoke_without_command=True)
@click.pass_context
def show_command(ctx: click.Context) -> None:
    """Print the text of a scenario that comes with the package."""
    if ctx.invoked_subcommand is None:
        raise show_command.needs_command(ctx)


@show_command.command("scenario", epilog="Example: rcuactors show scenario raw_lock_caller > mine.py")
@click.argument("name")
def show_scenario_command(name: str) -> None:
    """Print the file of scenario NAME, to read it or to change a copy."""
    found = find_scenarios()
    if name not in found:
        raise no_such("scenario", name, found)
    print_lines(found[name].read_text(encoding="utf-8").splitlines())
