"""What a function is to a call trace, said where the function is.

A kernel's backtrace shows the functions that were compiled as functions; the model's stack has frames besides that
stand for nothing in the kernel. Which is which is known to whoever writes them, so it is written there: a module, or
a package for all that is in it, says `__trace__ = MACHINERY` (or another `Mark`); where one function differs from its
module, a decorator says so. `context.trace` reads the marks off the frames: no file's place or name matters to it.

A decorator notes the function's code object and returns the same function, so that a call costs what it did.
"""

from __future__ import annotations

import enum
import sys
from collections.abc import Callable, Mapping
from types import CodeType, FrameType
from typing import Any, Final, Protocol, TypeVar

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


class Side(enum.Enum):
    """Whose business a function does, for who asks on whose behalf something happens.

    Read from `__side__` of its module, else of the package around it, and so on; `on_side()` says it of one function.
    """

    KVFREE = enum.auto()
    """kvfree_rcu(): its callers' part, its workers and timers."""
    DESIGN = enum.auto()
    """A design's."""
    ALLOCATOR = enum.auto()
    """An allocator's that hands out objects: its pages are its own, unless a design has called it."""
    FREEING = enum.auto()
    """Objects go back: from here on it is the allocator's business, whoever has called."""
    NOBODY = enum.auto()
    """A thread or an interrupt begins here: nobody has called."""


@attrs.define
class FunctionMark:
    """What is said of one function. `code` is kept so that no other code gets its id()."""

    code: CodeType
    hidden: bool = False
    inline: bool = False
    name: str = ""
    side: Side | None = None


class _Function(Protocol):
    @property
    def __code__(self) -> CodeType: ...


_F = TypeVar("_F", bound=_Function)
_E = TypeVar("_E", bound=enum.Enum)

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


def on_side(side: Side) -> Callable[[_F], _F]:
    """Whose business it does, whatever its module says."""

    def note(function: _F) -> _F:
        _mark(function).side = side
        return function

    return note


def side_of(frame: FrameType) -> Side | None:
    """Whose business the function of a frame does; None where nothing is said of it."""
    function = _marks.get(id(frame.f_code))
    if function is not None and function.side is not None:
        return function.side
    return said_around(frame.f_globals, "__side__", Side)


def said_around(names: Mapping[str, Any], word: str, kind: type[_E]) -> _E | None:
    """What a module's names say of it under that word, or those of the packages around it, the innermost first."""
    said = names.get(word)
    if isinstance(said, kind):
        return said
    around = names.get("__package__") or ""
    if around == names.get("__name__"):
        around = around.rpartition(".")[0]
    package = sys.modules.get(around)
    return said_around(vars(package), word, kind) if package is not None else None


def stands_for(name: str) -> Callable[[_F], _F]:
    """Shown as the kernel's function of that name, whatever ours is called and whatever its module says."""

    def note(function: _F) -> _F:
        _mark(function).name = name
        return function

    return note
