"""The same problem by another schedule, where the one that was found cannot be cut down.

A schedule that starves somebody for half a second, as those of `pct` and `walk` do, has a thousand departures, and time
goes another way with any part of them left out. What needs a moment of a microsecond is gone then. The same problem may
have a schedule of a few hold-ups all the same, and to seek that takes no more runs than are made in vain otherwise.
"""

from __future__ import annotations

from typing import Final

from ..explore import make_any_strategy
from .attempt import Attempt
from .finding import Signature
from .plan import with_points
from .shrink import shows

SOUGHT: Final = 60
"""Schedules that are tried."""

_STRATEGY: Final = "holds"
"""Its schedules are short from the beginning."""


def sought_anew(attempt: Attempt, signature: Signature, most: int = SOUGHT) -> tuple[str, int, int]:
    """Strategy and seed of a schedule that shows that problem, none (empty) where there is none; and runs."""
    name = with_points(attempt, _STRATEGY)
    replays = 1
    for seed in range(min(most - 1, SOUGHT)):
        replays += 1
        if shows(attempt, seed, make_any_strategy(name), signature):
            return name, seed, replays
    return "", 0, replays
