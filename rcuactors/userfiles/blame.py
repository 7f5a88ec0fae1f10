"""Who is to blame for what was raised within a run, said in one line: a scenario, or a design out of a user's file."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, FunctionType
from typing import Final

from ..context.violation import KernelBug
from ..errors import BadInput, DesignError, StepBoundExceeded
from ..kapi import Kernel
from ..scenario import Scenario
from ..spelling import did_you_mean
from .pyfile import DESIGN, MODULE_PREFIX, place_of

_CALLED: Final = ("function", "timer", "work", "head")
"""What the machine calls a function, or what holds it, where it calls it (hrtimers, workqueues, softirqs, RCU)."""


# -- a scenario --------------------------------------------------------------------------------------------------------


def blame_scenario(chosen: Scenario, error: BaseException) -> BadInput:
    """Say what a scenario raised, and where: the innermost line of its own file, and the innermost of all."""
    if isinstance(error, StepBoundExceeded | DesignError):
        return error
    frames = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    file = getattr(getattr(chosen.body, "__code__", None), "co_filename", None)
    own = [entry for entry in frames if entry[0] == file][-1:]
    if isinstance(error, BadInput):
        # It names the function of ours that was given something wrong.
        return BadInput(f"{error} ({place_of(own)})") if own else error
    said = f": {error}" if str(error) else ""
    where = place_of([*own, *frames[-1:]])
    return BadInput(f"scenario {chosen.name} raised {type(error).__name__}{said}{_hint(error)} ({where})")


def _hint(error: BaseException) -> str:
    if isinstance(error, AttributeError) and isinstance(error.obj, Kernel):
        meant = did_you_mean(error.name or "", [name for name in dir(Kernel) if not name.startswith("_")])
        return f"; {meant.rstrip()}" if meant else ""
    if isinstance(error, AttributeError | TypeError) and "'coroutine'" in str(error):
        return "; is an `await` missing?"
    return ""


# -- a design ----------------------------------------------------------------------------------------------------------


def blame_design(error: BaseException) -> BaseException:
    """The error as it is, or as a `DesignError` when it came out of a design's file.

    An exception may have come a long way, out of a timer's handler or a work that the design has set up, and may sit
    in a group.
    """
    cause, frames = error, list(traceback.walk_tb(error.__traceback__))
    while isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[0]
        frames += traceback.walk_tb(cause.__traceback__)
    if isinstance(cause, DesignError):
        return cause
    if not isinstance(cause, Exception | SystemExit) or isinstance(cause, KernelBug | StepBoundExceeded):
        return error
    own = [(frame.f_code.co_filename, line) for frame, line in frames if _is_a_designs(frame.f_globals.get("__name__"))]
    own = own or [place for frame, _ in frames for place in _handlers_in(frame)]
    if not own:
        return error
    last = (frames[-1][0].f_code.co_filename, frames[-1][1])
    said = f": {cause}" if str(cause) else ""
    raised = DesignError(
        f"design file {Path(own[-1][0]).name} raised {type(cause).__name__}{said} ({place_of([own[-1], last])})"
    )
    raised.__cause__ = cause
    return raised


def _is_a_designs(module: object) -> bool:
    return str(module).startswith(f"{MODULE_PREFIX}{DESIGN}_")


def _handlers_in(frame: FrameType) -> Iterator[tuple[str, int]]:
    """Where a function of a design begins that the machine calls: a timer's, a work's, a callback.

    One that is no coroutine function, or returns what it should not, fails in the machine and not in the design's file.
    """
    for name in _CALLED:
        value = frame.f_locals.get(name)
        function = getattr(value, "function", value)
        function = getattr(function, "__func__", function)
        if isinstance(function, FunctionType) and _is_a_designs(function.__module__):
            yield function.__code__.co_filename, function.__code__.co_firstlineno
