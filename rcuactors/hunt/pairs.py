"""Ordered pairs of accesses: which of two uses of the same thing came first, and by whom.

What schedules of one scenario differ in is the order of what has to do with one another: that one CPU takes a lock
after another one, that an object is freed after somebody has looked at it. So how many such orders were seen, and
whether more still come, says how much of a scenario an exploration has been through (as coverage of synchronization
pairs does: Hong et al., "Testing Concurrent Programs to Achieve High Synchronization Coverage", ISSTA 2012).

A pair is: what was used; the place of the use that came first; the place of the one that came next. The two are of
different actors (CPUs or devices), one of them at least has written, and nothing is in between on which the second
depends. What is used is what the machine tells (`Access`): locks when they are taken, mailboxes, run queues, lists of
pages, the root of the grace periods' tree, objects. Things of one class or kind are not told apart, nor are CPUs: what
happens on CPU 1 after CPU 0 is no other pair than the same of CPUs 0 and 1.

To be told of each use makes a run slower by a third, so not every schedule is looked at (`is_looked_at`).
"""

from __future__ import annotations

import zlib
from typing import Final

import attrs

from ..context.locks import Lock
from ..context.trace import user_site
from ..engine.actor import Actor
from ..engine.probe import Access
from ..machine import Machine

Pair = tuple[str, str, str]
"""(what was used, place of the first use, place of the next)."""

ALL_UNTIL: Final = 16
ONE_IN: Final = 17
"""Not 16: with two or four strategies that take turns it would always be the same one's."""


def is_looked_at(number: int) -> bool:
    """Whether pairs are counted in the schedule of that number: the first of an exploration, and each so manieth."""
    return number < ALL_UNTIL or not number % ONE_IN


def is_looked_at_by_path(path: tuple[int, ...]) -> bool:
    """The same for a search whose parts are tried by several processes: as large a share, by their paths."""
    return not zlib.crc32(repr(path).encode()) % ONE_IN


@attrs.define(eq=False)
class _Uses:
    """Of one thing: who wrote it last, and where; and who has read it since, and where last. `what` keeps its id."""

    what: object
    name: str
    writer: Actor | None = None
    written_at: str = ""
    readers: dict[Actor, str] = attrs.field(factory=dict)


class Pairs:
    """The ordered pairs of one run. `listen` is for `Attempt.run`."""

    def __init__(self) -> None:
        self.seen: set[Pair] = set()
        self._uses: dict[int, _Uses] = {}

    def listen(self, machine: Machine) -> None:
        """A run begins, or begins again in a new machine."""
        self.seen, self._uses = set(), {}
        conductor, take = machine.conductor, self._take

        def used(what: object, access: Access) -> None:
            if access is not Access.RELEASE and conductor.running is not None:
                take(what, access, conductor.running)

        conductor.probes.access.listen(used)

    def _take(self, what: object, access: Access, actor: Actor) -> None:
        uses = self._uses.get(id(what))
        if uses is None:
            name = what.name if isinstance(what, Lock) else type(what).__name__
            uses = self._uses[id(what)] = _Uses(what, name)
        place = user_site() or actor.name.rstrip("0123456789")
        if access is Access.READ:
            if uses.writer is not actor and uses.writer is not None:
                self.seen.add((uses.name, uses.written_at, place))
            uses.readers[actor] = place
            return
        if uses.readers:
            for reader, read_at in uses.readers.items():
                if reader is not actor:
                    self.seen.add((uses.name, read_at, place))
            uses.readers = {}
        elif uses.writer is not actor and uses.writer is not None:
            self.seen.add((uses.name, uses.written_at, place))
        uses.writer, uses.written_at = actor, place
