"""Calls that nobody awaited: nothing was done there, so that a run of which that is all that is wrong says nothing.

A design out of a user's file is rewritten, and stopped at the very call (guard.py). A scenario may come in any
way, so here Python's own warning is heard, which comes when the coroutine is thrown away.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TextIO

from ..errors import ScenarioError
from .pyfile import place_of

_OURS: Final = str(Path(__file__).resolve().parent.parent) + os.sep
_BUNDLED: Final = str(Path(_OURS, "_scenarios")) + os.sep
_WARNING: Final = re.compile(r"coroutine '(?:.*\.)?(.*)' was never awaited")
_CALLER: Final = re.compile(r'^  File "(.*)", line (\d+), in ', re.MULTILINE)
_CALLERS: Final = 4
"""How many callers of each coroutine Python notes: it may be made a few functions of ours below the scenario."""


def _place(message: str, file: str, line: int) -> str:
    """Where a coroutine was made, or else where it was thrown away, unless that is in code of ours."""
    callers = [(caller, int(at)) for caller, at in _CALLER.findall(message)]
    theirs = [place for place in [(file, line), *callers] if not _is_ours(place[0])]
    return f" ({place_of(theirs[-1:])})" if theirs else ""


def _is_ours(file: str) -> bool:
    return file.startswith(_OURS) and not file.startswith(_BUNDLED)


class DroppedCoroutines:
    """The first of them, as an error."""

    def __init__(self) -> None:
        self.error: ScenarioError | None = None

    @contextlib.contextmanager
    def noticed(self, by_caller: bool) -> Iterator[None]:
        """Notice them meanwhile; Python warns when it throws such a coroutine away.

        `by_caller` names the line that made it, also where it has a name until the end; it makes every call a little
        slower. Else it is the line that threw it away.
        """
        before = sys.get_coroutine_origin_tracking_depth()
        if by_caller:
            sys.set_coroutine_origin_tracking_depth(max(before, _CALLERS))
        try:
            with self._warned():
                yield
        finally:
            sys.set_coroutine_origin_tracking_depth(before)

    @contextlib.contextmanager
    def _warned(self) -> Iterator[None]:
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
                    self.error = ScenarioError(
                        f"{found[1]}() is called without `await`{_place(str(message), filename, lineno)}"
                    )

            warnings.showwarning = show
            yield
