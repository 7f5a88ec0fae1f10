"""What the mechanism asks of its surroundings while it is driven by hand: one awaitable for each thing.

Whoever drives it gets the ask, and sends the answer. Some asks are lines of the recording (a timer is started, a page
is asked for), others are no line: the lock is about to be taken, interrupts are on again.
"""

from __future__ import annotations

import enum
from collections.abc import Generator
from typing import Any

import attrs


class Kind(enum.Enum):
    """What is asked."""

    LOCK = "take krcp->lock"
    GOES_ON = "go on, without the lock"
    HRTIMER = "start the refill's hrtimer"
    TIMER = "start a delayed work's timer"
    QUEUE = "queue a work"
    PAGE = "ask for a page"
    FREE_PAGE = "give a page back"
    BULK = "free a block"
    FREE = "free an object"
    ENTER = "call a function"
    RETURN = "come back from a function"
    GRACE_PERIOD = "wait for a grace period"
    FINISHED = "wait for a work to finish"


HIDDEN = frozenset({Kind.LOCK, Kind.GOES_ON})
WAITS = frozenset({Kind.GRACE_PERIOD, Kind.FINISHED})


@attrs.frozen(eq=False)
class Ask:
    """One. `cpu_id` is the CPU whose state it is about, -1 for none."""

    kind: Kind
    cpu_id: int = -1
    told: tuple[Any, ...] = ()

    def __await__(self) -> Generator[Ask, Any, Any]:
        answer = yield self
        return answer
