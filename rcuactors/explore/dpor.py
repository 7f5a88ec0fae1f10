"""The `dpor` strategy: one schedule for each class of schedules that differ in something, and no other.

Dynamic partial-order reduction: Flanagan and Godefroid, POPL 2005. What is to be tried is read off the races of each
run, and not tried when some run has begun so (`frontier`): in the place of sleep sets (Abdulla, Aronis, Jonsson and
Sagonas, POPL 2014), so that no run is begun that comes to nothing new, at the price of memory for the classes that were
seen.

Why nothing is missed: let a class not be tried, and take the run that has most of its beginning in common with it.
What the class does next is in the run, too, but after something that is not in that beginning, so it is in a race with
some such step. Swapping that leaves the common beginning as it was, and there is one such step less before what comes
next; and so on until none is left, and the beginning in common is longer. Where it is not in the run, since that ended
before, there is a run with that step in the place of the last one. This holds for what footprints know.

What else is decided in a step, such as whether an allocation fails, is another class each. Durations are not searched
through.
"""

from __future__ import annotations

import contextlib
from typing import ClassVar

from ..engine.choice import Outcome
from ..engine.decision import NOT_OFFERED, Decision, Duration, NextActor
from ..engine.windows import windows_of
from .footprints import Footprints
from .frontier import Frontier, Guide, Made
from .partial_order import PartialOrder
from .searching import Along, Search, outside


class Guided(Search):
    """Runs that begin as they are told, and are `made` then: their steps, and what these have touched."""

    name = "dpor"

    def __init__(self, *, window: int) -> None:
        self.window = window
        self.footprints = Footprints()
        self.order = type("Windows", (windows_of(window),), {"steps": self.footprints})
        self._guides: tuple[Guide, ...] = ()
        self.made: Made | None = None
        self._path: list[int] = []
        self._lost = False
        self._looking = contextlib.ExitStack()

    @property
    def path(self) -> tuple[int, ...]:
        """The options that the last run took."""
        return tuple(self._path)

    def close(self) -> None:
        """Nobody looks on any more."""
        self._looking.close()

    def begin_with(self, guides: tuple[Guide, ...]) -> None:
        """The next run is to make these steps first."""
        self._guides = guides

    def start_run(self, _seed: int) -> bool:
        """Begin as was said."""
        self._lost, self._path = False, []
        if not self.footprints.are_installed:
            self._looking.enter_context(self.footprints.installed())
        return True

    def choose(self, decision: Decision) -> int:
        """As the beginning says; after that option 0."""
        picked = 0
        if isinstance(decision, NextActor):
            picked = self._whose(decision)
        elif not isinstance(decision, Duration):
            picked = self._other(decision)
            # What is decided outside of steps is nobody's, and no other option of it would be tried.
            self._lost |= self.footprints.current is None and decision.count > 1
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

    def end_run(self, outcome: Outcome) -> None:
        """Read off what was made."""
        self.footprints.end_of_run(outcome.failure)
        steps = self.footprints.steps
        astray = self._lost or any(
            at >= len(steps) or steps[at].actor != whose for at, (whose, _) in enumerate(self._guides)
        )
        self.made = Made(PartialOrder(steps), self.path, astray, self.footprints.passed_over)


class Dpor(Guided):
    """Partial-order reduction: one schedule of each class that differs in something, all of them, one after the other.

    Within windows of `window` nanoseconds of virtual time any order is possible.
    """

    bounds: ClassVar = {"window": (1, 100_000_000)}

    def __init__(self, *, window: int = 1000) -> None:
        super().__init__(window=window)
        self.frontier = Frontier()

    @property
    def unseen(self) -> tuple[str, ...]:
        """What it cannot show."""
        callbacks = "that a callback reads what another changes, where both are variables of the scenario's own"
        return (outside(self.window), *super().unseen, callbacks)

    def along(self, path: tuple[int, ...]) -> Along:
        """That one schedule alone, and nobody looks on."""
        return Along(path, windows_of(self.window), self.name)

    def start_run(self, seed: int) -> bool:
        """Begin the next schedule. False when there is none left."""
        if self.frontier.runs:
            wanted = self.frontier.next()
            if wanted is None:
                self.close()
                return False
            self.begin_with(wanted.guides)
        return super().start_run(seed)

    def end_run(self, outcome: Outcome) -> None:
        """Read off what else is to be tried."""
        super().end_run(outcome)
        assert self.made is not None
        self.frontier.take(self.made)
