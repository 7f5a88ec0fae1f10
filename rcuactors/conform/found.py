"""A disagreement in words: both sides, and the lines around it."""

from __future__ import annotations

from typing import Final

import attrs

from .explain import Disagreement
from .lines import Line, Told

_AROUND: Final = 6


@attrs.frozen
class Found:
    """One disagreement, in words."""

    line: int
    event: str
    reasons: tuple[str, ...]
    around: tuple[str, ...]
    """The lines before it, and it."""

    def lines(self) -> list[str]:
        """As it is printed."""
        return [
            f"line {self.line}: {self.event}: no possible state explains it",
            *(f"  the model: {reason}" for reason in self.reasons),
            "  the recording:",
            *(f"    {line}" for line in self.around),
        ]


def found_at(told: Told, disagreement: Disagreement) -> Found:
    """What is told of it."""
    line = disagreement.line
    before: list[Line] = []
    for other in reversed(told.lines[: line.at]):
        if other.ctx == line.ctx or other.event:
            before.append(other)
        if len(before) == _AROUND:
            break
    around = tuple(_shown(one) for one in (*reversed(before), line))
    return Found(line.number, line.event or "another line", disagreement.reasons, around)


def _shown(line: Line) -> str:
    where, number = line.ctx
    told = " ".join(
        f"{name}={_fact(fact)}" for name, fact in line.told.items() if name not in ("call", "item", "state")
    )
    return f"{line.number:>6}  {where}-{number} [{line.cpu:03d}] {line.event} {told}".rstrip()


def _fact(fact: object) -> str:
    return f"{fact:#x}" if isinstance(fact, int) and fact > 1 << 40 else str(fact)
