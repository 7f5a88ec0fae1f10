"""The `random` strategy: at every point a seeded draw among all that could go on.

It does not obey time: a processor may be held up anywhere, as by a hypervisor, for as long as the engine's fairness
allows. The weights favour those that can go on now over the next deadline, or timers would overtake everything.
"""

from __future__ import annotations

from typing import Final

from ..engine.choice import Timed
from ..engine.decision import NEXT_ACTOR, Decision
from ..engine.orders import Anyone

NATURE_PREFERS_THE_PRESENT: Final = 16
"""How much likelier each actor that could go on is than that time passes."""


class Random(Timed):
    """Durations count for nothing: anyone who can go on may be next, by a seeded draw at every point.

    `present` is the weight of each actor that could go on, against 1 for the passing of time.
    """

    name = "random"
    order = Anyone

    def __init__(self, *, present: int = NATURE_PREFERS_THE_PRESENT) -> None:
        super().__init__()
        self.present = present

    def choose(self, decision: Decision) -> int:
        """Draw: among actors and time by these weights, anything else as nature would."""
        uniform, time = self._draw(), decision.time
        if time < 0 or decision.kind is not NEXT_ACTOR:
            return decision.nature(uniform)
        actors, present = decision.count - 1, self.present
        drawn = int(uniform * (actors * present + 1)) // present
        if drawn == actors:
            return time
        return drawn if drawn < time else drawn + 1
