"""A test's traceback as its author reads it: without the engine's frames and Trio's between the lines of the test.

`--full-trace` shows them all.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Final

import pytest

_OURS: Final = str(Path(__file__).resolve().parent.parent)
_WAITS: Final = ("trio", "outcome", "pytest_trio")
"""Packages whose frames stand between those of an async test."""


def hide_engine(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Take them out of what the test raised, and of what that came of."""
    if call.excinfo is None or item.config.getoption("fulltrace", False):
        return
    raised = call.excinfo.value
    error: BaseException | None = raised
    seen = set[int]()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        error.__traceback__ = _without_engine(error.__traceback__)
        error = error.__cause__ or error.__context__
    if raised.__traceback__ is not None:
        call.excinfo = pytest.ExceptionInfo.from_exception(raised)


def _without_engine(entry: TracebackType | None) -> TracebackType | None:
    """What is left; all of it where nothing would be."""
    shown: TracebackType | None = None
    for one in reversed([one for one in _entries(entry) if not _is_engines(one)]):
        shown = TracebackType(shown, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return shown or entry


def _entries(entry: TracebackType | None) -> list[TracebackType]:
    found = []
    while entry is not None:
        found.append(entry)
        entry = entry.tb_next
    return found


def _is_engines(entry: TracebackType) -> bool:
    frame = entry.tb_frame
    package = str(frame.f_globals.get("__name__")).partition(".")[0]
    return frame.f_code.co_filename.startswith(_OURS) or package in _WAITS
