"""Objects between their call and their free: how many there are, and how long each has taken.

A free of a single object names it (list, vmalloc block), unless the kernel hides its pointers; a block of kmalloc()
objects says only how many it had. Those are the oldest that the CPU's structure had, but for what is freed one by one
by the same work: so a block is settled when its work is over. Within a block nobody knows which pointer is which: all
of it is freed at one moment. Where pointers are hidden, single objects are taken to be the oldest, too.

Memory is bounded: of more than so many objects at a time the rest is counted and not followed.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import attrs

from ..traces.events import Call
from .figures import Distribution, Level

MOST_FOLLOWED: Final = 100_000


@attrs.frozen
class Sort:
    """What calls have in common: how they are counted."""

    caller: str
    context: str
    cpu: int
    one_argument: bool


@attrs.define(eq=False)
class Followed:
    """An object in flight."""

    address: int
    time_ns: int
    sort: Sort
    gone: bool = False


@attrs.define
class Blocks:
    """What a task has freed whose objects are not known yet: so many of a CPU's, of kmalloc() or of vmalloc().

    `single`: one object, of either kind, whose name may still come.
    """

    cpu: int
    time_ns: int
    vmalloc: bool
    objects: int
    single: bool = False


@attrs.define
class Flight:
    """All objects in flight."""

    backlog: Level = attrs.field(factory=Level)
    latency: Distribution = attrs.field(factory=Distribution)
    by_name: int = 0
    """Frees whose object was known for sure."""
    by_order: int = 0
    """Frees whose object follows from the order of calls."""
    unmatched: int = 0
    """Frees of what was called before the trace began, or was not followed."""
    not_followed: int = 0
    _flying: int = 0
    _live: dict[int, Followed] = attrs.field(factory=dict)
    _queues: dict[tuple[int, bool], deque[Followed]] = attrs.field(factory=dict)
    _unsettled: dict[int, list[Blocks]] = attrs.field(factory=dict)

    def called(self, call: Call, sort: Sort) -> None:
        """An object is handed over."""
        self.backlog.change(call.time_ns, 1)
        if self._flying >= MOST_FOLLOWED:
            self.not_followed += 1
            return
        self._flying += 1
        # An object that is handed over again has been freed in between, and another one was taken for it: the older
        # entry stays in its queue, for that one.
        followed = self._live[call.address] = Followed(call.address, call.time_ns, sort)
        key = (call.cpu, call.kind == "vmalloc")
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = deque()
        queue.append(followed)
        while queue[0].gone:
            queue.popleft()

    def knows(self, address: int | None) -> bool:
        """Whether this object is in flight."""
        return address in self._live

    def freed(self, time_ns: int, address: int | None, *, count: bool = True) -> Sort | None:
        """One object is freed by its name. Returns whose it was, None where that is not known.

        `count` is False where it has left the backlog already.
        """
        if count:
            self.backlog.change(time_ns, -1)
        followed = None if address is None else self._live.get(address)
        if followed is None:
            self.unmatched += 1
            return None
        self.by_name += 1
        self._leave(followed, time_ns)
        return followed.sort

    def freed_block(self, pid: int, cpu: int, time_ns: int, objects: int) -> None:
        """A task frees a block of so many kmalloc() objects of a CPU's."""
        self.backlog.change(time_ns, -objects)
        self._unsettled.setdefault(pid, []).append(Blocks(cpu, time_ns, vmalloc=False, objects=objects))

    def freed_unnamed(self, pid: int, cpu: int, time_ns: int, *, vmalloc: bool) -> None:
        """A task frees one object, out of a vmalloc block or from the list, and its pointer is hidden."""
        self.backlog.change(time_ns, -1)
        unsettled = self._unsettled.setdefault(pid, [])
        if unsettled and unsettled[-1].single:
            self._settle(unsettled.pop())
        unsettled.append(Blocks(cpu, time_ns, vmalloc, objects=1, single=True))

    def named(self, pid: int, address: int, time_ns: int) -> tuple[bool, Sort | None]:
        """What a task has last freed without a name was this object. (False, None) if there was no such thing."""
        unsettled = self._unsettled.get(pid)
        if not unsettled or not unsettled[-1].single or address not in self._live:
            return False, None
        unsettled.pop()
        return True, self.freed(time_ns, address, count=False)

    def settle(self, pid: int) -> None:
        """A task's work is over: what its blocks had were the oldest objects that are left."""
        for blocks in self._unsettled.pop(pid, ()):
            self._settle(blocks)

    def settle_all(self) -> None:
        """The trace is over."""
        for pid in tuple(self._unsettled):
            self.settle(pid)

    def _settle(self, blocks: Blocks) -> None:
        for _ in range(blocks.objects):
            followed = self._oldest(blocks.cpu, vmalloc=blocks.vmalloc)
            if followed is None and blocks.single:
                followed = self._oldest(blocks.cpu, vmalloc=not blocks.vmalloc)
            if followed is None:
                self.unmatched += 1
            else:
                self.by_order += 1
                self._leave(followed, blocks.time_ns)

    def _oldest(self, cpu: int, *, vmalloc: bool) -> Followed | None:
        queue = self._queues.get((cpu, vmalloc))
        while queue:
            followed = queue.popleft()
            if not followed.gone:
                return followed
        return None

    def _leave(self, followed: Followed, time_ns: int) -> None:
        followed.gone = True
        self._flying -= 1
        if self._live.get(followed.address) is followed:
            del self._live[followed.address]
        self.latency.add(max(time_ns - followed.time_ns, 0))
