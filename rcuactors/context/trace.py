"""Call traces: from Python's stack to the kernel functions that it stands for.

A running coroutine's frames are nested as calls are, so the stack at a check is the kernel's call chain. What a frame
stands for its own module says, or the function itself (`marks`): functions of the model bear the kernel's names and
are shown by name; private helpers and machinery are left out; what says nothing is the scenario's, and is shown with
file and line, since those are the lines that the reader can change.
"""

from __future__ import annotations

import contextlib
import enum
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

import attrs
import outcome
import trio

from ..marks import FunctionMark, Mark, mark_of, said_around

_WAITS: Final = (
    str(Path(trio.__file__).parent) + os.sep,
    str(Path(outcome.__file__).parent) + os.sep,
    contextlib.__file__,
)
"""Python's and Trio's own frames between a scenario's lines say nothing about either."""


class _Kind(enum.Enum):
    """What becomes of a frame."""

    BY_NAME = enum.auto()
    SCENARIO = enum.auto()
    HIDDEN = enum.auto()
    BOTTOM = enum.auto()


@attrs.frozen
class _Look:
    """What one function's frames look like. `locking` and `inline` are for places, not for traces.

    `place` is what stands before the line number in a scenario's code; empty for the model's.
    """

    code: CodeType
    kind: _Kind
    name: str
    place: str = ""
    locking: bool = False
    inline: bool = False


_HIDDEN: Final = _Kind.HIDDEN
_BOTTOM: Final = _Kind.BOTTOM
"""By names of the module: each is looked at in every frame, and a member of an enum is found slowly."""

_looks: Final[dict[int, _Look]] = {}
"""By id() of the code object, which a look keeps alive: hashing one costs more than all the rest here."""


_shown: Final[dict[int, _Look | None]] = {}
"""The same without those that are hidden, which most are: None, so that nothing else is to be asked of them."""


def _kind_of(code: CodeType, mark: Mark | None, function: FunctionMark | None) -> _Kind:
    if code.co_filename.startswith(_WAITS):
        return _HIDDEN
    if mark is None:
        return _Kind.SCENARIO
    if mark is Mark.BOTTOM:
        return _BOTTOM
    if function is not None and (function.name or function.hidden):
        return _HIDDEN if function.hidden else _Kind.BY_NAME
    hidden = mark is Mark.MACHINERY or code.co_name.startswith(("_", "<"))
    return _HIDDEN if hidden else _Kind.BY_NAME


def _look_at(code: CodeType, names: Mapping[str, Any]) -> _Look:
    """The look of a function of the module that has these names."""
    look = _looks.get(id(code))
    if look is None:
        mark, function = said_around(names, "__trace__", Mark), mark_of(code)
        kind, name = _kind_of(code, mark, function), (function.name if function is not None else "") or code.co_name
        look = _looks[id(code)] = _Look(
            code,
            kind,
            name,
            place=f"{name} ({Path(code.co_filename).name}:" if kind is _Kind.SCENARIO else "",
            locking=mark is Mark.LOCKING,
            inline=function is not None and function.inline,
        )
        _shown[id(code)] = look if kind is not _HIDDEN else None
    return look


def _shown_at(frame: FrameType) -> _Look | None:
    """The look of a frame of a function that is seen for the first time."""
    look = _look_at(frame.f_code, frame.f_globals)
    return look if look.kind is not _HIDDEN else None


def _text(look: _Look, line: int) -> str:
    """`function (file.py:line)` for a scenario's code, the bare function name for the model's."""
    return f"{look.place}{line})" if look.place else look.name


Origin = tuple[CodeType, int]
"""A place in a function, cheaper to keep than a line: its code object, and the position in it."""


def origin_of(frame: FrameType) -> Origin:
    """Where a frame stands now."""
    code = frame.f_code
    if id(code) not in _looks:
        _look_at(code, frame.f_globals)
    return code, frame.f_lasti


def site_of(origin: Origin) -> str:
    """The text of a place that came from `origin_of`."""
    code, position = origin
    look = _looks[id(code)]
    return _text(look, _line_at(code, position)) if look.place else look.name


_lines: Final[dict[tuple[int, int], int]] = {}
"""By id() of the code object, which a look keeps alive, and the position in it: finding a line costs a walk."""


def _line_at(code: CodeType, position: int) -> int:
    key = id(code), position
    line = _lines.get(key)
    if line is None:
        line = _lines[key] = _line_found(code, position)
    return line


def _line_found(code: CodeType, position: int) -> int:
    for start, end, number in code.co_lines():
        if start <= position < end and number is not None:
            return number
    return code.co_firstlineno


@attrs.frozen(eq=False)
class KeptTrace:
    """A call trace that is kept in case that somebody asks for it: where it went through, and no text yet.

    Each look is followed by the position in that code, so that there is one list to keep, and none of pairs.
    """

    _places: list[Any] = attrs.field(factory=list)

    def lines(self) -> list[str]:
        """As `call_trace` would have told it then."""
        places = self._places
        return [site_of((look.code, position)) for look, position in zip(places[::2], places[1::2], strict=True)]


def keep_trace() -> KeptTrace:
    """The caller's call trace, to be read later or never."""
    at: FrameType | None = sys._getframe(1)
    places: list[Any] = []
    shown = _shown
    while at is not None:
        try:
            look = shown[id(at.f_code)]
        except KeyError:
            look = _shown_at(at)
        if look is not None:
            if look.kind is _BOTTOM:
                break
            places.append(look)
            places.append(at.f_lasti)
        at = at.f_back
    return KeptTrace(places)


def call_trace(start: FrameType | None = None) -> list[str]:
    """The chain of kernel functions and scenario lines, innermost first, from `start` (default: the caller)."""
    frame = start if start is not None else sys._getframe(1)
    lines: list[str] = []
    at: FrameType | None = frame
    while at is not None:
        look = _look_at(at.f_code, at.f_globals)
        if look.kind is _BOTTOM:
            break
        if look.kind is not _HIDDEN:
            lines.append(_text(look, at.f_lineno))
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
        look = _look_at(frame.f_code, frame.f_globals)
        if look.kind not in (_HIDDEN, _BOTTOM):
            lines.append(_text(look, frame.f_lineno))
        at = getattr(at, "cr_await", None) or getattr(at, "gi_yieldfrom", None)
    return lines[::-1]


def site_of_unlock() -> str:
    """Who called the function that lets a lock go (_RET_IP_ of _raw_spin_unlock() and the like)."""
    at: FrameType | None = sys._getframe(2)
    while at is not None and _look_at(at.f_code, at.f_globals).locking:
        at = at.f_back
    return _site_from(at)


def caller_site() -> str:
    """Where the innermost visible frame stands: for "at:" and "Preemption disabled at:" lines."""
    return _site_from(sys._getframe(2))


def user_site() -> str:
    """Where the innermost visible frame stands that takes no lock for somebody else; empty for a device's own doing."""
    at: FrameType | None = sys._getframe(2)
    shown = _shown
    while at is not None:
        try:
            look = shown[id(at.f_code)]
        except KeyError:
            look = _shown_at(at)
        if look is not None:
            if look.kind is _BOTTOM:
                break
            if not (look.locking or look.inline):
                return f"{look.place}{at.f_lineno})" if look.place else look.name
        at = at.f_back
    return ""


def _site_from(at: FrameType | None) -> str:
    shown = _shown
    while at is not None:
        try:
            look = shown[id(at.f_code)]
        except KeyError:
            look = _shown_at(at)
        if look is not None:
            if look.kind is _BOTTOM:
                break
            if not look.inline:
                return f"{look.place}{at.f_lineno})" if look.place else look.name
        at = at.f_back
    return "swapper"


def is_scenarios(frame: FrameType) -> bool:
    """Whether it is a frame of a scenario's code, or a design's: neither the model's, nor Python's, nor Trio's."""
    if str(frame.f_globals.get("__name__")).partition(".")[0] in sys.stdlib_module_names:
        return False
    return _look_at(frame.f_code, frame.f_globals).kind is _Kind.SCENARIO


def scenario_line(lines: Sequence[str]) -> str:
    """`file.py:line` of the innermost scenario frame of a trace, or the innermost function when there is none."""
    for line in lines:
        if line.endswith(")"):
            return line[line.rindex("(") + 1 : -1]
    return lines[0] if lines else "?"
