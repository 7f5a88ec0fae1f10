"""Cutting a schedule down: the same problem with fewer departures, and shorter ones.

What is left is 1-minimal: each departure in it was taken back by itself, and the problem was not shown again.
First whole groups are left out (what came after the problem, all departures of one kind, all of one actor), halves
then, quarters and so on (ddmin: Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002), then
each by itself; then durations are made shorter, and what became needless by that is left out. Every attempt is a run;
of those there is a bound, and whether it sufficed is told.

At last parts are left out in another way of telling departures, by time, since what is 1-minimal may be the least of
its neighbours only. An attempt counts by what was really taken in it: a departure that did not fit any more is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import attrs

from ..engine.choice import Strategy
from .attempt import Attempt
from .finding import Signature, shown_by
from .follow import Departure, Follow, FollowByTime
from .schedule import find_policy

MOST_REPLAYS: Final = 300
_LARGE: Final = 8
"""Parts of so many to the half are tried before a schedule is given up."""
_MS: Final = 1_000_000

Departures = tuple[Departure, ...]


@attrs.frozen(kw_only=True)
class Shrunk:
    """What is left. `minimal`: each was taken back by itself in vain. `replays` (runs): that it took.

    `nearest` is the schedule that differs in one departure only and shows nothing of it, as far as there is one: that
    departure is `needed`. `smaller`: numbers of the run that were brought down, each with what it was and is. `stuck`:
    it was given up, with more departures left than can be tried. `anew`: this is another schedule, which was sought
    since the one that was found got stuck; how, in words.
    """

    departures: Departures
    minimal: bool
    replays: int
    needed: Departure | None
    stuck: bool = False
    anew: str = ""
    smaller: Mapping[str, tuple[int, int]] = attrs.field(factory=dict)


class _OutOfReplays(Exception):
    """There is no attempt left."""


class _Stuck(Exception):
    """Each departure would have to be tried by itself, and there are too many."""


@attrs.define
class Shrinker:
    """Attempts to show one problem in one run with less.

    With `may_stick` it gives up as soon as it has become clear that it will not come to its end.
    """

    attempt: Attempt
    seed: int
    policy: str
    signature: Signature
    best: Departures
    most: int = MOST_REPLAYS
    may_stick: bool = False
    replays: int = 0
    needed: Departure | None = None
    _known: dict[tuple[bool, Departures], bool] = attrs.field(factory=dict)

    def shrink(self) -> Shrunk:
        """Cut it down."""
        minimal = stuck = False
        try:
            if self._try(self.best):
                self._leave_groups_out()
                self._leave_parts_out()
                self._leave_each_out()
                while self._shorten():
                    self._leave_each_out()
                minimal = True
                proven, needed = self.best, self.needed
                self._leave_parts_out_by_time()
        except _Stuck:
            stuck = True
        except _OutOfReplays:
            if minimal:
                # Something shorter was found, and there was no replay left to see whether all of it is needed.
                self.best, self.needed = proven, needed
        return Shrunk(departures=self.best, minimal=minimal, replays=self.replays, needed=self.needed, stuck=stuck)

    # -- attempts ----------------------------------------------------------------------------------------------------

    def _try(self, wanted: Iterable[Departure], *, by_time: bool = False) -> bool:
        """Whether these show it, too; then what was really taken of them is the best so far."""
        chosen = tuple(wanted)
        known = self._known.get((by_time, chosen))
        if known is None:
            if self.replays >= self.most:
                raise _OutOfReplays
            self.replays += 1
            follow = (FollowByTime if by_time else Follow)(find_policy(self.policy), chosen)
            known = self._known[by_time, chosen] = shows(self.attempt, self.seed, follow, self.signature)
            if known:
                self.best = tuple(follow.departures)
                self._known[False, self.best] = True
        elif known:
            self.best = chosen
        return known

    def _without(self, gone: Callable[[Departure], bool]) -> bool:
        rest = tuple(one for one in self.best if not gone(one))
        return len(rest) < len(self.best) and self._try(rest)

    def _leave_groups_out(self) -> None:
        """First the end, by halving where it begins; then kinds, then whose they are."""
        low, high = 0, len(self.best)
        whole = self.best
        while low < high:
            middle = (low + high) // 2
            if self._try(whole[:middle]):
                high = middle
            else:
                low = middle + 1
        for kind in dict.fromkeys(one.kind for one in self.best):
            self._without(lambda one, kind=kind: one.kind == kind)  # type: ignore[misc]
        for whose in dict.fromkeys(one.whose for one in self.best):
            self._without(lambda one, whose=whose: one.whose == whose)  # type: ignore[misc]

    def _leave_parts_out(self) -> None:
        """Halves, quarters and so on."""
        size = len(self.best) // 2
        large = size // _LARGE
        while size > 1:
            at = 0
            while at < len(self.best):
                before = self.best
                if not self._try(before[:at] + before[at + size :]):
                    at += size
            size = min(size // 2, len(self.best) // 2)
            if self.may_stick and size <= large and len(self.best) > (self.most - self.replays) // 2:
                raise _Stuck

    def _leave_parts_out_by_time(self) -> None:
        """What is left may be the least of its neighbours only: leave parts out in the other way of telling them."""
        size = len(self.best) // 2
        while size:
            at = 0
            while at < len(self.best) and len(self.best) > 1:
                before = self.best
                if self._try(before[:at] + before[at + size :], by_time=True):
                    self._leave_each_out()
                else:
                    at += size
            size = min(size // 2, len(self.best) // 2)

    def _leave_each_out(self) -> None:
        """Each by itself, until none can be any more: the last of them says what the nearest passing schedule is."""
        at, in_vain = 0, 0
        while self.best and in_vain < len(self.best):
            at %= len(self.best)
            one = self.best[at]
            if self._try(self.best[:at] + self.best[at + 1 :]):
                in_vain = 0
                continue
            self.needed = one
            in_vain += 1
            at += 1

    # -- durations ---------------------------------------------------------------------------------------------------

    def _shorten(self) -> bool:
        """Make each duration as short as it can be, in whole milliseconds where there is more than one."""
        shortened = False
        for at in range(len(self.best)):
            if at < len(self.best) and self.best[at].ns:
                shortened |= self._shorten_one(at)
        return shortened

    def _shorten_one(self, at: int) -> bool:
        one = self.best[at]
        low, high = 0, -(-one.ns // _MS)
        shortened = high * _MS != one.ns
        if shortened and not self._try(self._changed(at, high * _MS)):
            return False
        while high - low > 1:
            middle = (low + high) // 2
            length = len(self.best)
            if self._try(self._changed(at, middle * _MS)):
                high, shortened = middle, True
                if len(self.best) < length:
                    break
            else:
                low = middle
        return shortened

    def _changed(self, at: int, ns: int) -> Sequence[Departure]:
        return [*self.best[:at], attrs.evolve(self.best[at], ns=ns), *self.best[at + 1 :]]


def shows(attempt: Attempt, seed: int, strategy: Strategy, signature: Signature) -> bool:
    """Whether a run under that strategy shows that problem."""
    result, raised = attempt.run(strategy, seed)
    return any(shown.signature == signature for shown in shown_by(result, raised, signature.sought))
