"""`--report FILE`: a finding as plain text, of the commands that find one, run one again or cut one down."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from ..hunt.keep import Kept
from ..hunt.report import MOST_LINES, report_lines
from .whole_file import WholeFile

Function = TypeVar("Function", bound=Callable[..., Any])

_OPTION: Final = click.option(
    "--report", metavar="FILE", help=f"Write what was found there, as plain text of at most {MOST_LINES} lines."
)


def report_option(function: Function) -> Function:
    """The option, for a command."""
    return _OPTION(function)


def write_report(name: str, kept: Kept) -> None:
    """Write it. Raises OutputError."""
    with WholeFile("--report", name) as file:
        file.write("\n".join(report_lines(kept)) + "\n")
