"""`rcuactors lockdep`: the lock validator asked directly."""

from __future__ import annotations

import click

from ..selftest import run_selftest, selftest_lines
from .ask_command import ask_command
from .matrix_command import matrix_command
from .output import print_lines
from .program import EXIT_VIOLATIONS, ProgramGroup


@click.group("lockdep", cls=ProgramGroup, invoke_without_command=True)
@click.pass_context
def lockdep_command(ctx: click.Context) -> None:
    """Ask the lock validator: the kernel's own selftest of it, and what it says of each operation in each context."""
    if ctx.invoked_subcommand is None:
        raise lockdep_command.needs_command(ctx)


@lockdep_command.command("selftest", epilog="Example: rcuactors lockdep selftest")
def selftest_command() -> int:
    """Run the kernel's locking selftest on the lock validator: exit code 1 if a verdict is wrong."""
    outcomes = run_selftest()
    print_lines(selftest_lines(outcomes))
    return 0 if all(outcome.ok for outcome in outcomes.values()) else EXIT_VIOLATIONS


lockdep_command.add_command(matrix_command)
lockdep_command.add_command(ask_command)
