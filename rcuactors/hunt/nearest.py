"""Why a schedule has to be as it is: what it comes to without one of its departures, or with one elsewhere.

Each departure of a schedule that was cut down is tried left out, one of its decisions earlier and one later, and, where
it lasts, a millisecond shorter. Each of these is a run. The nearest passing schedule is the one that lacks the last
departure without which nothing is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs

from ..engine.choice import Strategy
from ..report.units import duration
from .finding import Signature, shown_by
from .follow import Departure, Follow
from .keep import Kept
from .schedule import find_policy

MOST: Final = 12
"""Departures that are tried elsewhere; of more, the others are left out only."""
_SHORTER_NS: Final = 1_000_000
_NOTHING: Final = "nothing is shown"


@attrs.frozen
class Why:
    """A departure, and why it is where it is, in words. `passes`: without it nothing is shown."""

    departure: Departure
    reason: str
    passes: bool


@attrs.frozen(kw_only=True)
class Nearest:
    """The reasons of all departures, in their order. `without` is the departure that the nearest passing one lacks."""

    kept: Kept
    whys: tuple[Why, ...]
    without: Departure | None

    def passing(self) -> Strategy | None:
        """The strategy of the nearest passing schedule, for one run; None where there is none."""
        if self.without is None:
            return None
        return _following(self.kept, [one for one in self.kept.departures if one is not self.without])


def nearest(kept: Kept) -> Nearest:
    """Try it. Takes at most four runs for a departure."""
    tries = _Tries(kept)
    whys = [tries.why(number) for number in range(len(kept.departures))]
    without = next((why.departure for why in reversed(whys) if why.passes), None)
    return Nearest(kept=kept, whys=tuple(whys), without=without)


def _following(kept: Kept, departures: Sequence[Departure]) -> Follow:
    return Follow(find_policy(kept.schedule.policy), departures)


@attrs.frozen
class _Tries:
    """Variations of one schedule."""

    kept: Kept

    def why(self, number: int) -> Why:
        """Of that departure."""
        one = self.kept.departures[number]
        without = self._shows(self._but(number, None))
        said = [f"left out, {without}"]
        if number < MOST:
            if one.nth:
                said.append(f"a decision earlier, {self._shows(self._but(number, attrs.evolve(one, nth=one.nth - 1)))}")
            said.append(f"a decision later, {self._shows(self._but(number, attrs.evolve(one, nth=one.nth + 1)))}")
            if one.ns > _SHORTER_NS:
                shorter = attrs.evolve(one, ns=one.ns - _SHORTER_NS)
                said.append(f"{duration(_SHORTER_NS)} shorter, {self._shows(self._but(number, shorter))}")
        return Why(one, f"{'; '.join(said).capitalize()}.", passes=without == _NOTHING)

    def _but(self, number: int, other: Departure | None) -> list[Departure]:
        departures = list(self.kept.departures)
        departures[number : number + 1] = [other] if other is not None else []
        return departures

    def _shows(self, departures: Sequence[Departure]) -> str:
        """What a run with these comes to."""
        schedule = self.kept.schedule
        result, raised = self.kept.attempt.run(_following(self.kept, departures), schedule.spec.seed)
        signature = schedule.shown.signature
        found = [shown.signature for shown in shown_by(result, raised, signature.sought)]
        if signature in found:
            return "the same is shown"
        return _other(found[0]) if found else _NOTHING


def _other(signature: Signature) -> str:
    return f"{signature} is shown instead"
