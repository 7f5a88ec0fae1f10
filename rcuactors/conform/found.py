"""A disagreement in words: both sides, and the lines around it."""

from __future__ import annotations

from typing import Final

import attrs

from .explain import Disagreement
from .lines import Line, Told

_AROUND: Final = 6
_BEHIND: Final = 2
_AT_MOST: Final = 8
"""So many of the last states, reasons and steps are printed."""


@attrs.frozen
class Found:
    """One disagreement, in words."""

    line: int
    event: str
    reasons: tuple[str, ...]
    around: tuple[str, ...]
    """The lines before it, it, and some behind it."""
    states: tuple[str, ...] = ()
    """The states that were possible before it, in words."""
    tried: tuple[str, ...] = ()
    """The orders of hidden steps that were tried, each with what came of it."""

    def lines(self) -> list[str]:
        """As it is printed."""
        return [
            f"line {self.line}: {self.event}: no possible state explains it",
            *_some("the model: ", self.reasons),
            *_some("possible before: ", self.states),
            *_some("order tried: ", self.tried),
            "  the recording:",
            *(f"    {line}" for line in self.around),
        ]


def _some(what: str, said: tuple[str, ...]) -> list[str]:
    """At most some of what is said."""
    more = [f"  {what}and {len(said) - _AT_MOST} more"] if len(said) > _AT_MOST else []
    return [*(f"  {what}{one}" for one in said[:_AT_MOST]), *more]


def found_at(told: Told, disagreement: Disagreement) -> Found:
    """What is told of it."""
    line = disagreement.line
    before: list[Line] = []
    for other in reversed(told.lines[: line.at]):
        if other.ctx == line.ctx or other.event:
            before.append(other)
        if len(before) == _AROUND:
            break
    behind = [other for other in told.lines[line.at + 1 :] if other.ctx == line.ctx or other.event][:_BEHIND]
    around = tuple(_shown(one) for one in (*reversed(before), line, *behind))
    what = line.event or "another line"
    return Found(line.number, what, disagreement.reasons, around, disagreement.states, disagreement.tried)


def _shown(line: Line) -> str:
    where, number = line.ctx
    told = " ".join(
        f"{name}={_fact(fact)}" for name, fact in line.told.items() if name not in ("call", "item", "state")
    )
    return f"{line.number:>6}  {where}-{number} [{line.cpu:03d}] {line.event} {told}".rstrip()


def _fact(fact: object) -> str:
    return f"{fact:#x}" if isinstance(fact, int) and fact > 1 << 40 else str(fact)
