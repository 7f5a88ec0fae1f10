"""The `dfs` strategy: all schedules with at most so many preemptions, one after the other.

Preemption-bounded search: Musuvathi and Qadeer, "Iterative Context Bounding for Systematic Testing of Multithreaded
Programs", PLDI 2007.

A preemption is that somebody else goes on although whoever ran last could, and does not yield. Who goes on where that
one cannot costs nothing, and all of it is tried; so is whatever else is decided. It is a depth-first search: each run
repeats the one before up to the last decision that has an option left within the bound.

What may be next at all is the election's matter (`engine/windows.py`). Nothing is drawn, so a seed has no meaning for
it. Durations are not searched through: half a billion nanoseconds are as many options.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from ..engine.decision import NEXT_ACTOR, NOT_OFFERED, Decision, Duration
from ..engine.windows import windows_of
from .searching import Beginnings, Search, outside


class Dfs(Search):
    """Preemption-bounded search: every schedule with at most `preemptions` of them, one after the other.

    Within windows of `window` nanoseconds of virtual time any order is possible.
    """

    name = "dfs"
    bounds: ClassVar = {"preemptions": (0, 1000), "window": (1, 100_000_000)}

    def __init__(self, *, preemptions: int = 2, window: int = 1000) -> None:
        self.preemptions, self.window = preemptions, window
        self.order = windows_of(window)
        self._path: list[int] = []
        self._costs: list[list[int]] = []
        self._taken: list[int] = []
        self._begun = False
        self._fixed = 0
        self._beginnings = Beginnings()

    @property
    def unseen(self) -> tuple[str, ...]:
        """What it cannot show."""
        return (outside(self.window), *super().unseen)

    @property
    def path(self) -> tuple[int, ...]:
        """The options that led to the last run."""
        return tuple(self._path)

    @property
    def astray(self) -> bool:
        """The last run did not begin as it should have."""
        return self._beginnings.astray

    @property
    def done(self) -> float:
        """Which part of the search is behind it, if what has not been tried is like what has."""
        done, part = 0.0, 1.0
        for costs, picked in zip(self._costs, self._taken, strict=True):
            part /= len(costs)
            done += part * picked
        return done

    def upcoming(self) -> tuple[int, ...] | None:
        """How the next schedule begins; None when there is none left within the bound."""
        return next(self.rest(), None) if self._begun else tuple(self._path)

    def below(self, path: tuple[int, ...]) -> Dfs:
        """The part of the search that begins so."""
        part = Dfs(preemptions=self.preemptions, window=self.window)
        part._path, part._fixed = list(path), len(path)
        return part

    def rest(self) -> Iterator[tuple[int, ...]]:
        """What has not been tried yet, as parts: how each of them begins, in the order in which they are tried."""
        spent = sum(costs[picked] for costs, picked in zip(self._costs, self._taken, strict=True))
        for at in range(len(self._taken) - 1, self._fixed - 1, -1):
            costs, picked = self._costs[at], self._taken[at]
            spent -= costs[picked]
            for option in range(picked + 1, len(costs)):
                if spent + costs[option] <= self.preemptions:
                    yield (*self._taken[:at], option)

    def start_run(self, _seed: int) -> bool:
        """Begin the next schedule. False when there is none left within the bound."""
        path = self.upcoming()
        if path is None:
            return False
        self._path, self._begun = list(path), True
        self._beginnings.begin(len(path))
        self._costs, self._taken = [], []
        return True

    def choose(self, decision: Decision) -> int:
        """As the run before, up to where this one differs; after that option 0."""
        if isinstance(decision, Duration):
            return 0
        at = len(self._taken)
        picked = self._beginnings.option(decision, self._path[at] if at < len(self._path) else 0)
        kept = decision.kind is NEXT_ACTOR and decision.current != NOT_OFFERED
        self._costs.append([int(kept and not decision.yields and i != decision.current) for i in range(decision.count)])
        self._taken.append(picked)
        return picked
