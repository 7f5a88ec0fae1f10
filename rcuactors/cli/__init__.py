"""The command line: `rcuactors list`, `run`, `compare` and so on; and scenario files as programs.

The commands are known here by their short help, and imported when they are called.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NoReturn

import click

from .. import __version__
from ..errors import BadInput
from .program import Later, LazyGroup

if TYPE_CHECKING:
    from ..scenario import Scenario

COMMANDS: Final = MappingProxyType(
    {
        "tour": Later(".tour_command", "tour_command", "Show one scenario on two kernels, and what to type next."),
        "list": Later(".list_command", "list_command", "List what there is of one kind, or all of it in short."),
        "may": Later(
            ".may_command",
            "may_command",
            "Say whether OPERATION, a call as in C, may be made in a context: 'kfree_rcu(p, rcu)' --in raw_spin_lock.",
        ),
        "run": Later(
            ".run_command",
            "run_command",
            "Run SCENARIO, a name (`rcuactors list scenarios`) or the path of a file, and tell what was found.",
        ),
        "check": Later(
            ".check_command",
            "check_command",
            "Find the worst case of SCENARIO: on every version and build, in luckier and unluckier surroundings and "
            "schedules.",
        ),
        "compare": Later(
            ".compare_command",
            "compare_command",
            "Compare the designs: what the kernel says of each in every context, what it costs, and why it won "
            "or lost.",
        ),
        "describe": Later(
            ".describe_command",
            "describe_command",
            "Describe RECORDING, a trace of a real kernel: who calls, what becomes of it, and what it cannot tell.",
        ),
        "conform": Later(
            ".conform_command",
            "conform_command",
            "Hold each RECORDING of a real kernel against the model, decision by decision.",
        ),
        "replay": Later(
            ".replay_command",
            "replay_command",
            "Replay FILE, an ftrace recording (plain or gzipped), and compare the machine with the real kernel.",
        ),
        "lockdep": Later(
            ".lockdep_command",
            "lockdep_command",
            "Ask the lock validator: the kernel's own selftest of it, and what it says of each operation in each "
            "context.",
        ),
        "campaign": Later(
            ".campaign_command",
            "campaign_command",
            "Make many random runs, over all scenarios, versions and builds: exit code 1 if a report is no known bug.",
        ),
        "explore": Later(
            ".explore_command",
            "explore_command",
            "Try many schedules of SCENARIO: exit code 1 if one of them shows a problem, which is cut down and told.",
        ),
        "replay-schedule": Later(
            ".replay_schedule_command",
            "replay_schedule_command",
            "Run the schedule in FILE again, strictly: exit code 1 if it shows what it did, 2 if the run comes apart.",
        ),
        "shrink": Later(
            ".shrink_command",
            "shrink_command",
            "Cut the schedule in FILE down: the same problem with fewer departures, and shorter ones.",
        ),
        "export": Later(
            ".export_command",
            "export_command",
            "Write THING, a run or events in a file, as a trace that KernelShark, trace-cmd or Perfetto opens.",
        ),
        "selfcheck": Later(
            ".selfcheck_command",
            "selfcheck_command",
            "Run scenarios and drawn programs again, from their decisions, on Trio and elsewhere, and compare the "
            "events.",
        ),
        "report": Later(
            ".report_command",
            "report_command",
            "Write what happened in THING as one HTML file: a scenario, a trace or recording, a schedule, a "
            "comparison's JSON.",
        ),
        "api": Later(".api_command", "api_command", "Tell what a scenario can call."),
        "show": Later(".show_command", "show_command", "Print the text of a scenario that comes with the package."),
        "docs": Later(
            ".docs_command",
            "docs_command",
            "Print a page of the documentation, or without PAGE say which there are.",
        ),
        "new": Later(".new_command", "new_command", "Write a file to begin with: a scenario or a design of your own."),
    }
)


class _Commands(LazyGroup):
    later = COMMANDS


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="An executable model of the Linux kernel's kvfree_rcu() and everything it leans on.",
    epilog="Exit status: 0 clean, 1 something was reported or a verdict differs, 2 bad usage or bad input, 130 Ctrl-C, "
    "143 SIGTERM, 129 SIGHUP.",
)
@click.version_option(__version__, prog_name="rcuactors")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Hold the commands; without one, say which there are."""
    if ctx.invoked_subcommand is None:
        raise cli.needs_command(ctx)


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 clean, 1 violations, 2 bad usage or bad input."""
    cli.main(args=args, prog_name="rcuactors")


def run_script(chosen: Scenario, args: Sequence[str] | None = None) -> NoReturn:
    """Run one scenario as a program, with the options of `rcuactors run`, and exit as it does."""
    from ..userfiles.pyfile import importing  # noqa: PLC0415 - `--help` does not need what a run needs
    from .run_command import scenario_command  # noqa: PLC0415 - as above

    if importing():
        raise BadInput('script() runs while the file is imported: put it under `if __name__ == "__main__":`')
    scenario_command(chosen).main(args=args, prog_name=Path(sys.argv[0]).name)


__all__ = ["COMMANDS", "cli", "main", "run_script"]
