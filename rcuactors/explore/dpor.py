"""The `dpor` strategy: one schedule for each class of schedules that differ in something, and no other.

Dynamic partial-order reduction: Flanagan and Godefroid, POPL 2005. From each run its races are read off: two steps of
different actors that touch the same thing, with nothing in between. For each of them a run is asked for in which the
second comes first: all that does not depend on the first of the two, then the second, then whatever happens when
nothing special does. It is not made when a run that has been made begins so, up to the order of independent steps. That
is looked up by the names of steps (`partial_order`), in the place of sleep sets (Abdulla, Aronis, Jonsson and Sagonas,
POPL 2014): no run is begun that comes to nothing new, at the price of memory for the classes that were seen.

Why nothing is missed: let a class not be tried, and take the run that has most of its beginning in common with it.
What the class does next is in the run, too, but after something that is not in that beginning, so it is in a race with
some such step. Swapping that leaves the common beginning as it was, and there is one such step less before what comes
next; and so on until none is left, and the beginning in common is longer. This holds for what footprints know.

What else is decided in a step, such as whether an allocation fails, is another class each. Durations are not searched
through.
"""

from __future__ import annotations

import contextlib
from typing import ClassVar

import attrs

from ..engine.choice import Outcome
from ..engine.decision import NOT_OFFERED, Decision, Duration, NextActor
from ..engine.windows import windows_of
from .footprints import Footprints, Step
from .partial_order import PartialOrder
from .searching import Along, Search, outside

Guide = tuple[str, tuple[int, ...]]
"""A step to be made: whose, and what is to be decided in it."""


@attrs.frozen
class _Wanted:
    """A beginning to be tried: steps in their order. `known`: names of all but the last, which is `last`'s next."""

    guides: tuple[Guide, ...]
    known: frozenset[int]
    number: int

    @property
    def key(self) -> tuple[frozenset[int], Guide]:
        return self.known, self.guides[-1]


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

    def begins(self, wanted: _Wanted, picks: dict[int, tuple[int, ...]]) -> bool:
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


class Dpor(Search):
    """Partial-order reduction: one schedule of each class that differs in something, all of them, one after the other.

    Within windows of `window` nanoseconds of virtual time any order is possible.
    """

    name = "dpor"
    bounds: ClassVar = {"window": (1, 100_000_000)}

    def __init__(self, *, window: int = 1000) -> None:
        self.window = window
        self.footprints = Footprints()
        self.order = type("Windows", (windows_of(window),), {"steps": self.footprints})
        self.seen = Seen()
        self.runs = self.repeated = self.astray = 0
        self._stack: list[_Wanted] = []
        self._asked: set[tuple[frozenset[int], Guide]] = set()
        self._picks: dict[int, tuple[int, ...]] = {}
        self._path: list[int] = []
        self._guides: tuple[Guide, ...] = ()
        self._lost = False
        self._looking = contextlib.ExitStack()

    @property
    def unseen(self) -> tuple[str, ...]:
        """What it cannot show."""
        callbacks = "that a callback reads what another changes, where both are variables of the scenario's own"
        return (outside(self.window), *super().unseen, callbacks)

    @property
    def path(self) -> tuple[int, ...]:
        """The options that the last run took."""
        return tuple(self._path)

    def along(self, path: tuple[int, ...]) -> Along:
        """That one schedule alone, and nobody looks on."""
        return Along(path, windows_of(self.window), self.name)

    def close(self) -> None:
        """Nobody looks on any more."""
        self._looking.close()

    @property
    def left(self) -> int:
        """Beginnings that are still to be tried, if no other run turns out to begin so."""
        return len(self._stack)

    def start_run(self, _seed: int) -> bool:
        """Begin the next schedule. False when there is none left."""
        self._guides, self._lost, self._path = (), False, []
        if self.runs:
            wanted = self._next()
            if wanted is None:
                self.close()
                return False
            self._guides = wanted.guides
        if not self.footprints.are_installed:
            self._looking.enter_context(self.footprints.installed())
        return True

    def _next(self) -> _Wanted | None:
        while self._stack:
            wanted = self._stack.pop()
            if not self.seen.begins(wanted, self._picks):
                return wanted
        return None

    def choose(self, decision: Decision) -> int:
        """As the beginning says; after that option 0."""
        picked = 0
        if isinstance(decision, NextActor):
            picked = self._whose(decision)
        elif not isinstance(decision, Duration):
            picked = self._other(decision)
            self.footprints.decided(decision.kind.name, picked, decision.count)
        self._path.append(picked)
        return picked

    def _whose(self, decision: NextActor) -> int:
        at = len(self.footprints.steps)
        if at >= len(self._guides) or self._lost:
            return 0
        wanted = self._guides[at][0]
        found = next((i for i in range(decision.count) if decision.actor(i).name == wanted), NOT_OFFERED)
        self._lost = found == NOT_OFFERED
        return max(found, 0)

    def _other(self, decision: Decision) -> int:
        at = len(self.footprints.steps) - 1
        if not 0 <= at < len(self._guides) or self._lost:
            return 0
        picks, made = self._guides[at][1], len(self.footprints.steps[at].picks)
        return picks[made] if made < len(picks) and picks[made] < decision.count else 0

    def end_run(self, _outcome: Outcome) -> None:
        """Read off what else is to be tried."""
        self.footprints.end()
        self.runs += 1
        steps = self.footprints.steps
        order = PartialOrder(steps)
        astray = self._lost or any(
            at >= len(steps) or steps[at].actor != whose for at, (whose, _) in enumerate(self._guides)
        )
        self.astray += astray
        if not self.seen.take(order):
            self.repeated += 1
            return
        for at, name in enumerate(order.names):
            self._picks.setdefault(name, _picked(steps[at]))
        self._want_others(order)

    def _want_others(self, order: PartialOrder) -> None:
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

    def _want(self, order: PartialOrder, rest: list[int], actor: str, picks: tuple[int, ...]) -> None:
        steps = order.steps
        guides = *((steps[at].actor, _picked(steps[at])) for at in rest), (actor, picks)
        number = sum(steps[at].actor == actor for at in rest)
        wanted = _Wanted(guides, frozenset(order.names[at] for at in rest), number)
        if wanted.key not in self._asked:
            self._asked.add(wanted.key)
            self._stack.append(wanted)


def _picked(step: Step) -> tuple[int, ...]:
    return tuple(picked for _, picked, _ in step.picks)
