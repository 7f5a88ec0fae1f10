"""The `delays` strategy: all schedules with at most d delays, one after the other.

Delay-bounded scheduling: Emmi, Qadeer and Rakamaric, POPL 2011.

The schedule without a delay takes option 0 everywhere. One delay at a decision takes the option after it: whoever would
have gone on is passed over once, or nature's usual way is. So option n costs n delays, and a run may have `d` in all.
It is a depth-first search: each run repeats the one before up to the last decision that has an option left within the
bound, takes that, and goes on without a delay. When there is none any more, everything within the bound was tried.

Nothing is drawn, so a seed has no meaning for it. Durations are not searched through: half a billion nanoseconds are as
many options.
"""

from __future__ import annotations

from typing import ClassVar

from ..engine.choice import Strategy
from ..engine.decision import Decision, Duration
from ..engine.orders import Anyone
from .searching import NO_DURATIONS, Beginnings


class Delays(Strategy):
    """Delay-bounded search: every schedule in which options are passed over at most `d` times, one after the other."""

    name = "delays"
    order = Anyone
    durations = False
    bounds: ClassVar = {"d": (0, 100)}

    unseen = (NO_DURATIONS,)

    def __init__(self, *, d: int = 1) -> None:
        self.d = d
        self._path: list[int] = []
        self._fixed = 0
        self._counts: list[int] = []
        self._more = True
        self._begun = False
        self._mark: int | None = None
        self._beginnings = Beginnings()

    @property
    def astray(self) -> bool:
        """The last run did not begin as it should have."""
        return self._beginnings.astray

    @property
    def counts(self) -> tuple[int, ...]:
        """How many options each decision of the last run had."""
        return tuple(self._counts)

    @property
    def path(self) -> tuple[int, ...]:
        """The options that the last run took, without those after its last delay."""
        return tuple(self._path)

    def along(self, path: tuple[int, ...]) -> Delays:
        """That one schedule alone."""
        one = Delays(d=0)
        one._path = list(path)
        one._fixed = len(path)
        return one

    @property
    def marks(self) -> tuple[int, ...]:
        """By what each decision of the last run is told from another beginning."""
        return tuple(self._beginnings.marks)

    def below(self, number: int, option: int, mark: int | None = None) -> Delays:
        """The part of the search in which the first delay is at that decision, which has that mark, to that option."""
        part = Delays(d=self.d)
        part._path = [0] * number + [option]
        part._fixed, part._mark = number + 1, mark
        return part

    def start_run(self, _seed: int) -> bool:
        """Begin the next schedule. False when there is none left within the bound."""
        mark = None if self._begun else self._mark
        if self._begun:
            self._more = self._more and self._advance()
        self._begun = True
        if self._more:
            self._counts = []
            self._beginnings.begin(len(self._path), mark)
        return self._more

    def choose(self, decision: Decision) -> int:
        """As the run before, up to where this one differs; after that option 0."""
        if isinstance(decision, Duration):
            return 0
        at = len(self._counts)
        self._counts.append(decision.count)
        return self._beginnings.option(decision, self._path[at] if at < len(self._path) else 0)

    def _advance(self) -> bool:
        """Find the last decision at which one delay more is within the bound."""
        path = [*self._path, *[0] * (len(self._counts) - len(self._path))]
        spent = sum(path)
        for at in range(len(self._counts) - 1, self._fixed - 1, -1):
            if spent < self.d and path[at] + 1 < self._counts[at]:
                self._path = [*path[:at], path[at] + 1]
                return True
            spent -= path[at]
        return False
