"""What the rig's script did beside freeing, and what becomes of calls once all of them are known.

Of the statements that the rig notes some do other things than free: they are deeds. Which objects come from vmalloc()
is known for sure only when all were seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import attrs

from ..traces.calls import FAR_ABOVE, PAGE
from ..traces.events import Call, Entered, Event, Statement

_DONE_AT_ONCE: Final = frozenset({"barrier", "drop_slab", "shrink", "sync_expedited"})
_LOOPS: Final = frozenset({"gploop", "synchronize_rcu"})
"""Each of their calls is recorded, and made at its time: a loop of the machine's own would keep another time."""
_SHRINK: Final = frozenset({"drop_slab", "shrink"})
"""Statements that have the shrinker called as they begin."""
_SHRINKER: Final = {"kfree_rcu_shrink_count": "shrink_count", "kfree_rcu_shrink_scan": "shrink_scan"}


@attrs.frozen
class Deed:
    """What the rig's script did beside freeing: `what` is the statement's word, `number` its first number, or 0.

    `synchronize_rcu` is one call, also where the statement is a loop of them. `shrink_count` and `shrink_scan` are
    reclaim's, in whatever task that was: something beside the script has used the memory up.
    """

    time_ns: int
    cpu: int
    comm: str
    pid: int
    what: str
    number: int = 0


@attrs.define
class Statements:
    """Which statement of the rig's script each task is running, by its pid."""

    _running: dict[int, tuple[str, ...]] = attrs.field(factory=dict, init=False)

    def note(self, statement: Statement) -> Deed | None:
        """Take in one note. Statements that free nothing have no end: the next one of the task ends them.

        Returns what the statement does, if that is a deed, and is done when it begins.
        """
        if statement.ends:
            self._running.pop(statement.pid, None)
            return None
        words = self._running[statement.pid] = statement.words
        return _deed(statement, words) if words and words[0] in _DONE_AT_ONCE else None

    def _waited(self, event: Event) -> Deed | None:
        """A call of synchronize_rcu(): a deed where the statement says so, else kvfree_rcu()'s own."""
        words = self.of(event.pid)
        return _deed(event, ("synchronize_rcu",)) if words and words[0] in _LOOPS else None

    def called(self, event: Entered) -> Deed | None:
        """A call that was recorded, if it is a deed of its own."""
        if event.function == "synchronize_rcu":
            return self._waited(event)
        what = _SHRINKER.get(event.function)
        words = self.of(event.pid)
        return _deed(event, (what,)) if what is not None and not (words and words[0] in _SHRINK) else None

    def ends(self, statement: Statement) -> bool:
        """Whether a note is the end of what its task is running."""
        return statement.ends and statement.pid in self._running

    def of(self, pid: int) -> tuple[str, ...]:
        """The words of the statement that a task is running, none if it runs none."""
        return self._running.get(pid, ())


def settle_kinds(calls: Iterable[Call]) -> tuple[Call, ...]:
    """Find the vmalloc objects of a kernel with KASLR: that takes a kmalloc object to compare with."""
    calls = tuple(calls)
    lowest = min((call.address for call in calls), default=0)
    return tuple(
        attrs.evolve(call, kind="vmalloc")
        if call.kind == "slab" and call.address % PAGE == 0 and call.address - lowest >= FAR_ABOVE
        else call
        for call in calls
    )


def _deed(event: Event, words: tuple[str, ...]) -> Deed:
    number = next((int(word) for word in words[1:] if word.isascii() and word.isdecimal()), 0)
    return Deed(event.time_ns, event.cpu, event.comm, event.pid, words[0], number)
