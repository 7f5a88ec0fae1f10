"""A recording held against a version, and what came of it in words.

Three ways to end: all decisions agree; a line that no possible state explains; or undecided, because events are missing
without which nothing can be decided. Undecided is never agreement.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import PurePath
from typing import Any, Final

import attrs

from ..eras import find_era
from ..eras.era import Era
from ..errors import BadInput
from ..traces import Trace
from ..traces.forms import release_of
from ..traces.source import told_by
from ..traces.trace import Progress
from .course import Course, Make, Watch
from .explain import Explainer
from .found import Found
from .lines import Told
from .pieces import PIECE, Pieces

AGREES: Final = 0
DISAGREES: Final = 1
UNDECIDED: Final = 2

_SPANS: Final = 8
"""So many of the stretches that were compared are printed."""

_DEFAULTS: Final = {(6, 1): "v6.1-stable", (6, 12): "v6.12", (6, 6): "v6.6", (6, 18): "v6.18"}
"""What a recording is held against whose kernel says no more than this."""


@attrs.frozen
class Conformance:
    """What came of one recording."""

    name: str
    kernel: str
    version: str
    compared: dict[str, int]
    """Decisions that agree, by kind."""
    found: tuple[Found, ...]
    undecided: str
    until: str
    """Why it was compared no further than it was; "" if to its end."""
    spans: tuple[tuple[int, int], ...]
    """What was compared: the first line and the last of each stretch."""
    gaps: tuple[str, ...]
    """What is missing, and whether the comparison began again behind it."""
    without: tuple[str, ...]
    """Events of which it has no line: what those would tell was not compared."""
    interrupted: bool
    """Somebody has ended it where it was."""
    lines_read: int
    calls: int
    steps: int
    """Hidden steps, in all orders that were tried."""
    most_states: int

    @property
    def exit_code(self) -> int:
        """0: all agrees; 1: it does not; 2: undecided."""
        if self.found:
            return DISAGREES
        return UNDECIDED if self.undecided else AGREES

    @property
    def partial(self) -> bool:
        """Something is missing in it, so that there are lines which were not compared; or nobody wanted the rest."""
        return bool(self.gaps or self.interrupted)

    def _spans(self) -> str:
        told = [f"{first:,} to {last:,}" for first, last in self.spans[:_SPANS]]
        more = len(self.spans) - _SPANS
        return ", ".join([*told, *([f"and {more:,} more parts"] if more > 0 else [])]) or "none"

    def lines(self) -> list[str]:
        """As it is printed."""
        total = sum(self.compared.values())
        wrong = len(self.found)
        said = [f"recording {self.name}, held against {self.version}"]
        if self.partial:
            said.append(f"only a part is compared: lines {self._spans()} of {self.lines_read:,}")
            said += [f"  {gap}" for gap in self.gaps]
        if self.interrupted:
            said.append("interrupted: what was compared until then follows")
        if self.undecided:
            said.append(f"undecided: {self.undecided}")
        if total or wrong:
            said.append(f"{total + wrong} decisions compared, {total} agree")
            width = max((len(kind) for kind in self.compared), default=0)
            said += [f"  {kind:<{width}}  {number:>7,}" for kind, number in sorted(self.compared.items())]
            said.append(f"{self.steps:,} hidden steps, at most {self.most_states} states at once")
            if self.without:
                said.append(f"no lines of {', '.join(self.without)}: what those would tell was not compared")
        if self.until:
            said.append(f"compared until {self.until}")
        for found in self.found:
            said += found.lines()
        return said

    def as_json(self) -> dict[str, Any]:
        """As one document."""
        return {
            "recording": self.name,
            "kernel": self.kernel,
            "version": self.version,
            "verdict": ("agrees", "disagrees", "undecided")[self.exit_code],
            "undecided": self.undecided,
            "compared": sum(self.compared.values()) + len(self.found),
            "agreed": sum(self.compared.values()),
            "by_kind": dict(sorted(self.compared.items())),
            "disagreements": [attrs.asdict(found) for found in self.found],
            "until": self.until,
            "partial": self.partial,
            "lines": self.lines_read,
            "compared_lines": [list(span) for span in self.spans],
            "gaps": list(self.gaps),
            "without": list(self.without),
            "interrupted": self.interrupted,
            "calls": self.calls,
            "hidden_steps": self.steps,
            "most_states": self.most_states,
        }


Begun = Callable[[Course], object]


def conform(
    path: str | os.PathLike[str],
    *,
    version: str = "",
    probe: str = "",
    from_line: int = 0,
    keep_going: bool = False,
    progress: Progress | None = None,
    watch: Watch | None = None,
    piece: int = PIECE,
    begun: Begun = lambda _: None,
) -> Conformance:
    """Hold a recording against a version of the model, `version`, "" for that of its kernel.

    `from_line`: begin at the first state that is told from that line on. `keep_going`: after a disagreement, begin
    again at the next. `watch` is told the number of each line, and says whether to go on. `piece`: how many lines are
    held in memory at once, if there is a state among them to go on from. `begun` is given what counts, before it
    does. Raises BadInput for what is no recording, or
    one of another kernel.
    """
    release = find_era(version).release if version else ""
    pieces = Pieces(Trace(path, probe=probe, kernel=release, progress=progress), from_line, piece, watch)
    told = pieces.begin()
    course = Course(_era_of(told, version, os.fsdecode(path)), keep_going, watch=watch)
    begun(course)
    header = told.header
    try:
        course.along(told, pieces)
    except BadInput as error:
        raise told_by(path, error) from None
    return _conformance(course, header.name or PurePath(os.fsdecode(path)).name, header.kernel, pieces.lines_read)


def conform_told(
    told: Told, era: Era, *, name: str = "", keep_going: bool = False, make: Make = Explainer
) -> Conformance:
    """The same with what was read already, and a version that may be nobody's. `make`: by whom it is explained."""
    course = Course(era, keep_going, make)
    course.along(told)
    return _conformance(course, name, told.header.kernel, told.lines[-1].number)


def _conformance(course: Course, name: str, kernel: str, lines_read: int) -> Conformance:
    return Conformance(
        name,
        kernel,
        course.era.name,
        dict(course.compared),
        tuple(course.found),
        course.undecided,
        course.until,
        tuple(course.spans),
        tuple(course.gaps),
        course.without(),
        course.interrupted,
        lines_read,
        course.calls,
        course.steps,
        course.most,
    )


def _era_of(told: Told, version: str, path: str) -> Era:
    """The version to hold it against. Raises BadInput where the recording says that it is of another kernel."""
    recorded = release_of(told.header.kernel)
    if not version:
        known = _DEFAULTS.get(recorded) if recorded is not None else None
        if known is None:
            raise BadInput(f"recording {path!r}: say by --kernel what it is held against")
        return find_era(known)
    era = find_era(version)
    if recorded is not None and release_of(era.release) != recorded:
        raise BadInput(
            f"recording {path!r} is of a kernel {recorded[0]}.{recorded[1]}, and cannot be held against {era.name}"
        )
    return era
