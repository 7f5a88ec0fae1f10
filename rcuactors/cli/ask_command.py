"""`rcuactors lockdep ask`: a question in the words of the recordings, and all of them compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import click

from ..config import field_names, split_setting
from ..eras import find_era
from ..errors import BadInput, bad_value
from ..questions.asking import Answer, ask
from ..questions.campaign import pose_all
from ..questions.command import Command, parse_command
from ..questions.comparison import Comparison, Pair
from ..questions.kernels import DEFAULT_KERNEL, KERNELS, MODELLED, find_kernel
from ..questions.recording import Recording, read_recordings
from ..questions.text import answer_lines, comparison_lines
from ..spelling import no_such
from .common import jobs_option
from .output import print_json, print_lines
from .program import EXIT_VIOLATIONS, ProgramCommand
from .screen import with_error
from .session import collect
from .watching import PATIENCE_S


@click.command(
    "ask",
    cls=ProgramCommand,
    epilog="Examples: rcuactors lockdep ask 'a1 v=irq order=first'; rcuactors lockdep ask --all --against recorded",
)
@click.argument("question", required=False)
@click.option("--kernel", "version", default=MODELLED, show_default=True, metavar="VERSION", help="The version to ask.")
@click.option(
    "--as",
    "kernel",
    metavar="|".join(KERNELS),
    help=f"How it is configured (default: {DEFAULT_KERNEL}; with --all, every one that --against has).",
)
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A configuration name; repeatable.")
@click.option("--all", "all_of_them", is_flag=True, help="Put every question of --against and compare.")
@click.option("--against", metavar="DIR", help="Recordings of real kernels: a folder for each kernel.")
@click.option("--only", metavar="TEXT", help="With --all: only questions whose KERNEL/NAME has this in it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
@jobs_option
def ask_command(
    question: str | None,
    version: str,
    kernel: str | None,
    settings: tuple[str, ...],
    all_of_them: bool,
    against: str | None,
    only: str | None,
    as_json: bool,
    jobs: int,
) -> int:
    """Put a question of the recordings to the model, such as 'a1 v=irq order=first', or compare all of them."""
    find_era(version)
    if all_of_them:
        if question is not None or settings:
            raise BadInput("--all takes questions and settings from --against: leave QUESTION and --set out")
        if against is None:
            raise bad_value("--all", "--against DIR, the recordings")
        recordings = _chosen(_of_kernel(read_recordings(against), kernel), only)
        return _compare(recordings, version, jobs, as_json=as_json)
    if question is None:
        raise bad_value("ask", "a question, such as 'a1 v=irq order=first', or --all --against DIR")
    if against is not None or only is not None:
        raise BadInput("--against and --only: need --all")
    return _ask(parse_command(question), version, kernel or DEFAULT_KERNEL, settings, as_json=as_json)


def _ask(command: Command, version: str, kernel: str, settings: Sequence[str], *, as_json: bool) -> int:
    chosen = dict(split_setting(setting) for setting in settings)
    for name in chosen:
        if name not in field_names():
            raise no_such("--set", name, field_names(), wrong="no such name")
    answer = ask(command, find_kernel(kernel), chosen, version=version)
    if answer.not_expressible:
        raise BadInput(f"{command.question}: not expressible: {answer.not_expressible}")
    if as_json:
        print_json(with_error(_document(answer, version, kernel), answer.raised or None))
    else:
        print_lines(answer_lines(answer, kernel if version == MODELLED else f"{version}, {kernel}"))
    if answer.raised:
        raise BadInput(f"{command.question}: {answer.raised}")
    return 0


def _document(answer: Answer, version: str, kernel: str) -> dict[str, Any]:
    return {
        "version": version,
        "kernel": kernel,
        "question": str(answer.question),
        "came_back": answer.ended,
        "reports": [attrs.asdict(report) for report in answer.reports],
        "said": [one.text for one in answer.said],
        "only_ours": list(answer.ours),
        "text": answer.text,
    }


def _of_kernel(recordings: Sequence[Recording], kernel: str | None) -> Sequence[Recording]:
    if kernel is None:
        return recordings
    find_kernel(kernel)
    chosen = [recording for recording in recordings if recording.kernel == kernel]
    if not chosen:
        raise BadInput(f"--as {kernel}: --against has no folder of that name")
    return chosen


def _chosen(recordings: Sequence[Recording], only: str | None) -> Sequence[Recording]:
    if only is None:
        return recordings
    chosen = [recording for recording in recordings if only in f"{recording.kernel}/{recording.name}"]
    if not chosen:
        raise BadInput(f"--only {only}: none of the {len(recordings)} recordings has that in its name")
    return chosen


def _compare(recordings: Sequence[Recording], version: str, jobs: int, *, as_json: bool) -> int:
    pairs: list[Pair] = []
    error = collect(
        pose_all(recordings, jobs, version),
        pairs.append,
        patience_s=PATIENCE_S if jobs == 1 else 0,
        how_far=lambda: f"{len(pairs)} of {len(recordings)} questions",
    )
    comparison = Comparison(tuple(pairs), missing=len(recordings) - len(pairs))
    if as_json:
        print_json(with_error(comparison.as_json(), str(error) if error is not None else None))
    else:
        print_lines(comparison_lines(comparison))
    if error is not None:
        raise error
    return EXIT_VIOLATIONS if comparison.differing else 0
