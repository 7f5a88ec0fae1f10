"""Calls that nobody awaited: nothing was done there, so that a run of which that is all that is wrong says nothing.

A design out of a user's file is rewritten, and stopped at the very call (guard.py). A scenario may come in any
way, so here Python's own warning is heard, which comes when the coroutine is thrown away.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import os
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TextIO

from ..errors import ScenarioError
from .pyfile import place_of

_OURS: Final = str(Path(__file__).resolve().parent.parent) + os.sep
_BUNDLED: Final = str(Path(_OURS, "_scenarios")) + os.sep
_WARNING: Final = re.compile(r"coroutine '(?:.*\.)?(.*)' was never awaited")


def _place(file: str, line: int) -> str:
    """Where a coroutine was thrown away, unless that is in code of ours: then it had a name, and that went there."""
    return "" if _is_ours(file) else f" ({place_of([(file, line)])})"


def _places_of_calls(body: Callable[..., Any], name: str) -> str:
    """Where its file calls it without `await`. Python could note who makes a coroutine, and is slow then."""
    try:
        file = inspect.getsourcefile(inspect.unwrap(body)) or ""
        tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, TypeError, ValueError):
        return ""
    kept = [node.value for node in ast.walk(tree) if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr)]
    calls = [value for value in kept if isinstance(value, ast.Call) and _name_of(value.func) == name]
    places = [place_of([(file, call.lineno)]) for call in sorted(calls, key=lambda call: call.lineno)]
    return f" ({' or '.join(dict.fromkeys(places))})" if places else ""


def _name_of(function: ast.expr) -> str:
    return getattr(function, "attr", getattr(function, "id", ""))


def _is_ours(file: str) -> bool:
    return file.startswith(_OURS) and not file.startswith(_BUNDLED)


class DroppedCoroutines:
    """The first of them, as an error."""

    def __init__(self) -> None:
        self.error: ScenarioError | None = None

    @contextlib.contextmanager
    def noticed(self, body: Callable[..., Any] | None = None) -> Iterator[None]:
        """Notice them meanwhile; Python warns when it throws such a coroutine away.

        Where that is not at the call, which had its result kept under a name, the calls in the file of `body` are told.
        """
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
                    place = _place(filename, lineno) or (_places_of_calls(body, found[1]) if body is not None else "")
                    self.error = ScenarioError(f"{found[1]}() is called without `await`{place}")

            warnings.showwarning = show
            yield
