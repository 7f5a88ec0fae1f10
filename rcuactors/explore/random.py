"""The `random` strategy: at every choice point a seeded draw, by the weights that nature would give.

It does not obey time: it is asked at each point who goes on, so a processor may be held up anywhere for any
length, as by a hypervisor. The weights favour those that can go on now over the next deadline, or timers
would overtake everything.
"""

from __future__ import annotations

import random

from ..engine.choice import ChoicePoint, weighted_index


class Random:
    """Durations count for nothing: anyone who can go on may be next, by a seeded draw at every point."""

    name = "random"
    obeys_time = False

    def __init__(self) -> None:
        self._rng = random.Random(0)

    def start_run(self, seed: int) -> None:
        """Seed the draws."""
        self._rng = random.Random(seed)

    def choose(self, point: ChoicePoint) -> int:
        """Draw by weight."""
        return weighted_index(self._rng, point.weights)

    def end_run(self) -> None:
        """Nothing to put away."""
