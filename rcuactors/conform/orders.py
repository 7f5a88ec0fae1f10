"""The orders of hidden steps that were tried for one line, and why each of them has not come to it.

A state knows the hidden steps that were made for the line that is looked at, the last of them first. When one is
refused, what it was and why is written down; in words it is put only where nothing explains the line.
"""

from __future__ import annotations

from typing import Final

import attrs

from .lines import Told

AT_MOST: Final = 200
"""So many orders are kept in mind, and their number is told."""


@attrs.frozen
class Step:
    """A hidden step, and those before it. `at` is the line behind which it lies, or the line that it comes before."""

    what: str
    at: int
    before: Step | None = None
    early: bool = False
    """It is told by a line of its own, and was made before that."""


@attrs.define(eq=False)
class Orders:
    """Those of one line."""

    refused: dict[tuple[tuple[tuple[str, int, bool], ...], str], None] = attrs.field(factory=dict)
    more: bool = False

    def clear(self) -> None:
        """Another line is looked at."""
        self.refused.clear()
        self.more = False

    def refuse(self, made: Step | None, why: str) -> None:
        """These steps, in that order, do not lead to the line."""
        if len(self.refused) >= AT_MOST:
            self.more = True
            return
        steps: list[tuple[str, int, bool]] = []
        while made is not None:
            steps.append((made.what, made.at, made.early))
            made = made.before
        self.refused[tuple(reversed(steps)), why] = None

    def reasons(self) -> tuple[str, ...]:
        """Why they have not, each once."""
        return tuple(dict.fromkeys(why for _, why in self.refused))

    def in_words(self, told: Told) -> tuple[str, ...]:
        """Each in words: the steps with the lines that they lie between, and what came of them."""
        said = tuple(f"{_steps(steps, told)}: {why}" for steps, why in self.refused if steps)
        return (*said, "and others, which were not kept in mind") if self.more else said


def _steps(steps: tuple[tuple[str, int, bool], ...], told: Told) -> str:
    return ", then ".join(f"{what} ({_place(at, told, early=early)})" for what, at, early in steps)


def _place(at: int, told: Told, *, early: bool) -> str:
    """Between which lines a step lies."""
    line = told.lines[at]
    if early:
        return f"before line {line.number}"
    following = f" to {told.lines[line.after].number}" if line.after >= 0 else " on"
    return f"from line {line.number}{following}"
