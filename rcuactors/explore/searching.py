"""Strategies that go through schedules one after the other, instead of drawing them."""

from __future__ import annotations

from ..engine.choice import Strategy
from ..engine.decision import Decision
from ..engine.orders import Order


class Search(Strategy):
    """One that knows when it has tried everything within its bound: `start_run` says so."""

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
