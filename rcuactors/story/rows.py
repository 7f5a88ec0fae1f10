"""One thing that happened, as a story has it."""

from __future__ import annotations

import enum
from typing import Final

import attrs

from ..context.violation import Violation

NOBODY: Final = -1
"""The CPU of what is nobody's: timers' devices, grace periods."""

LASTS_NS: Final = 1_000_000
"""A reader that lasts so long keeps others waiting, and whoever is held up so long is late."""


class Level(enum.IntEnum):
    """How much something bears on a run: what is of the last is told only where there is room."""

    LANDMARK = 0
    """A report, a grace period: nothing is folded across it."""
    STEP = 1
    DETAIL = 2


@attrs.frozen(kw_only=True)
class Row:
    """What happened at one moment, or several times: `count`, the last time at `until_ns`.

    `name` is what it is asked for by (`-e`), and what style it has. Rows of one column that have the same `same` are
    one thing that repeats itself; `amount` of `unit` is added up then. `again` is how many rows before it, in its
    column, this one stands for: they came `count` times more.
    """

    time_ns: int
    cpu: int
    name: str
    text: str
    same: str = attrs.field(default=attrs.Factory(lambda row: row.text, takes_self=True))
    level: Level = Level.STEP
    amount: int = 0
    unit: str = ""
    count: int = 1
    until_ns: int = attrs.field(default=attrs.Factory(lambda row: row.time_ns, takes_self=True))
    again: int = 0
    report: Violation | None = None

    @property
    def key(self) -> tuple[str, str, int]:
        """What makes two rows of a column one."""
        return (self.name, self.same, self.again)

    def and_once_more(self, other: Row) -> Row:
        """Both as one."""
        return attrs.evolve(
            self,
            count=self.count + other.count,
            until_ns=max(self.until_ns, other.until_ns),
            amount=self.amount + other.amount,
        )
