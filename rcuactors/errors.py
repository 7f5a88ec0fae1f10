"""The errors that a user of the package can meet, whatever floor they come from, and the words in which they say it.

`BadInput` is the one family that the command line turns into a single line and exit code 2. Anything that the
modelled kernel itself complains of is not an error of ours: it is a `rcuactors.context.violation.Violation`.

What is wrong with a value is said in one form everywhere, `bad_value()`: where it came from and the value, then what
would be right. A name that does not exist is `spelling.no_such()`.
"""

from __future__ import annotations

import inspect
from types import FunctionType, MethodType
from typing import Final

_SHOWN: Final = 60
_PLAIN: Final = (bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset, type(None))


class RcuactorsError(Exception):
    """Root of every exception that the package raises on purpose."""


class BadInput(RcuactorsError, ValueError):
    """An input is wrong: the message names the value and says what would be right."""


class StepBoundExceeded(BadInput):
    """A run took more steps than it was allowed: the scenario probably never ends."""


class TimeIsUp(StepBoundExceeded):
    """A run was given so much real time, and had not ended by then."""


class ScenarioError(BadInput):
    """A scenario has called something wrongly: the message names the file and the line."""


class DesignError(BadInput):
    """A design out of a user's file went wrong while it ran: the message names the file and the line."""


class NothingLeft(RcuactorsError):
    """A strategy was asked for another run, and has tried everything that it had to try."""


class ReplayDiverged(RcuactorsError):
    """A run does not follow the decisions that it was to follow: the message names the first that does not fit."""


def bad_value(where: str, needs: str) -> BadInput:
    """The error for a value, in the one form that all have: `--seed x: needs a whole number`.

    `where` is where it came from and the value itself, as it was given there: `--seed x`, `HZ=x`, `msleep('x')`.
    """
    return BadInput(f"{where}: needs {needs}")


def text_of(foreign: object) -> str:
    """What an object that is not ours says of itself: its `__str__` may do anything, and decides nothing here."""
    try:
        return str(foreign)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return f"(its text cannot be had: __str__() raised {type(error).__name__})"


def shown(value: object) -> str:
    """A value that somebody gave us, for a message of one line, whatever its `__repr__` does."""
    try:
        text = " ".join(repr(value).split())
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return f"a {type(value).__name__} whose __repr__() raised {type(error).__name__}"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def described(value: object) -> str:
    """An argument for a message: plain values as they are written, anything else by its kind and its name."""
    if inspect.iscoroutine(value):
        return f"coroutine {value.__name__}()"
    if isinstance(value, type):
        return f"class {value.__name__}"
    if isinstance(value, FunctionType | MethodType):
        return f"function {value.__name__}()"
    if type(value) in _PLAIN:
        return shown(value)
    try:
        name = getattr(value, "name", None) or getattr(getattr(value, "work", None), "name", None)
    except Exception:
        name = None
    return f"{type(value).__name__}{f' {shown(name)}' if isinstance(name, str) else ''}"
