"""Commands that end as a program should: one line for whatever was wrong, an exit code, no traceback.

Exit codes: 0 clean, 1 violations, 2 bad usage or bad input, 130 interrupted, 143 and 129 ended by SIGTERM and SIGHUP,
141 nobody reads the output any more (what SIGPIPE would have made of it).
"""

from __future__ import annotations

import importlib
import os
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NoReturn

import attrs
import click

from ..errors import BadInput, text_of
from ..spelling import no_such
from .completion import answer_shell, offer_words
from .output import ReaderGone, silence, writing_stdout
from .signals import HEARD

EXIT_VIOLATIONS: Final = 1
EXIT_BAD_INPUT: Final = 2
EXIT_INTERRUPTED: Final = 130
EXIT_READER_GONE: Final = 141
_SIGNALLED: Final = 128
"""And the number of the signal, as a shell has it."""


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


def _internal_error(error: BaseException) -> str:
    if isinstance(error, FileNotFoundError) and _is_nowhere():
        return "the working directory is gone; needs one that is there"
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{os.path.basename(last.filename)}:{last.lineno}"  # noqa: PTH119 - a name out of a traceback, not a path to use
    return f"internal error: {type(error).__name__}: {text_of(error)} ({where})"


def _is_nowhere() -> bool:
    try:
        os.getcwd()  # noqa: PTH109 - whether there is one
    except FileNotFoundError:
        return True
    return False


def exit_code_of(body: Callable[[], int]) -> int:
    """Run the body; turn every exception into its line and its exit code."""
    try:
        return body()
    except BadInput as error:
        # Where one `await` is missing, more coroutines may lie around than the one that was named.
        warnings.filterwarnings("ignore", r"coroutine '.*' was never awaited", RuntimeWarning)
        complain(f"rcuactors: {text_of(error)}")
    except click.ClickException as error:
        complain(f"rcuactors: {_usage_text(error)}")
    except (Interrupted, click.Abort) as error:
        complain(str(error) or "interrupted")
        return EXIT_INTERRUPTED
    except ReaderGone:
        silence(sys.stdout)
        return EXIT_READER_GONE
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        # Whatever it is, SystemExit(0) among them: nothing but a result ends a command well.
        complain(f"rcuactors: {_internal_error(error)}")
    return EXIT_BAD_INPUT


@attrs.define
class Began:
    """When the program began, by the monotonic clock: what it imports is within the time that a user gives it."""

    at: float = 0.0

    @property
    def seconds_ago(self) -> float:
        """How long that is ago."""
        return time.monotonic() - self.at if self.at else 0.0


BEGAN: Final = Began()


class ProgramCommand(click.Command):
    """A command whose `main` ends the program by `exit_code_of`, and that offers a shell the words it takes."""

    def __init__(self, *args: Any, **words: Any) -> None:
        super().__init__(*args, **words)
        offer_words(self)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: ARG002 - this command ends the program in its own way
        **extra: Any,
    ) -> NoReturn:
        """Parse, run, exit."""
        BEGAN.at = time.monotonic()
        run = super().main

        def body() -> int:
            if answer_shell(self, prog_name or "rcuactors"):
                return 0
            return int(run(args, prog_name, complete_var, standalone_mode=False, **extra) or 0)

        with HEARD.listening():
            code = exit_code_of(body)
        # Once told to end, it may also find that there is nobody any more to read what it says.
        told = HEARD.number and code in (EXIT_INTERRUPTED, EXIT_BAD_INPUT, EXIT_READER_GONE)
        sys.exit(_SIGNALLED + HEARD.number if told else code)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse; --help and --version print here."""
        with writing_stdout():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Keep Ctrl-C from Click, which would print a line end of its own; say of a setting where it came from."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted from None
        except BadInput as error:
            given = [text.removeprefix("CONFIG_") for text in ctx.params.get("settings") or ()]
            said = text_of(error)
            if any(said.startswith(f"{text}:") for text in given):
                raise BadInput(f"--set {said}") from error
            raise


class ProgramGroup(ProgramCommand, click.Group):
    """A group of such commands, which knows how to name them."""

    command_class = ProgramCommand

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - Click's own
        """All of them, in the order in which they were added."""
        return list(self.commands)

    def help_line(self, ctx: click.Context, name: str) -> str:
        """The whole first sentence of a command's help."""
        command = self.get_command(ctx, name)
        return command.get_short_help_str(limit=500) if command is not None else ""

    def needs_command(self, ctx: click.Context) -> BadInput:
        """The error for a group that is called without a command."""
        words = ctx.command_path.split()[1:]
        said = " ".join([*words, "needs a command:"])
        return BadInput(f"{said} {', '.join(self.list_commands(ctx))} (`{ctx.command_path} --help` describes them)")

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the subcommands with their whole first sentences, which Click would cut to one line each."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.help_line(ctx, name)) for name in self.list_commands(ctx)])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the subcommand named. Raises BadInput when there is none of that name."""
        name, known = args[0], self.list_commands(ctx)
        if name not in known and not name.startswith("-"):
            raise no_such("command", name, known)
        return super().resolve_command(ctx, args)


@attrs.frozen
class Later:
    """A command by where it is: the module is imported when the command is called, and not for its short help."""

    module: str
    attribute: str
    short_help: str

    def load(self) -> click.Command:
        """The command itself."""
        command = getattr(importlib.import_module(self.module, __package__), self.attribute)
        assert isinstance(command, click.Command)
        return command


class LazyGroup(ProgramGroup):
    """A group whose commands are imported when they are called: a question for help need not wait for all of them."""

    later: Mapping[str, Later] = MappingProxyType({})

    def list_commands(self, ctx: click.Context) -> list[str]:
        """These commands, then those that are there already."""
        return [*self.later, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command if need be."""
        found = self.later.get(cmd_name)
        return found.load() if found is not None else super().get_command(ctx, cmd_name)

    def help_line(self, ctx: click.Context, name: str) -> str:
        """What stands in the list of the others."""
        found = self.later.get(name)
        return found.short_help if found is not None else super().help_line(ctx, name)
