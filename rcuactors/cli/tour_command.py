"""`rcuactors tour`: the first minute. A scenario, reported on an old kernel, clean on the newest, and what is next."""

from __future__ import annotations

import re
import shlex
import textwrap
from typing import Final

import click

from ..builds import BUILDS
from ..eras import ERAS
from ..report.text import splat_lines, verdict
from ..runs import run
from ..userfiles import load_scenario
from .output import print_lines
from .program import ProgramCommand

_SCENARIO: Final = "raw_lock_caller"
_OLD: Final = "v5.9"
_BUILD: Final = "prove"
_WIDTH: Final = 100
_EMPTY: Final = re.compile(r"\[[ .0-9]+\]")
"""A line of the kernel's log with its time stamp only."""

_NEXT: Final = (
    (f"run {_SCENARIO} --kernel {_OLD} --set PROVE_RAW_LOCK_NESTING=y", "the same with its figures"),
    (f"check {_SCENARIO}", "its worst case, on every version and build"),
    ("may 'kfree_rcu(p, rcu)' --in raw_spin_lock", "whether a context may make a call, without a file"),
    ("list scenarios", "the others; each is a file to read"),
    ("api kmalloc", "what a scenario of yours can call"),
)


@click.command("tour", cls=ProgramCommand, epilog="Example: rcuactors tour")
def tour_command() -> None:
    """Show one scenario on two kernels, and what to type next."""
    chosen, settings = load_scenario(_SCENARIO), BUILDS[_BUILD].settings
    newest = list(ERAS)[-1]
    old, new = (run(chosen, kernel=version, **settings) for version in (_OLD, newest))
    with_settings = " ".join(f"{name}={text}" for name, text in settings.items())
    width = max(len(words) for words, _ in _NEXT)
    print_lines(
        [
            *textwrap.wrap(f"{_SCENARIO}: {chosen.about}", _WIDTH),
            "",
            f"On {_OLD} with {with_settings}:",
            *(line for line in splat_lines(old.violations[0]) if not _EMPTY.fullmatch(line)),
            "",
            f"On {newest}, the same: {verdict(new)}",
            "",
            "Next:",
            *(f"  {shlex.join(['rcuactors', *shlex.split(words)]):<{width + 10}}  {what}" for words, what in _NEXT),
        ]
    )
