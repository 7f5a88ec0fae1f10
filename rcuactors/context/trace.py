"""Call traces: from Python's stack to the kernel functions that it stands for.

A running coroutine's frames are nested as calls are, so the stack at a check is the kernel's call chain. Public
functions of the model bear the kernel's names and are shown by name; private helpers and the machinery below are left
out; frames outside the package are the scenario's, and are shown with file and line, since those are the lines that
the reader can change.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import Final

import outcome
import trio

_PACKAGE: Final = str(Path(__file__).resolve().parent.parent)
_MACHINERY: Final = tuple(
    str(Path(_PACKAGE, part))
    for part in (
        "engine",
        "context",
        "designs",
        str(Path("rcu", "oracle.py")),
        str(Path("kernel", "locking", "deadlock.py")),
        str(Path("mm", "page_lists.py")),
        str(Path("mm", "irqsave.py")),
        "machine.py",
        "scenario.py",
        "kapi",
        "testing.py",
        "report",
        "cli",
        "explore",
    )
)
_LOCKING: Final = (str(Path(_PACKAGE, "kernel", "locking")) + os.sep, str(Path(_PACKAGE, "kapi", "locking.py")))
_FLOW: Final = frozenset(
    {
        "point",
        "attend",
        "hardirq",
        "body",
        "run_handler",
        "main",
        "sleep",
        "sleep_on",
        "sleep_in_idle",
        "spend",
        "local_lock",
        "raw_release",
        "spin",
        "spin_on_owner",
        "note_switch",
        "report",
        "report_underflow",
        "check_dereference",
    }
)
_WAITS: Final = (
    str(Path(trio.__file__).parent) + os.sep,
    str(Path(outcome.__file__).parent) + os.sep,
    contextlib.__file__,
)
"""Python's and Trio's own frames between a scenario's lines say nothing about either."""
_INLINE: Final = frozenset(
    {
        "local_bh_disable",
        "rcu_read_lock",
        "rcu_read_lock_bh",
        "rcu_read_lock_sched",
        "rcu_read_unlock",
        "rcu_read_unlock_bh",
        "rcu_read_unlock_sched",
    }
)
"""Inline in include/linux/bottom_half.h and rcupdate.h: their _THIS_IP_ is a place in whoever calls them."""
_DRIVER: Final = str(Path(_PACKAGE, "engine", "strand.py"))

_kinds: dict[CodeType, str] = {}


def _classify(code: CodeType) -> str:
    """'model', 'scenario', 'hidden' or 'bottom' (the strand's driver, below which nothing is of interest)."""
    kind = _kinds.get(code)
    if kind is None:
        name = code.co_filename
        if name == _DRIVER:
            kind = "bottom"
        elif name.startswith(_WAITS):
            kind = "hidden"
        elif not name.startswith(_PACKAGE + os.sep) or name.startswith(str(Path(_PACKAGE, "_scenarios"))):
            kind = "scenario"
        elif code.co_name.startswith(("_", "<")) or code.co_name in _FLOW:
            kind = "hidden"
        else:
            kind = "hidden" if name.startswith(_MACHINERY) else "model"
        _kinds[code] = kind
    return kind


def site_of(code: CodeType, line: int) -> str:
    """`function (file.py:line)` for a scenario's code, the bare function name for the model's."""
    if _classify(code) == "scenario":
        return f"{code.co_name} ({Path(code.co_filename).name}:{line})"
    return code.co_name


def site_in(code: CodeType, position: int) -> str:
    """The same for a position in a code object (a frame's f_lasti), which is cheaper to keep than a line."""
    line = code.co_firstlineno
    for start, end, number in code.co_lines():
        if start <= position < end and number is not None:
            line = number
            break
    return site_of(code, line)


def call_trace(start: FrameType | None = None) -> list[str]:
    """The chain of kernel functions and scenario lines, innermost first, from `start` (default: the caller)."""
    frame = start if start is not None else sys._getframe(1)
    lines: list[str] = []
    at: FrameType | None = frame
    while at is not None:
        kind = _classify(at.f_code)
        if kind == "bottom":
            break
        if kind != "hidden":
            lines.append(site_of(at.f_code, at.f_lineno))
        at = at.f_back
    return lines


def suspended_trace(coroutine: object) -> list[str]:
    """The same for a coroutine that is suspended: its chain of awaits, innermost first."""
    lines: list[str] = []
    at: object = coroutine
    while at is not None:
        frame = getattr(at, "cr_frame", None) or getattr(at, "gi_frame", None)
        if frame is None:
            break
        if _classify(frame.f_code) not in ("hidden", "bottom"):
            lines.append(site_of(frame.f_code, frame.f_lineno))
        at = getattr(at, "cr_await", None) or getattr(at, "gi_yieldfrom", None)
    return lines[::-1]


def site_of_unlock() -> str:
    """Who called the function that lets a lock go (_RET_IP_ of _raw_spin_unlock() and the like)."""
    at: FrameType | None = sys._getframe(2)
    while at is not None and at.f_code.co_filename.startswith(_LOCKING):
        at = at.f_back
    return _site_from(at)


def caller_site() -> str:
    """Where the innermost visible frame stands: for "at:" and "Preemption disabled at:" lines."""
    return _site_from(sys._getframe(2))


def _site_from(at: FrameType | None) -> str:
    while at is not None:
        kind = _classify(at.f_code)
        if kind == "bottom":
            break
        if kind == "scenario" or (kind == "model" and at.f_code.co_name not in _INLINE):
            return site_of(at.f_code, at.f_lineno)
        at = at.f_back
    return "swapper"


def scenario_line(lines: Sequence[str]) -> str:
    """`file.py:line` of the innermost scenario frame of a trace, or the innermost function when there is none."""
    for line in lines:
        if line.endswith(")"):
            return line[line.rindex("(") + 1 : -1]
    return lines[0] if lines else "?"
