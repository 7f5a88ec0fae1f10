"""Strategies that go through schedules one after the other, instead of drawing them."""

from __future__ import annotations

import zlib
from typing import Final

from ..engine.choice import Strategy
from ..engine.decision import Decision
from ..engine.orders import Order

NO_DURATIONS: Final = "durations: nobody is held up, and nothing is late"


def outside(window: int) -> str:
    """What an election in windows of so many nanoseconds leaves out."""
    return f"orders of what is not within one window of {window:,} ns (docs/strategies.md)"


class Search(Strategy):
    """One that knows when it has tried everything within its bound: `start_run` says so."""

    @property
    def unseen(self) -> tuple[str, ...]:
        """What it cannot show even when it has tried everything within its bound."""
        return (NO_DURATIONS,)

    @property
    def path(self) -> tuple[int, ...]:
        """The options that lead to the last run; after them option 0."""
        raise NotImplementedError

    def along(self, path: tuple[int, ...]) -> Strategy:
        """That one schedule alone."""
        return Along(path, self.order, self.name)

    def close(self) -> None:
        """No more runs of it are made."""


class Beginnings:
    """Whether runs that were to begin alike did: each decision that they share, by kind, options and virtual time.

    Where a scenario hangs on something else than its decisions, they do not, and then nothing can be said of all.
    `marks` has one for each decision of the last run, made of it and of those before.
    """

    def __init__(self) -> None:
        self.marks: list[int] = []
        self._alike, self._mark = 0, 0
        self._differs = False

    def begin(self, alike: int, mark: int | None = None) -> None:
        """A run that is to come to so many decisions as the one before, or as the one that had that mark there."""
        known = self.marks[alike - 1] if 0 < alike <= len(self.marks) else None
        self._mark = mark if mark is not None else known if known is not None else 0
        self._alike = alike if self._mark else 0
        self.marks, self._differs = [], False

    def option(self, decision: Decision, wanted: int) -> int:
        """The option that is wanted here, as far as there is one."""
        before = self.marks[-1] if self.marks else 1
        self.marks.append(zlib.crc32(f"{decision.kind.name} {decision.count} {decision.now}".encode(), before))
        self._differs |= wanted >= decision.count
        return wanted if wanted < decision.count else 0

    @property
    def astray(self) -> bool:
        """Of the run that was made last: it did not begin as it should have."""
        if not self._alike:
            return self._differs
        return self._differs or len(self.marks) < self._alike or self.marks[self._alike - 1] != self._mark


class Along(Strategy):
    """The options of a path, and option 0 after it."""

    def __init__(self, path: tuple[int, ...], order: type[Order], name: str) -> None:
        self.name, self.order = name, order
        self._path = path
        self._at = 0

    def start_run(self, _seed: int) -> bool:
        """Begin at the beginning."""
        self._at = 0
        return True

    def choose(self, decision: Decision) -> int:
        """The next one."""
        at, self._at = self._at, self._at + 1
        picked = self._path[at] if at < len(self._path) else 0
        return picked if picked < decision.count else 0
