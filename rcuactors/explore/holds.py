"""The `holds` strategy: time is obeyed, but a few times in a run somebody is held up for a while.

As by a hypervisor that takes a virtual CPU away, an SMI, or a slow access to memory: one CPU (or device) stands still
for some milliseconds of virtual time, and everybody else goes on. Bugs of grace periods need that: whoever is merely
overtaken, step by step, is never overtaken for the tens of milliseconds that a batch waits.

Where somebody is held up is drawn. The first time it is at a point of the run, each alike; each further one is as
likely to begin while the one before lasts, since two that overlap have to do with one another. For how long is drawn so
that each power of two is alike. With hints, five of six wait for somebody of whom something is known: three for one in
a reader, since a CPU that is held up there keeps others waiting; one for a device in the middle of something, as
rcutorture delays the kthread of grace periods between two parts of what that does (rcutree.gp_init_delay).
"""

from __future__ import annotations

from typing import ClassVar, Final

import attrs

from ..engine.choice import Timed
from ..engine.decision import Decision, HoldUp
from ..engine.device import PART_DONE
from ..errors import bad_value

IN_READER: Final = "in a reader"
_HINTS: Final = (None, "", IN_READER, IN_READER, IN_READER, PART_DONE)
"""What has to be known of whom, each alike: nothing, anything, or that."""
_MS: Final = 1_000_000
_MOST_PASSED: Final = 8
_NEVER: Final = 1 << 62
_CHAINED: Final = 0.5
"""How likely a hold-up is to begin within the one before."""


@attrs.define
class _Hold:
    """One hold-up, drawn: from its point or, if `chained`, within the one before, when the hint fits.

    `since` is the virtual time at which a chained one may begin, when that is known. So many are `passed` whom the hint
    fits: where points come in series, it would always be the first of a series.
    """

    ns: int
    point: int
    chained: bool
    within: float
    hint: str | None
    since: int = -1
    passed: int = 0

    def earliest(self) -> int:
        """The first point at which it could be; a chained one tells by the time, once it is told of one."""
        if self.chained:
            return _NEVER if self.since < 0 else 0
        return self.point

    def is_due(self, now: int, point: int) -> bool:
        """Whether it is here if the hint fits."""
        return 0 <= self.since <= now if self.chained else point >= self.point

    def fits(self, known: tuple[str, ...]) -> bool:
        """Whether it is here, given what is known of who stands here."""
        if self.hint is None:
            return True
        if not any(self.hint in said for said in known):
            return False
        self.passed -= 1
        return self.passed < 0


class Holds(Timed):
    """Time is obeyed, but a few times somebody is held up for milliseconds, in a reader for choice.

    Up to `d` times, for `shortest` to `longest` milliseconds, within the first so many `points` of the run. `hints`: 0
    to look at nothing that is known of whom.
    """

    name = "holds"
    holds_up = True
    bounds: ClassVar = {"d": (1, 100), "shortest": (1, 500), "longest": (1, 500), "hints": (0, 1)}

    def __init__(self, *, d: int = 3, shortest: int = 2, longest: int = 64, points: int = 1000, hints: int = 1) -> None:
        super().__init__()
        if shortest > longest:
            raise bad_value(f"strategy holds: shortest={shortest}", f"to be at most longest={longest}")
        self.d, self.points, self.hints = d, points, hints
        self.shortest, self.longest = shortest, longest
        self._point = 0
        self._left: list[_Hold] = []
        self._earliest = _NEVER

    def start_run(self, seed: int) -> bool:
        """Draw where, and for how long."""
        super().start_run(seed)
        self._point = 0
        self._left = [self._drawn(number) for number in range(self.d)]
        self._earliest = self._earliest_left()
        return True

    def _drawn(self, number: int) -> _Hold:
        draw = self._draw
        times = self.longest / self.shortest
        hint: str | None = None
        if self.hints:
            hint = _HINTS[int(draw() * len(_HINTS))]
        return _Hold(
            ns=int(self.shortest * _MS * times ** draw()),
            point=int(draw() * self.points),
            chained=number > 0 and draw() < _CHAINED,
            within=draw(),
            hint=hint,
            passed=int(_MOST_PASSED ** draw()) - 1,
        )

    def choose(self, decision: Decision) -> int:
        """Hold up whoever comes to a drawn point; anything else as nature would."""
        if not isinstance(decision, HoldUp):
            return decision.nature(self._draw())
        point = self._point = self._point + 1 + decision.unasked
        held = self._held_at(point, decision) if point >= self._earliest else 0
        self.unmoved = self._earliest - point - 1
        return held

    def _held_at(self, point: int, decision: HoldUp) -> int:
        """For how long somebody is held up at that point, one at which it could be."""
        now, known = decision.now, None
        for number, hold in enumerate(self._left):
            if not hold.is_due(now, point):
                continue
            if known is None:
                known = decision.hints(0) if self.hints else ()
            if hold.fits(known):
                del self._left[number]
                self._begin(number, now, hold.ns)
                self._earliest = self._earliest_left()
                return min(hold.ns, decision.count - 1)
        return 0

    def _earliest_left(self) -> int:
        """Before that point there is nothing to look at."""
        return min((hold.earliest() for hold in self._left), default=_NEVER)

    def _begin(self, number: int, now: int, ns: int) -> None:
        """The one that was drawn after it may begin within it, if it is chained."""
        if number < len(self._left) and self._left[number].since < 0:
            following = self._left[number]
            following.since = now + int(following.within * ns)
