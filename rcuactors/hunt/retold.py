"""A schedule told as hold-ups: who could have gone on, and did not for a while, was held up for that long.

Where anyone may go next at every point, somebody is held up by being passed over again and again, in departures without
number. In order of time it is one decision, with a duration. So it is noted whom a schedule passed over, since when and
for how long, and that is tried as hold-ups. Whether they show the same problem is seen by running them: what needs an
order of two steps within a moment, or a device that is late, cannot be told so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import attrs

from ..engine.choice import Strategy, Wrapper
from ..engine.decision import HOLD_UP, NEXT_ACTOR, Decision
from .attempt import Attempt
from .finding import Signature
from .follow import Departure, Keyed
from .schedule import find_policy
from .shrink import shows

AS_HOLD_UPS: Final = "in order of time, but for hold-ups"
"""The policy that such a schedule departs from."""

_SHORTEST_NS: Final = (4_000_000, 1_000_000, 100_000)
"""What counts as held up, in one attempt after the other."""
_EARLIER_NS: Final = 100_000
"""With nobody in the way steps come earlier, by that at most."""


@attrs.frozen
class Passed:
    """Somebody was passed over: `whose`, since when, and for how long (ns)."""

    whose: str
    since: int
    ns: int


class Noting(Wrapper):
    """Notes who is passed over by the inner strategy: `passed`, in the order in which it was over."""

    def __init__(self, inner: Strategy) -> None:
        super().__init__(inner)
        self.passed: list[Passed] = []
        self._waits: dict[tuple[str, int], int] = {}
        """Those that were passed over at the last decision, by since when they could have gone on: until when."""

    def start_run(self, seed: int) -> bool:
        """Begin anew."""
        self.passed, self._waits = [], {}
        return super().start_run(seed)

    def choose(self, decision: Decision) -> int:
        """Ask the inner one, and note whom it passes over."""
        picked = super().choose(decision)
        if decision.kind is NEXT_ACTOR:
            others = [index for index in range(decision.count) if index not in (picked, decision.time)]
            waits = {(decision.option(index), decision.due(index)): decision.now for index in others}
            for whose, since in self._waits:
                if (whose, since) not in waits:
                    # It goes on now, or has done so where there was nothing to decide.
                    self.passed.append(Passed(whose, since, decision.now - since))
            self._waits = waits
        return picked

    def all(self) -> list[Passed]:
        """Those, too, that did not go on until the end."""
        return [*self.passed, *(Passed(whose, since, until - since) for (whose, since), until in self._waits.items())]


class HeldUp(Keyed):
    """Holds up whoever was passed over, from the first of its points then, for as long."""

    def __init__(self, policy: Strategy, passed: Iterable[Passed]) -> None:
        super().__init__(policy)
        self._all = sorted(passed, key=lambda one: -one.since)
        self._left: dict[str, list[Passed]] = {}

    def start_run(self, seed: int) -> bool:
        """Begin anew."""
        self._left = {}
        for one in self._all:
            self._left.setdefault(one.whose, []).append(one)
        return super().start_run(seed)

    def pick(self, decision: Decision, _kind: str, whose: str, _nth: int) -> int:
        """For how long the one that comes here is held up."""
        left = self._left.get(whose)
        if decision.kind is not HOLD_UP or not left or left[-1].since - _EARLIER_NS > decision.now:
            return 0
        return min(left.pop().ns, decision.count - 1)


def _attempts(passed: list[Passed]) -> Iterator[HeldUp]:
    """The long ones, then shorter ones, too, where there are any."""
    tried = 0
    for shortest in _SHORTEST_NS:
        held = [one for one in passed if one.ns >= shortest]
        if len(held) > tried:
            tried = len(held)
            yield HeldUp(find_policy(AS_HOLD_UPS), held)


def retold(attempt: Attempt, seed: int, strategy: Strategy, signature: Signature) -> tuple[tuple[Departure, ...], int]:
    """What `strategy` does in that run as departures from `AS_HOLD_UPS`, none where that does not show it; and runs."""
    noting = Noting(strategy)
    shows(attempt, seed, noting, signature)
    replays = 1
    for held in _attempts(noting.all()):
        replays += 1
        if shows(attempt, seed, held, signature):
            return tuple(held.departures), replays
    return (), replays
