"""Calls that nobody awaited: nothing was done there, so that a run of which that is all that is wrong says nothing.

A design out of a user's file is rewritten, and stopped at the very call (guard.py). A scenario may come in any
way, so here Python's own warning is heard, which comes when the coroutine is thrown away.
"""

from __future__ import annotations

import contextlib
import os
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TextIO

from ..errors import ScenarioError
from .pyfile import place_of

_OURS: Final = str(Path(__file__).resolve().parent.parent) + os.sep
_BUNDLED: Final = str(Path(_OURS, "_scenarios")) + os.sep
_WARNING: Final = re.compile(r"coroutine '(?:.*\.)?(.*)' was never awaited")


def _place(file: str, line: int) -> str:
    """Where a coroutine was thrown away, unless that is in code of ours: then it had a name, and that went there."""
    ours = file.startswith(_OURS) and not file.startswith(_BUNDLED)
    return "" if ours else f" ({place_of([(file, line)])})"


class DroppedCoroutines:
    """The first of them, as an error."""

    def __init__(self) -> None:
        self.error: ScenarioError | None = None

    @contextlib.contextmanager
    def noticed(self) -> Iterator[None]:
        """Notice them meanwhile; Python warns when it throws such a coroutine away."""
        with warnings.catch_warnings():
            warnings.filterwarnings("always", _WARNING.pattern, RuntimeWarning)
            others = warnings.showwarning

            def show(
                message: Warning | str,
                category: type[Warning],
                filename: str,
                lineno: int,
                file: TextIO | None = None,
                line: str | None = None,
            ) -> None:
                found = _WARNING.match(str(message))
                if found is None:
                    others(message, category, filename, lineno, file, line)
                elif self.error is None:
                    self.error = ScenarioError(f"{found[1]}() is called without `await`{_place(filename, lineno)}")

            warnings.showwarning = show
            yield
