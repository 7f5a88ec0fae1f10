"""The partial order of one run: which steps had to come after which, and which could have come the other way round.

Mazurkiewicz's traces: two runs are the same up to the order of steps that have nothing to do with each other. A step is
named by whose it is, what was decided in it, and the names of the last steps that it depends on, so that it has
the same name in every run in which the same has led to it (an event of the unfolding, as in Rodriguez, Sousa, Sharma
and Kroening, "Unfolding-based Partial Order Reduction", CONCUR 2015). A run's class is the set of its steps' names.

A step depends on the one of its actor's before it, on the last that wrote what it touches, and on those that have read
since what it writes; all steps of a window of time on all of earlier ones.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Sequence

import attrs

from .footprints import Step
from .variables import Thing


@attrs.frozen
class Race:
    """Two steps of different actors, one directly after the other in the partial order, that could be swapped."""

    first: int
    second: int


@attrs.define(eq=False)
class _Uses:
    """The last step that wrote a thing, and those that have read it since."""

    writer: int = -1
    readers: list[int] = attrs.field(factory=list)


class PartialOrder:
    """`names` of the steps; `past`, as a bit mask each: all that had to come before; `direct`: what they depend on."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = steps
        self.names: list[int] = []
        self.past: list[int] = []
        self.direct: list[tuple[int, ...]] = []
        self.number: list[int] = []
        self._window_name = 0
        self._barrier = 0
        uses: dict[Thing, _Uses] = {}
        last: dict[str, int] = {}
        count: dict[str, int] = {}
        window = -1
        for at, step in enumerate(steps):
            if step.window != window:
                window, self._barrier = step.window, (1 << at) - 1
                self._window_name = _hash(*sorted(self.names[before] for before in last.values()))
            direct = _direct(step, at, uses)
            if step.actor in last:
                direct.add(last[step.actor])
            last[step.actor] = at
            self.number.append(count.setdefault(step.actor, 0))
            count[step.actor] += 1
            self._take(step, direct)

    def _take(self, step: Step, direct: set[int]) -> None:
        past = self._barrier
        for before in direct:
            past |= self.past[before] | 1 << before
        # Only those that nothing else of them comes after: the rest says nothing more.
        within = [
            before
            for before in direct
            if not self._barrier >> before & 1 and not any(self.past[other] >> before & 1 for other in direct)
        ]
        self.past.append(past)
        self.direct.append(tuple(sorted(within)))
        picks = tuple(picked for _, picked, _ in step.picks)
        self.names.append(_hash(step.actor, picks, self._window_name, *sorted(self.names[before] for before in within)))

    def without_footprints(self) -> PartialOrder:
        """The same order, of steps that no longer know what they have touched."""
        other = copy.copy(self)
        other.steps = [attrs.evolve(step, reads=set(), writes=set()) for step in self.steps]
        return other

    @property
    def name(self) -> int:
        """The class of the run."""
        return _hash(*sorted(self.names))

    def races(self) -> Iterator[Race]:
        """Pairs with nothing in between, of which the second could have gone on before the first."""
        for second, step in enumerate(self.steps):
            for first in self.direct[second]:
                if self.steps[first].actor == step.actor:
                    continue
                enabler = step.enabler
                if enabler >= 0 and (enabler == first or self.past[enabler] >> first & 1):
                    continue
                yield Race(first, second)

    def without(self, at: int) -> list[int]:
        """The steps that do not depend on that one, in their order, without itself."""
        return [other for other in range(len(self.steps)) if other != at and not self.past[other] >> at & 1]


def _direct(step: Step, at: int, uses: dict[Thing, _Uses]) -> set[int]:
    """The steps that this one depends on by what it touches; and it is noted there itself."""
    direct: set[int] = set()
    for thing in step.writes:
        use = uses.get(thing)
        if use is None:
            use = uses[thing] = _Uses()
        elif use.readers:
            direct.update(use.readers)
        if use.writer >= 0:
            direct.add(use.writer)
        use.writer, use.readers = at, []
    for thing in step.reads:
        if thing in step.writes:
            continue
        use = uses.get(thing)
        if use is None:
            use = uses[thing] = _Uses()
        if use.writer >= 0:
            direct.add(use.writer)
        use.readers.append(at)
    direct.discard(at)
    return direct


def _hash(*parts: object) -> int:
    """The same in every process, whatever the hash seed."""
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=10).digest())
