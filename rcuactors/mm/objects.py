"""What callers allocate and free: an object, its address, and who watches its life."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

import attrs

from ..context.memory import FREED, RETIRED
from ..context.trace import KeptTrace, Origin, site_of
from ..kernel.debugobjects import Member
from ..marks import machinery

if TYPE_CHECKING:
    from ..kernel.thread import Thread

PAGE_SIZE: Final = 4096
PAGE_OFFSET: Final = 0xFFFF888000000000
"""Start of the direct map on x86-64 with four levels of page tables."""
VMALLOC_START: Final = 0xFFFFC90000000000


@attrs.frozen
class KasanTrack:
    """struct kasan_track: who did it, when, and from where, with KASAN. Shared by all that one call freed."""

    who: str
    time_ns: int
    cpu_id: int
    how: str
    trace: KeptTrace

    def lines(self, what: str) -> list[str]:
        """print_track(): as a report has it."""
        how = f", by {self.how}()" if self.how else ""
        return [
            f"{what} by task {self.who} on CPU {self.cpu_id} at {self.time_ns} ns{how}:",
            *(f" {line}" for line in self.trace.lines()),
            "",
        ]


@attrs.define(eq=False, repr=False)
class KObject:
    """One object from kmalloc().

    A new one is made for each allocation, so that a stale pointer is told from a reused address.

    `home` is the slab that it lies in. `origin` is where it was allocated: a code object and the position in it, told
    as text by `allocated_at`. `members` are the locks, timers, works and the like that lie in it. `freed_by` is the
    function that freed it, with KASAN a record of who called it; `freed_from` and `retired_from` are where the scenario
    freed it or gave it to kvfree_rcu(), if it did. `allocated_by` and `retired_by` are such records, with KASAN, and
    `taken_by`, with or without, of who has taken it out of kvfree_rcu()'s queue to free it.
    """

    is_vmalloc: ClassVar[bool] = False

    address: int
    size: int
    home: object
    origin: Origin
    state: int = 0
    members: list[Member] | None = None
    # What has not happened to it is not written down: most objects are made and freed by the million.
    freed_by: KasanTrack | str = attrs.field(init=False)
    freed_from: Origin = attrs.field(init=False)
    retired_from: Origin = attrs.field(init=False)
    allocated_by: KasanTrack = attrs.field(init=False)
    retired_by: KasanTrack = attrs.field(init=False)
    taken_by: KasanTrack = attrs.field(init=False)
    retired_serial: int = attrs.field(init=False)
    retired_ns: int = attrs.field(init=False)

    def __str__(self) -> str:
        return f"{self.size}-byte object {self.address:016x}"

    __repr__ = __str__

    @property
    def allocated_at(self) -> str:
        """`function (file.py:line)` of the allocation."""
        return site_of(self.origin)

    def place_for_member(self) -> int:
        """The address of the next member, after those that lie in it already."""
        return self.address + len(self.members or ())

    def add(self, member: Member) -> None:
        """Something lies in it from now on."""
        if self.members is None:
            self.members = []
        self.members.append(member)

    def note_taken(self, who: KasanTrack) -> None:
        """It is in no queue of kvfree_rcu()'s any more, and about to be freed."""
        self.taken_by = who

    def is_overwritten(self, member: Member, since_ns: int) -> bool:
        """It was freed since then, and what was in the member's place is not there any more.

        KASAN keeps what is free, and has in its first two words who freed it, and the way to the next
        (mm/kasan/kasan.h, struct kasan_free_meta). SLUB's own pointer to the next one is in the middle.
        """
        if self.state != FREED or not isinstance(self.freed_by, KasanTrack) or self.freed_by.time_ns <= since_ns:
            return False
        return self.members is not None and self.members[0] is member

    def history(self) -> list[str]:
        """Who allocated it, who gave it to kvfree_rcu(), who freed it: with KASAN as that tells it, with stacks."""
        if hasattr(self, "allocated_by"):
            return self._tracks()
        lines = [f"object allocated at {self.allocated_at}"]
        retired_at, freed_at = self._place("retired_from"), self._place("freed_from")
        if self.state == RETIRED or retired_at:
            where = f"{retired_at}, " if retired_at else ""
            lines.append(f"retired at {where}{self.retired_ns} ns")
        freed_by = getattr(self, "freed_by", "")
        if freed_by:
            where = f" at {freed_at}" if freed_at else ""
            lines.append(f"freed by {freed_by}(){where}")
        return lines

    def _tracks(self) -> list[str]:
        """describe_object_stacks() (mm/kasan/report.c): a kvfree_rcu() is the "work" that an object was last put to."""
        lines = self.allocated_by.lines("Allocated")
        freed_by = getattr(self, "freed_by", None)
        if isinstance(freed_by, KasanTrack):
            lines += freed_by.lines("Freed")
        retired_by = getattr(self, "retired_by", None)
        if retired_by is not None:
            lines += ["Last potentially related work creation:", *retired_by.lines("Given to kvfree_rcu()")]
        return [*lines, f"The buggy address belongs to the {self},", f" object allocated at {self.allocated_at}"]

    def _place(self, name: str) -> str:
        """A place of its history; empty where that has not happened."""
        origin = getattr(self, name, None)
        return site_of(origin) if origin is not None else ""


@attrs.define(eq=False, repr=False)
class VmallocArea(KObject):
    """One area from vmalloc(). `home` is the list of its page frame numbers."""

    is_vmalloc: ClassVar[bool] = True

    def __str__(self) -> str:
        return f"{self.size}-byte vmalloc area {self.address:016x}"

    __repr__ = __str__


@machinery
async def members_go(thread: Thread, item: KObject) -> None:
    """slab_free_hook(): what an object has in it goes with it.

    No lock may be held here (debug_check_no_locks_freed()), and nothing be active (debug_check_no_obj_freed()).
    """
    cpu = thread.cpu
    system = cpu.system
    if item.members and item.state != FREED:
        if cpu.ctx.held:
            system.lockdep.check_no_locks_freed(cpu, item.address, item.size)
        await system.debug_objects.debug_check_no_obj_freed(thread, item.members)


class LifetimeObserver(Protocol):
    """Who hears of allocations and frees: the oracle."""

    def allocated(self, item: KObject) -> None:
        """An object was given out."""

    def retired(self, item: KObject, now: int) -> None:
        """An object was given to kfree_rcu()."""

    def freed(self, items: Iterable[KObject], how: str) -> list[KObject]:
        """Objects are given back; those that really were allocated are returned."""
        ...
