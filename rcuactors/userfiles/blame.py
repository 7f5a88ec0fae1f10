"""Who is to blame for what was raised within a run, said in one line: a scenario, or a design out of a user's file."""

from __future__ import annotations

import inspect
import linecache
import re
import traceback
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import FrameType, FunctionType, TracebackType
from typing import Final

import trio

from ..context.locks import Lock
from ..context.trace import is_scenarios
from ..context.violation import KernelBug
from ..engine.errors import NeedsTrio, RunOver
from ..errors import BadInput, DesignError, ScenarioError, StepBoundExceeded, bad_value, text_of
from ..kapi import Kernel
from ..scenario import Scenario
from ..spelling import did_you_mean
from .pyfile import DESIGN, MODULE_PREFIX, place_of

_NO_MISTAKES: Final = (KernelBug, StepBoundExceeded, KeyboardInterrupt, trio.Cancelled, RunOver, NeedsTrio)

_CALLED: Final = ("function", "timer", "work", "head")
"""What the machine calls a function, or what holds it, where it calls it (hrtimers, workqueues, softirqs, RCU)."""


# -- a scenario --------------------------------------------------------------------------------------------------------


def blame_scenario(chosen: Scenario, error: BaseException) -> BadInput:
    """Say what a scenario raised, and where: the innermost line of its own file, and the innermost of all."""
    if isinstance(error, StepBoundExceeded | DesignError | ScenarioError):
        return error
    frames = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    file = getattr(getattr(chosen.body, "__code__", None), "co_filename", None)
    own = [entry for entry in frames if entry[0] == file][-1:]
    if isinstance(error, BadInput):
        # It names the function of ours that was given something wrong.
        return BadInput(f"{text_of(error)} ({place_of(own)})") if own else error
    text = text_of(error)
    said = f": {text}" if text else ""
    where = place_of([*own, *frames[-1:]])
    return BadInput(f"scenario {chosen.name} raised {type(error).__name__}{said}{_hint(error)} ({where})")


def as_exception(chosen: Scenario, error: BaseException) -> Exception:
    """What ended a run, for who makes many and goes on to the next: what would end the program ends that run only.

    That is `sys.exit()` in a scenario, GeneratorExit, or any class of somebody's own, by itself or in a group. Raises
    KeyboardInterrupt, which is nobody's mistake.
    """
    if isinstance(error, Exception):
        return error
    if is_ctrl_c(error):
        raise KeyboardInterrupt from error
    cause = first_cause(error)
    return cause if isinstance(cause, Exception) else _scenario_error(text_of(blame_scenario(chosen, cause)), cause)


def is_ctrl_c(error: BaseException) -> bool:
    """Whether it is a Ctrl-C, also where that came to several at once."""
    if isinstance(error, BaseExceptionGroup):
        return error.subgroup(KeyboardInterrupt) is not None
    return isinstance(error, KeyboardInterrupt)


def first_cause(error: BaseException) -> BaseException:
    """Return the first plain exception in a nest of groups."""
    while isinstance(error, BaseExceptionGroup):
        first = error.exceptions[0]
        # One that was never raised by itself came from where the group did.
        error = first if first.__traceback__ is not None else first.with_traceback(error.__traceback__)
    return error


def _hint(error: BaseException) -> str:
    if isinstance(error, AttributeError) and isinstance(error.obj, Kernel):
        meant = did_you_mean(error.name or "", [name for name in dir(Kernel) if not name.startswith("_")])
        return f"; {meant.rstrip()}" if meant else ""
    return ""


def blame_call(error: BaseException) -> BaseException:
    """The error as it is, or as a `ScenarioError` when a scenario's line has called something wrongly.

    That is what the API refuses, and what Python says of an `await` too many or too few, or of a `with` of the wrong
    kind.
    """
    at = _scenarios_entries(error)[-1:]
    place = line_of(error)
    where = f" ({place})" if place else ""
    if isinstance(error, BadInput):
        own = isinstance(error, StepBoundExceeded | DesignError | ScenarioError)
        return error if own else _scenario_error(f"{text_of(error)}{where}", error)
    if isinstance(error, TypeError | AttributeError) and at:
        slip = _slip(text_of(error), at[0])
        if slip:
            _close_coroutines(getattr(error, "obj", None), *at[0].tb_frame.f_locals.values())
        return _scenario_error(f"{slip}{where}", error) if slip else error
    return error


def _scenarios_entries(error: BaseException) -> list[TracebackType]:
    return [entry for entry in _walk(error) if is_scenarios(entry.tb_frame)]


def line_of(error: BaseException) -> str:
    """`file.py:12`, the innermost line of a scenario's that an error passed through; empty if there is none."""
    at = _scenarios_entries(error)[-1:]
    return place_of([(at[0].tb_frame.f_code.co_filename, at[0].tb_lineno)]) if at else ""


def _walk(error: BaseException) -> Iterator[TracebackType]:
    entry = error.__traceback__
    while entry is not None:
        yield entry
        entry = entry.tb_next


def _scenario_error(text: str, error: BaseException) -> ScenarioError:
    made = ScenarioError(text)
    made.__cause__ = error
    return made


_TOO_MANY: Final = re.compile(r"'await' expression$|object can't be awaited$")
_WITH: Final = re.compile(r"'(\w+)' object does not support the (asynchronous )?context manager protocol")
_HEADER: Final = re.compile(r"\s*((?:async )?with .*?)(?: as [^:]*)?:\s")
_MANAGERS: Final = ("_GeneratorContextManager", "_AsyncGeneratorContextManager")


def _slip(said: str, at: TracebackType) -> str:
    """What was meant, where it is one of the usual slips of who writes `async` functions: else nothing."""
    if "'coroutine'" in said:
        return f"{said}; is an `await` missing?"
    if _TOO_MANY.search(said) and at.tb_next is None:
        code = _expression_at(at)
        called = code.removeprefix("await").strip()
        name = called.partition("(")[0].rpartition(".")[2]
        what = f"{name}() is a plain function, which waits for nothing" if "(" in called else said
        return str(bad_value(code or "await", f"no `await`: {what}"))
    wrong = _WITH.match(said)
    if wrong is None:
        return ""
    header = _HEADER.match(_line_at(at))
    words = "async with" if wrong[2] else "with"
    return _wrong_with(wrong[1], header[1] if header else words, is_async=bool(wrong[2]))


def _wrong_with(kind: str, where: str, *, is_async: bool) -> str:
    """A `with` of the wrong kind, or of what has none."""
    if kind == Lock.__name__:
        return str(
            bad_value(where, "a function that takes the lock, such as k.spin_lock(), and one that lets go of it")
        )
    if kind in _MANAGERS:
        return str(bad_value(where, "`with`, without `async`" if is_async else "`async with`"))
    return ""


def _close_coroutines(*values: object) -> None:
    """What was never awaited has been told of: Python need not do so once more, whenever it throws them away."""
    for value in values:
        if inspect.iscoroutine(value) and inspect.getcoroutinestate(value) == inspect.CORO_CREATED:
            value.close()


def _line_at(at: TracebackType) -> str:
    """The text of the line."""
    return linecache.getline(at.tb_frame.f_code.co_filename, at.tb_lineno)


def _expression_at(at: TracebackType) -> str:
    """The text of the expression that raised, where it stands on one line."""
    code = at.tb_frame.f_code
    first, last, begin, end = next(islice(code.co_positions(), at.tb_lasti // 2, None), (None,) * 4)
    if first is None or first != last:
        return ""
    line = linecache.getline(code.co_filename, first).encode()
    return line[begin:end].decode(errors="replace")


# -- a design ----------------------------------------------------------------------------------------------------------


def is_mistake(error: BaseException) -> bool:
    """Whether it is one of a design's: not a report, nor what ends a run from outside of it.

    `sys.exit()` is one: a design has no say in when the program ends.
    """
    return not isinstance(error, _NO_MISTAKES)


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
    if not is_mistake(cause):
        return error
    own = [(frame.f_code.co_filename, line) for frame, line in frames if _is_a_designs(frame.f_globals.get("__name__"))]
    own = own or [place for frame, _ in frames for place in _handlers_in(frame)]
    if not own:
        return error
    last = (frames[-1][0].f_code.co_filename, frames[-1][1])
    text = text_of(cause)
    said = f": {text}" if text else ""
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
