"""`rcuactors describe RECORDING`: what a trace of a real kernel tells, without a model."""

from __future__ import annotations

import contextlib
import os
import sys

import click

from ..describe import describe
from ..eras import find_era
from .output import print_json, print_lines
from .program import EXIT_BAD_INPUT, EXIT_INTERRUPTED, ProgramCommand, complain
from .watching import HowFar, Stopper, progress_bar


@click.command("describe", cls=ProgramCommand, epilog="Example: rcuactors describe trace.txt.gz")
@click.argument("recording")
@click.option("--probe", default="", metavar="NAME", help="The name of the probe on kvfree_call_rcu().")
@click.option(
    "--kernel",
    "version",
    metavar="VERSION",
    help="The version that was recorded, where the file does not say it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
def describe_command(recording: str, probe: str, version: str | None, as_json: bool) -> int:
    """Describe RECORDING, a trace of a real kernel: who calls, what becomes of it, and what it cannot tell.

    It is ftrace text, plain or gzipped, or what `trace-cmd report` or `perf script` print.
    """
    release = find_era(version).release if version is not None else ""
    stopper = Stopper(patience_s=5.0)
    how_far = HowFar(lambda: not stopper.requested)
    how_far.begins(recording)
    live = sys.stderr is not None and sys.stderr.isatty()
    bar = progress_bar(how_far.say) if live else contextlib.nullcontext()
    with stopper.listening(), bar:
        description = describe(
            recording,
            probe=probe,
            kernel=release,
            progress=how_far.read,
            wanted=lambda: not stopper.requested,
        )
    if as_json:
        print_json(description.as_json())
    else:
        print_lines(description.lines(bars=sys.stdout is not None and sys.stdout.isatty()))
    if description.interrupted:
        complain("interrupted")
        return EXIT_INTERRUPTED
    for problem in description.problems:
        complain(f"rcuactors: recording {os.fsdecode(recording)!r}: {problem}")
    return EXIT_BAD_INPUT if description.problems else 0
