"""What a search by partial orders knows: the classes of schedules that it has tried, and what is still to be tried.

From each run its races are read off: two steps of different actors that touch the same thing, with nothing in between.
For each of them a run is wanted in which the second comes first: all that does not depend on the first of the two, then
the second, then whatever happens when nothing special does. It is not made when a run that has been made begins so, up
to the order of independent steps. That is looked up by the names of steps (`partial_order`).

A run that fails ends before others have made steps that they could have made, so no race with these is in it. For each
who was passed over at its last step a run is wanted in which that one goes on in the place of that step. And that step
is in a race with whatever others did before it: without it the run would have had another end.

Which beginning is tried next depends on what came of the ones before, and on nothing else: whoever makes the runs, in
however many processes, has the same ones in the same order.
"""

from __future__ import annotations

from collections.abc import Container, Iterator

import attrs

from .footprints import Step
from .partial_order import PartialOrder

Guide = tuple[str, tuple[int, ...]]
"""A step to be made: whose, and what is to be decided in it."""

Key = tuple[frozenset[int], Guide]


@attrs.frozen
class Wanted:
    """A beginning to be tried: steps in their order. `known`: names of all but the last, which is `last`'s next."""

    guides: tuple[Guide, ...]
    known: frozenset[int]
    number: int

    @property
    def key(self) -> Key:
        """What tells it from others, whatever the order of what is independent in it."""
        return self.known, self.guides[-1]


@attrs.frozen
class Made:
    """A run that was made: its partial order, the options that it took, and whether it did not begin as wanted.

    `passed_over` are those who could have gone on when it ended: it failed, or its last step was the end of it.
    """

    order: PartialOrder
    path: tuple[int, ...]
    astray: bool
    passed_over: tuple[str, ...]

    def without_footprints(self) -> Made:
        """The same, to be sent to another process: which things were touched has no meaning there."""
        return attrs.evolve(self, order=self.order.without_footprints())


class Seen:
    """The classes that were tried: which of them have which steps."""

    def __init__(self) -> None:
        self.classes: dict[int, int] = {}
        self._having: dict[int, int] = {}
        self._nexts: dict[tuple[str, int], dict[int, frozenset[int]]] = {}

    def take(self, order: PartialOrder) -> bool:
        """One more run; whether its class is new."""
        name = order.name
        if name in self.classes:
            return False
        bit = 1 << len(self.classes)
        self.classes[name] = len(self.classes)
        for at, step in enumerate(order.steps):
            named = order.names[at]
            if named not in self._having:
                past = order.past[at]
                before = frozenset(order.names[other] for other in range(at) if past >> other & 1)
                self._nexts.setdefault((step.actor, order.number[at]), {})[named] = before
            self._having[named] = self._having.get(named, 0) | bit
        return True

    def begins(self, wanted: Wanted, picks: dict[int, tuple[int, ...]]) -> bool:
        """Whether some run begins so."""
        actor, decided = wanted.guides[-1]
        having = -1
        for name in wanted.known:
            having &= self._having.get(name, 0)
            if not having:
                return False
        for named, before in self._nexts.get((actor, wanted.number), {}).items():
            fits = before <= wanted.known and picks[named][: len(decided)] == decided
            if fits and having & self._having[named]:
                return True
        return False


class Frontier:
    """What is to be tried next, by what was tried: runs are taken in (`take`) in the order in which they are wanted."""

    def __init__(self) -> None:
        self.seen = Seen()
        self.runs = self.repeated = self.astray = 0
        self._stack: list[Wanted] = []
        self._asked: set[Key] = set()
        self._tried: set[Key] = set()
        self._picks: dict[int, tuple[int, ...]] = {}

    @property
    def left(self) -> int:
        """Beginnings that are still to be tried, if no other run turns out to begin so."""
        return len(self._stack)

    def next(self) -> Wanted | None:
        """The next beginning that no run has had; None when there is none left."""
        while self._stack:
            wanted = self._stack.pop()
            if not self._is_tried(wanted):
                return wanted
        return None

    def ahead(self, known: Container[Key]) -> Iterator[Wanted]:
        """Those that would come after that, without those known; some may turn out to be tried by then."""
        return (wanted for wanted in reversed(self._stack) if wanted.key not in known and not self._is_tried(wanted))

    def _is_tried(self, wanted: Wanted) -> bool:
        """Once it is, it always will be."""
        tried = wanted.key in self._tried or self.seen.begins(wanted, self._picks)
        if tried:
            self._tried.add(wanted.key)
        return tried

    def take(self, made: Made) -> None:
        """Read off a run what else is to be tried."""
        self.runs += 1
        self.astray += made.astray
        order = made.order
        if not self.seen.take(order):
            self.repeated += 1
            return
        for at, name in enumerate(order.names):
            self._picks.setdefault(name, _picked(order.steps[at]))
        for race in order.races():
            before = order.without(race.first)
            rest = [at for at in before if at != race.second and not order.past[at] >> race.second & 1]
            self._want(order, rest, order.steps[race.second].actor, ())
        for at, step in enumerate(order.steps):
            for which, (_, picked, count) in enumerate(step.picks):
                rest = order.without(at)
                for other in range(count):
                    if other != picked:
                        self._want(order, rest, step.actor, (*_picked(step)[:which], other))

        for actor in made.passed_over:
            self._want(order, list(range(len(order.steps) - 1)), actor, ())

    def _want(self, order: PartialOrder, rest: list[int], actor: str, picks: tuple[int, ...]) -> None:
        steps = order.steps
        guides = *((steps[at].actor, _picked(steps[at])) for at in rest), (actor, picks)
        number = sum(steps[at].actor == actor for at in rest)
        wanted = Wanted(guides, frozenset(order.names[at] for at in rest), number)
        if wanted.key not in self._asked:
            self._asked.add(wanted.key)
            self._stack.append(wanted)


def _picked(step: Step) -> tuple[int, ...]:
    return tuple(picked for _, picked, _ in step.picks)
