"""Strategies that go through schedules one after the other, instead of drawing them."""

from __future__ import annotations

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
