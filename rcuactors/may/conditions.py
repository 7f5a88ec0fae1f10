"""The conditions in which a call is tried: what may be different when it is made for the thousandth time.

Which of them a call is tried in follows from what its worst cases hang on (calls/form.py). The words say when it is
"no", if it is not always.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final

import attrs

from .calls import Form, Worst
from .places import Place


class Lists(enum.Enum):
    """What the CPU's page list and the slab of that size hold before the call."""

    FILLED = "filled"
    EMPTY = "empty"


@attrs.frozen(kw_only=True)
class Condition:
    """One of them.

    `turns`: how often the call is made in one go. `warm`: kvfree_rcu()'s cache of pages was filled before. `contended`:
    another CPU holds the lock, or takes pages and frees them. `low`: the zone is below its low watermark. `areas`: what
    it is given is of vmalloc(). `interrupts`: the NMI finds its CPU with the lock held.
    `includes`: the condition that its first call is made in, which needs no trial of its own where this one is clean.
    """

    name: str
    when: str
    lists: Lists = Lists.FILLED
    turns: int = 1
    warm: bool = False
    contended: bool = False
    low: bool = False
    areas: bool = False
    interrupts: bool = False
    includes: str = ""

    @property
    def holds_locks(self) -> bool:
        """Somebody else may hold a lock that the call wants."""
        return self.contended or self.interrupts


_MANY_FREED: Final = 300
"""Twice what the page list and the slabs of these machines hold."""
_MANY_QUEUED: Final = 100
"""More than the blocks of a cache of pages hold here (trial.py), and than a sheaf."""

FIRST: Final = Condition(name="first", when="at the first call")
EMPTY: Final = Condition(name="empty", when="once the CPU's page list is empty", lists=Lists.EMPTY, turns=3)
FULL: Final = Condition(
    name="full", when="once the CPU's page list or slab is full", turns=_MANY_FREED, includes="first"
)
WARM: Final = Condition(name="warm", when="while kvfree_rcu() has pages in its cache", warm=True)
LATER: Final = Condition(name="later", when="at a later call", turns=4, includes="first")
MANY: Final = Condition(name="many", when="after many calls", turns=_MANY_QUEUED, includes="first")
CONTENDED: Final = Condition(name="contended", when="when contended", contended=True)
TAKEN_BY_TWO: Final = Condition(name="contended", when="when contended", lists=Lists.EMPTY, turns=24, contended=True)
FREED_BY_TWO: Final = Condition(name="contended", when="when contended", turns=_MANY_FREED, contended=True)
LOW: Final = Condition(name="low", when="when memory is low", low=True)
INTERRUPTS: Final = Condition(name="interrupts", when="when it interrupts who holds its lock", interrupts=True)
AREA: Final = Condition(name="vmalloc", when="when p is from vmalloc()", areas=True)

_BY_WORST: Final[Mapping[Worst, tuple[Condition, ...]]] = {
    Worst.NOTHING: (FIRST, LATER, CONTENDED),
    Worst.LOCK: (FIRST, CONTENDED),
    Worst.TAKES: (FIRST, EMPTY, LOW, TAKEN_BY_TWO),
    Worst.FREES: (FIRST, FULL, FREED_BY_TWO),
    Worst.QUEUES: (FIRST, WARM, EMPTY, MANY, LOW, TAKEN_BY_TWO),
    Worst.AREAS: (FIRST, CONTENDED),
}


def conditions_of(form: Form, place: Place) -> tuple[Condition, ...]:
    """What a call of this form is tried in there, the usual case first."""
    interrupts = place.contexts[0] == "nmi"
    return (*_BY_WORST[form.worst], *((AREA,) if form.areas_too else ()), *((INTERRUPTS,) if interrupts else ()))
