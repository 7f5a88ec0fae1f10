"""`--live`: what is shown on a terminal while a command works. Without one it works as without the option."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from .program import complain

_F = TypeVar("_F", bound=Callable[..., Any])

NO_TERMINAL: Final = "rcuactors: --live: standard error is no terminal; nothing is shown meanwhile"

_CANNOT: Final = ("dumb", "unknown", "")
"""Values of TERM of which nothing can be drawn over."""


def live_option(shown: str) -> Callable[[_F], _F]:
    """The option; `shown` is what is shown."""
    return click.option("--live", is_flag=True, help=f"On a terminal show meanwhile {shown}.")


def is_live(wanted: bool) -> bool:
    """Whether to draw on stderr. Where that is wanted and cannot be, a line says so: nothing else is different."""
    if not wanted:
        return False
    if sys.stderr is None or not sys.stderr.isatty():
        complain(NO_TERMINAL)
        return False
    if (term := os.environ.get("TERM", "")) in _CANNOT:
        complain(f"rcuactors: --live: TERM={term} is no terminal to draw on; nothing is shown meanwhile")
        return False
    return True
