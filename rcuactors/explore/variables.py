"""A scenario's own variables, as things that steps read and write.

Nobody declares them, so they are looked at where they are: in the frames of threads that run code of a user's. What
functions share (a variable of an enclosing function, a module's) is told by its name, and a container by itself. A step
has read all that the frames of its thread can see at its end or could see at its beginning, and has written what is
another value then. An object of a class of the user's own may have become anything: it counts as written.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import CodeType, FrameType
from typing import Any, Final

from ..engine.parking import run_in_place
from ..engine.strand import Strand, is_strands

_FOLDER: Final = __file__.rpartition("explore")[0]
_HOSTS: Final[frozenset[CodeType]] = frozenset({run_in_place.__code__})

PLAIN: Final = object()
UNKNOWN: Final = object()
"""What `kind_of` says of a value that cannot change, and of one of which nothing is known. Else: what it holds."""

Thing = tuple[int, str]
KindOf = Callable[[Any], object]


def _is_users(frame: FrameType) -> bool:
    return not frame.f_code.co_filename.startswith(_FOLDER)


def _running() -> Iterator[FrameType]:
    """The frames of a user's code of the strand that moves, innermost first."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not is_strands(frame) and frame.f_code not in _HOSTS:
        if _is_users(frame):
            yield frame
        frame = frame.f_back


class Variables:
    """What the threads of one run can see; `kind_of` tells values apart."""

    def __init__(self, kind_of: KindOf) -> None:
        self._kind_of = kind_of
        self._frames: dict[Strand, tuple[FrameType, ...]] = {}
        self._values: dict[Thing, object] = {}
        self._kept: list[object] = []

    def look(self, strand: Strand) -> tuple[set[Thing], set[Thing]]:
        """At the end of a step of that strand, on its stack: (what it can have read, what was written)."""
        read: set[Thing] = set()
        if frames := self._frames.get(strand):
            read.update(thing for frame in frames for thing, _ in self._of(frame))
        if not strand.machinery:
            if frames := tuple(_running()):
                self._frames[strand] = frames
            else:
                self._frames.pop(strand, None)
        written: set[Thing] = set()
        now: dict[Thing, object] = {}
        for whose, frames in self._frames.items():
            for frame in frames:
                for thing, value in self._of(frame):
                    now[thing] = value
                    if whose is strand:
                        read.add(thing)
        for thing, value in now.items():
            if (value is UNKNOWN and thing in read) or self._values.get(thing, value) != value:
                written.add(thing)
        self._values.update(now)
        return read, written

    def _of(self, frame: FrameType) -> Iterator[tuple[Thing, object]]:
        """What can be seen from a frame, and what it is now."""
        code = frame.f_code
        local, shared = frame.f_locals, {*code.co_freevars, *code.co_cellvars}
        for name, value in list(local.items()):
            if name in shared:
                yield (0, name), value if isinstance(value, int | str) else id(value)
            yield from self._content(value)
        for name in code.co_names:
            if name in frame.f_globals:
                value = frame.f_globals[name]
                yield (0, f"global {name}"), value if isinstance(value, int | str) else id(value)
                yield from self._content(value)

    def _content(self, value: object) -> Iterator[tuple[Thing, object]]:
        held = self._kind_of(value)
        if held is not PLAIN:
            self._kept.append(value)
            yield (id(value), "contents"), held
