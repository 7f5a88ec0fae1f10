"""The `pct` strategy: priorities that change at d - 1 points.

Burckhardt et al., "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs", ASPLOS 2010.

Each thread has a priority, drawn when it is first seen; of those that can go on the highest does, at every point. At
d - 1 points, drawn among the run's, whoever runs falls below all others. A bug that needs d things to happen in one
order is then met with a probability of at least 1 / (n * k^(d-1)), n threads and k points.

Time is one that could go on among the others, with a priority of its own, or nothing that waits for a timer would ever
overtake a thread. PCT starves: that is its point, and a kernel takes it for a stall. How long is the engine's matter
(`engine/fairness.py`): when what a run may be unfair is used up, whoever has waited longest goes on.
"""

from __future__ import annotations

from typing import ClassVar, Final

from ..engine.choice import Timed
from ..engine.decision import NEXT_ACTOR, Decision
from ..engine.orders import Anyone

_TIME: Final = "time"


class Pct(Timed):
    """PCT: the thread of the highest drawn priority goes on; at `d` - 1 points whoever runs falls below all others.

    The points are among the first so many `points` of the run.
    """

    name = "pct"
    order = Anyone
    bounds: ClassVar = {"d": (1, 100)}

    def __init__(self, *, d: int = 3, points: int = 500) -> None:
        super().__init__()
        self.d, self.points = d, points
        self._priorities: dict[str, float] = {}
        self._changes: dict[int, int] = {}
        self._point = 0

    def start_run(self, seed: int) -> bool:
        """Draw the points at which priorities change; the priorities themselves are drawn as threads are seen."""
        super().start_run(seed)
        self._priorities = {}
        self._changes = {int(self._draw() * self.points): -number for number in range(1, self.d)}
        self._point = 0
        return True

    def choose(self, decision: Decision) -> int:
        """The highest priority, after the change that is due here; anything that is no actor as nature would."""
        if decision.kind is not NEXT_ACTOR:
            return decision.nature(self._draw())
        names = [decision.option(index) if index != decision.time else _TIME for index in range(decision.count)]
        priorities = self._priorities
        for name in names:
            if name not in priorities:
                priorities[name] = self._draw()
        best = max(range(decision.count), key=lambda index: priorities[names[index]])
        changed = self._changes.get(self._point)
        self._point += 1
        if changed is not None:
            priorities[names[best]] = changed
            best = max(range(decision.count), key=lambda index: priorities[names[index]])
        return best
