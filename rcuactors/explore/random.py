"""The `random` strategy: at every choice point a seeded draw, by the weights that nature would give.

It does not obey time: it is asked at each point who goes on, so a processor may be held up anywhere for any
length, as by a hypervisor. The weights favour those that can go on now over the next deadline, or timers
would overtake everything.
"""

from __future__ import annotations

from ..engine.choice import SeededDraw


class Random(SeededDraw):
    """Durations count for nothing: anyone who can go on may be next, by a seeded draw at every point."""

    name = "random"
    obeys_time = False
