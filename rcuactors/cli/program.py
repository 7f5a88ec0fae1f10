"""Commands that end as a program should: one line for whatever was wrong, an exit code, no traceback.

Exit codes: 0 clean, 1 violations, 2 bad usage or bad input, 130 interrupted, 141 nobody reads the output any
more (what SIGPIPE would have made of it).
"""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn

import click

from ..errors import BadInput
from ..spelling import did_you_mean
from .output import ReaderGone, silence, writing_stdout

EXIT_VIOLATIONS: Final = 1
EXIT_BAD_INPUT: Final = 2
EXIT_INTERRUPTED: Final = 130
EXIT_READER_GONE: Final = 141


class Interrupted(Exception):
    """Ctrl-C, outside a run or at its end. What was found so far has been printed."""


def complain(message: str) -> None:
    """Write one line to stderr; what would break it, such as a line end in a file's name, by its escape."""
    if sys.stderr is None:
        return
    line = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in message)
    try:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
    except OSError:
        # There is nobody to tell. The exit code says it still.
        silence(sys.stderr)


def _usage_text(error: click.ClickException) -> str:
    text = " ".join(error.format_message().split()).rstrip(".")
    ctx = getattr(error, "ctx", None)
    command = f"{ctx.command_path} --help" if ctx is not None else "--help"
    return f"{text} (`{command}` shows what there is)"


def _internal_error(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{os.path.basename(last.filename)}:{last.lineno}"  # noqa: PTH119 - a name out of a traceback, not a path to use
    return f"internal error: {type(error).__name__}: {error} ({where})"


def exit_code_of(body: Callable[[], int]) -> int:
    """Run the body; turn every exception into its line and its exit code."""
    try:
        return body()
    except BadInput as error:
        # Where one `await` is missing, more coroutines may lie around than the one that was named.
        warnings.filterwarnings("ignore", r"coroutine '.*' was never awaited", RuntimeWarning)
        complain(f"rcuactors: {error}")
    except click.ClickException as error:
        complain(f"rcuactors: {_usage_text(error)}")
    except (Interrupted, click.Abort):
        complain("interrupted")
        return EXIT_INTERRUPTED
    except ReaderGone:
        silence(sys.stdout)
        return EXIT_READER_GONE
    except Exception as error:
        complain(f"rcuactors: {_internal_error(error)}")
    return EXIT_BAD_INPUT


class ProgramCommand(click.Command):
    """A command whose `main` ends the program by `exit_code_of`."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: ARG002 - this command ends the program in its own way
        **extra: Any,
    ) -> NoReturn:
        """Parse, run, exit."""
        run = super().main
        sys.exit(exit_code_of(lambda: int(run(args, prog_name, complete_var, standalone_mode=False, **extra) or 0)))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse; --help and --version print here."""
        with writing_stdout():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Keep Ctrl-C from Click, which would print a line end of its own."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted from None


class ProgramGroup(ProgramCommand, click.Group):
    """A group of such commands, which knows how to name them."""

    command_class = ProgramCommand

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - Click's own
        """List the subcommands with their whole first sentences, which Click would cut to one line each."""
        rows = [(name, command.get_short_help_str(limit=500)) for name, command in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the subcommand named. Raises BadInput when there is none of that name."""
        name = args[0]
        if name not in self.commands and not name.startswith("-"):
            raise BadInput(f"command {name}: {did_you_mean(name, self.commands)}there are {', '.join(self.commands)}")
        return super().resolve_command(ctx, args)
