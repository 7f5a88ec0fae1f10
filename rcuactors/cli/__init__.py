"""The command line: `rcuactors list`, `run`, `compare`, `replay`, `lockdep`, `new`; and scenario files as programs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from .. import __version__
from ..errors import BadInput
from ..pyfile import importing
from ..scenario import Scenario
from .compare_command import compare_command
from .list_command import list_command
from .lockdep_command import lockdep_command
from .matrix_command import matrix_command
from .new_command import new_command
from .program import ProgramGroup
from .replay_command import replay_command
from .run_command import run_command, scenario_command


@click.group(
    cls=ProgramGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="An executable model of the Linux kernel's kvfree_rcu() and everything it leans on.",
    epilog="Exit status: 0 clean, 1 something was reported or a verdict differs, 2 bad usage or bad input, 130 Ctrl-C.",
)
@click.version_option(__version__, prog_name="rcuactors")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Hold the commands; without one, say which there are."""
    if ctx.invoked_subcommand is None:
        raise BadInput(f"needs a command: {', '.join(cli.commands)} (`rcuactors --help` describes them)")


for _command in (list_command, run_command, compare_command, replay_command, lockdep_command, new_command):
    cli.add_command(_command)
lockdep_command.add_command(matrix_command)


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 clean, 1 violations, 2 bad usage or bad input."""
    cli.main(args=args, prog_name="rcuactors")


def run_script(chosen: Scenario, args: Sequence[str] | None = None) -> NoReturn:
    """Run one scenario as a program, with the options of `rcuactors run`, and exit as it does."""
    if importing():
        raise BadInput('script() runs while the file is imported: put it under `if __name__ == "__main__":`')
    scenario_command(chosen).main(args=args, prog_name=Path(sys.argv[0]).name)


__all__ = ["cli", "main", "run_script"]
