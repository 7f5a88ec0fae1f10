"""What a function is to a call trace, said where the function is.

A kernel's backtrace shows the functions that were compiled as functions; the model's stack has frames besides that
stand for nothing in the kernel. Which is which is known to whoever writes them, so it is written there: a module, or
a package for all that is in it, says `__trace__ = MACHINERY` (or another `Mark`); where one function differs from its
module, a decorator says so. `context.trace` reads the marks off the frames: no file's place or name matters to it.

A decorator notes the function's code object and returns the same function, so that a call costs what it did.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from types import CodeType
from typing import Final, Protocol, TypeVar

import attrs


class Mark(enum.Enum):
    """What the functions of a module are; read from `__trace__` there, else in the package around it, and so on.

    Code that is in no such module or package is a scenario's, and is shown with file and line.
    """

    KERNEL = enum.auto()
    """Shown by name. Where `_` begins the name it is a helper of ours, and left out."""
    LOCKING = enum.auto()
    """The same, of kernel/locking/: _RET_IP_ of an unlock is whoever called into here."""
    MACHINERY = enum.auto()
    """Ours: left out."""
    BOTTOM = enum.auto()
    """The stack of a thread begins here; what is below is of no interest."""


KERNEL: Final = Mark.KERNEL
LOCKING: Final = Mark.LOCKING
MACHINERY: Final = Mark.MACHINERY
BOTTOM: Final = Mark.BOTTOM


@attrs.define
class FunctionMark:
    """What is said of one function. `code` is kept so that no other code gets its id()."""

    code: CodeType
    hidden: bool = False
    inline: bool = False
    name: str = ""


class _Function(Protocol):
    @property
    def __code__(self) -> CodeType: ...


_F = TypeVar("_F", bound=_Function)

_marks: Final[dict[int, FunctionMark]] = {}
"""By id(): two functions at the same line of two files can be equal as code objects."""


def mark_of(code: CodeType) -> FunctionMark | None:
    """What was said of a function, if anything was."""
    return _marks.get(id(code))


def _mark(function: _Function) -> FunctionMark:
    code = function.__code__
    return _marks.setdefault(id(code), FunctionMark(code))


def machinery(function: _F) -> _F:
    """Left out, though its module's functions are shown."""
    _mark(function).hidden = True
    return function


def inline(function: _F) -> _F:
    """Inline in a header: shown in a trace, but its _THIS_IP_ is a place in whoever calls it."""
    _mark(function).inline = True
    return function


def stands_for(name: str) -> Callable[[_F], _F]:
    """Shown as the kernel's function of that name, whatever ours is called and whatever its module says."""

    def note(function: _F) -> _F:
        _mark(function).name = name
        return function

    return note
