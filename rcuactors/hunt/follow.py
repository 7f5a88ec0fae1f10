"""Following a schedule freely: departures by who they happen to, so that some can be left out.

A schedule file counts decisions, and where one departure is left out, all later numbers are others. So while a
schedule is cut down, a departure is told by whose decision it is and the how manieth of that one's: the fifth time that
CPU 2's reader could be held up, the third time that CPU 0 could be passed over. What does not fit any more is left out,
and what was really decided is written down again by number at the end.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import attrs

from ..engine.choice import Strategy, Wrapper
from ..engine.decision import HOLD_UP, NEXT_ACTOR, NOT_OFFERED, Alternatives, Decision, Duration

_ALL: Final = 1 << 62


@attrs.frozen
class Departure:
    """One departure: the `nth` decision of that kind by `whose`, counted from 0, and what was taken.

    `ns` is the duration, of those that have one. `at_ns` is when it was taken, and no part of what it is.
    """

    kind: str
    whose: str
    nth: int
    option: str
    ns: int = 0
    at_ns: int = attrs.field(default=0, eq=False)


def whose_is(decision: Decision) -> str:
    """By whose decision it is told from others of its kind."""
    if decision.kind is NEXT_ACTOR:
        return decision.option(decision.current) if decision.current != NOT_OFFERED else ""
    if isinstance(decision, Duration):
        return decision.whose()
    return (isinstance(decision, Alternatives) and decision.subject) or decision.option(0)


class Keyed(Wrapper):
    """Notes the departures of the inner strategy in this form."""

    def __init__(self, inner: Strategy) -> None:
        super().__init__(inner)
        self.departures: list[Departure] = []
        self._times: dict[tuple[str, str], int] = {}

    def start_run(self, seed: int) -> bool:
        """Begin anew."""
        self.departures, self._times = [], {}
        return super().start_run(seed)

    def choose(self, decision: Decision) -> int:
        """Ask the inner one, and note it."""
        kind, whose = decision.kind.name, whose_is(decision)
        nth = self._times[kind, whose] = self._times.get((kind, whose), -1) + 1
        picked = self.pick(decision, kind, whose, nth)
        if picked:
            is_time = isinstance(decision, Duration)
            option = "" if is_time else decision.option(picked)
            self.departures.append(Departure(kind, whose, nth, option, picked if is_time else 0, decision.now))
        return picked

    def pick(self, decision: Decision, _kind: str, _whose: str, _nth: int) -> int:
        """The inner one's answer."""
        return self.inner.choose(decision)


class Follow(Keyed):
    """Takes those departures that still fit, and nothing else. `departures` are those that did."""

    def __init__(self, policy: Strategy, wanted: Iterable[Departure]) -> None:
        super().__init__(policy)
        self.wanted = tuple(wanted)
        self._wanted = {(one.kind, one.whose, one.nth): one for one in self.wanted}
        self._hold_ups = 0

    def start_run(self, seed: int) -> bool:
        """Begin anew."""
        self._hold_ups, self.unmoved = sum(one.kind == HOLD_UP.name for one in self.wanted), 0
        return super().start_run(seed)

    def due(self, kind: str, whose: str, nth: int, _now: int) -> Departure | None:
        """The departure that belongs here."""
        return self._wanted.get((kind, whose, nth))

    def pick(self, decision: Decision, kind: str, whose: str, nth: int) -> int:
        """That option, as far as it is there."""
        one = self.due(kind, whose, nth, decision.now)
        if kind == HOLD_UP.name:
            self._hold_ups -= one is not None
            if not self._hold_ups:
                # No point of those that are left is one of these, and where nobody is held up nothing is noted.
                self.unmoved = _ALL
        if one is None:
            return 0
        if one.ns:
            return min(one.ns, decision.count - 1)
        found = decision.find(one.option)
        return 0 if found == NOT_OFFERED else found


class FollowByTime(Follow):
    """The same with departures that are told by when they were taken: the first of their decisions from then on.

    What happened before has changed how many decisions there were, and less often when things happen.
    """

    def __init__(self, policy: Strategy, wanted: Iterable[Departure]) -> None:
        super().__init__(policy, wanted)
        self._all = sorted(self.wanted, key=lambda one: -one.at_ns)
        self._left: dict[tuple[str, str], list[Departure]] = {}

    def start_run(self, seed: int) -> bool:
        """Begin anew."""
        self._left = {}
        for one in self._all:
            self._left.setdefault((one.kind, one.whose), []).append(one)
        return super().start_run(seed)

    def due(self, kind: str, whose: str, _nth: int, now: int) -> Departure | None:
        """The earliest that is left, when its time has come."""
        left = self._left.get((kind, whose))
        return left.pop() if left and left[-1].at_ns <= now else None
