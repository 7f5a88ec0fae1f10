"""The `walk` strategy: a uniform random walk. At every decision each option is as likely as any other.

The simplest that there is, and what others are measured against. Unlike `random` it prefers nothing: time passes as
often as any CPU makes a step, an allocation fails as often as it succeeds, a timer is late as often as it is on time.
"""

from __future__ import annotations

from ..engine.choice import Timed
from ..engine.decision import NEXT_ACTOR, Alternatives, Decision
from ..engine.orders import Anyone


class Walk(Timed):
    """A uniform random walk: at every point, each of those that could go on, and the passing of time, alike."""

    name = "walk"
    order = Anyone

    def choose(self, decision: Decision) -> int:
        """Draw each option alike; of durations, of which there are half a billion, as nature would."""
        uniform = self._draw()
        if decision.kind is NEXT_ACTOR or isinstance(decision, Alternatives):
            return int(uniform * decision.count)
        return decision.nature(uniform)
