"""What callers allocate and free: an object, its address, and who watches its life."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

import attrs

from ..context.trace import Origin, site_of

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu

PAGE_SIZE: Final = 4096
PAGE_OFFSET: Final = 0xFFFF888000000000
"""Start of the direct map on x86-64 with four levels of page tables."""
VMALLOC_START: Final = 0xFFFFC90000000000


@attrs.define(eq=False, repr=False)
class KObject:
    """One object from kmalloc().

    A new one is made for each allocation, so that a stale pointer is told from a reused address.

    `home` is the slab that it lies in. `origin` is where it was allocated: a code object and the position in it, told
    as text by `allocated_at`. `locks_inside` counts the locks that lie in it.
    """

    is_vmalloc: ClassVar[bool] = False

    address: int
    size: int
    home: object
    origin: Origin
    state: int = 0
    locks_inside: int = 0
    retired_serial: int = attrs.field(init=False)
    retired_ns: int = attrs.field(init=False)

    def __str__(self) -> str:
        return f"{self.size}-byte object {self.address:016x}"

    __repr__ = __str__

    @property
    def allocated_at(self) -> str:
        """`function (file.py:line)` of the allocation."""
        return site_of(self.origin)

    def place_for_lock(self) -> int:
        """The address of a lock that lies in it, after those that do so already."""
        self.locks_inside += 1
        return self.address + self.locks_inside - 1


@attrs.define(eq=False, repr=False)
class VmallocArea(KObject):
    """One area from vmalloc(). `home` is the list of its page frame numbers."""

    is_vmalloc: ClassVar[bool] = True

    def __str__(self) -> str:
        return f"{self.size}-byte vmalloc area {self.address:016x}"

    __repr__ = __str__


def check_no_locks_freed(cpu: Cpu, item: KObject) -> None:
    """debug_check_no_locks_freed(): an object goes, and with it the locks in it, of which none may be held here."""
    if item.locks_inside:
        cpu.system.lockdep.check_no_locks_freed(cpu, item.address, item.size)


class LifetimeObserver(Protocol):
    """Who hears of allocations and frees: the oracle."""

    def allocated(self, item: KObject) -> None:
        """An object was given out."""

    def freed(self, items: Iterable[KObject], how: str) -> list[KObject]:
        """Objects are given back; those that really were allocated are returned."""
        ...
