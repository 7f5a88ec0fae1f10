"""Counters of grace periods as tracks of hidden steps: what may have come by a line, and what must have.

Two kinds. In a track of *lines* each step lies between two lines of the thread that makes it. In a track of *waits*
nothing is told but that somebody has waited for an expedited grace period, from one of his lines to the next: one has
begun and ended in between, by his own hand or another's who waited at the same time; which, is left open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

import attrs

from .standins import GracePeriods

Make = Callable[[GracePeriods], None]

FAR: Final = 1 << 62
"""Behind every line."""


class Track(Protocol):
    """How far it has come is a value that can be compared."""

    def begin(self, at: int) -> tuple[Any, list[Make]]:
        """How far it has come by a line at which the comparison begins, and all that was done until then."""

    def bounds(self) -> Iterator[int]:
        """Lines before which a step must have come."""

    def next(self, made: Any, at: int) -> Iterator[tuple[Any, Make]]:
        """What can have come next, by a line: how far it has come then, and what is done."""

    def must(self, made: Any, at: int) -> bool:
        """Something more has to come before a line."""

    def behind(self, made: Any, at: int) -> Any:
        """How far it has come, without what makes no difference behind a line."""


@attrs.frozen
class Step:
    """One. It lies after the line `since`, and before the line `until`."""

    since: int
    until: int
    make: Make


@attrs.frozen
class OfLines:
    """Steps of one thread, in their order. How far: how many were made."""

    steps: list[Step] = attrs.field(factory=list)

    def begin(self, at: int) -> tuple[int, list[Make]]:
        """Those that must have come."""
        made: list[Make] = []
        while self.must(len(made), at):
            made.append(self.steps[len(made)].make)
        return len(made), made

    def bounds(self) -> Iterator[int]:
        """Lines before which a step must have come."""
        return (step.until for step in self.steps)

    def next(self, made: int, at: int) -> Iterator[tuple[int, Make]]:
        """The next one, if it can have come."""
        if made < len(self.steps) and self.steps[made].since < at:
            yield made + 1, self.steps[made].make

    def must(self, made: int, at: int) -> bool:
        """The next one has to have come."""
        return made < len(self.steps) and self.steps[made].until <= at

    def behind(self, made: int, at: int) -> int:  # noqa: ARG002
        """All of it makes a difference."""
        return made


@attrs.frozen
class Wait:
    """Somebody waits for an expedited grace period, after the line `since`, and no longer at the line `until`."""

    since: int
    until: int


@attrs.frozen
class Driven:
    """How far the waits' track has come.

    A grace period is driven by one of those who wait, who waits until it has ended. It is enough for all who waited
    already when it began.
    """

    by: int = -1
    """Who drives the one that runs; -1: none runs."""
    step: int = 0
    """How many of its steps were made."""
    began_with: frozenset[int] = frozenset()
    """Who waited when it began."""
    have_driven: frozenset[int] = frozenset()
    content: frozenset[int] = frozenset()
    """For whom a whole one has passed."""


@attrs.frozen
class OfWaits:
    """The waits, and the steps of which a grace period is made."""

    waits: list[Wait]
    makes: tuple[Make, ...]

    def begin(self, at: int) -> tuple[Driven, list[Make]]:  # noqa: ARG002
        """Nobody holds a cookie from before, so it makes no difference what was done."""
        return Driven(), []

    def bounds(self) -> Iterator[int]:
        """Lines before which a step must have come."""
        return (wait.until for wait in self.waits)

    def next(self, made: Driven, at: int) -> Iterator[tuple[Driven, Make]]:
        """The one that runs goes on; where none runs, anybody who waits and has driven none may begin one."""
        if made.by >= 0:
            yield self._driven(made), self.makes[made.step]
            return
        waiting = frozenset(number for number, wait in enumerate(self.waits) if wait.since < at <= wait.until)
        for by in sorted(waiting - made.have_driven):
            begun = attrs.evolve(made, by=by, step=1, began_with=waiting, have_driven=made.have_driven | {by})
            yield begun, self.makes[0]

    def _driven(self, made: Driven) -> Driven:
        if made.step + 1 < len(self.makes):
            return attrs.evolve(made, step=made.step + 1)
        return Driven(have_driven=made.have_driven, content=made.content | made.began_with)

    def must(self, made: Driven, at: int) -> bool:
        """Who waits no longer has had one, and drives none."""
        gone = self._gone(at)
        return bool(gone - made.content) or made.by in gone

    def behind(self, made: Driven, at: int) -> Driven:
        """Who has gone makes no difference."""
        gone = self._gone(at)
        return Driven(made.by, made.step, made.began_with - gone, made.have_driven - gone, made.content - gone)

    def _gone(self, at: int) -> frozenset[int]:
        """Who waits no longer, from this line on."""
        return frozenset(number for number, wait in enumerate(self.waits) if wait.until == at)
