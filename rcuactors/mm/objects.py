"""What callers allocate and free: an object, its address, and who watches its life."""

from __future__ import annotations

from collections.abc import Iterable
from types import FrameType
from typing import Protocol

import attrs

from ..context.trace import site_of

PAGE_SIZE = 4096
PAGE_OFFSET = 0xFFFF888000000000
"""Start of the direct map on x86-64 with four levels of page tables."""
VMALLOC_START = 0xFFFFC90000000000


@attrs.define(eq=False, repr=False)
class KObject:
    """One allocation. A new one is made for each kmalloc() or vmalloc(), so that a stale pointer is told from a reused address."""

    address: int
    size: int
    home: object
    """The slab that it lies in, or the list of its pages when it is vmalloc memory."""
    origin: str = ""
    is_vmalloc: bool = False
    state: int = 0
    retired_serial: int = 0
    retired_ns: int = -1

    def __str__(self) -> str:
        what = "vmalloc area" if self.is_vmalloc else "object"
        return f"{self.size}-byte {what} {self.address:016x}"

    __repr__ = __str__


class LifetimeObserver(Protocol):
    """Who hears of allocations and frees: the oracle."""

    def allocated(self, item: KObject) -> None:
        """An object was given out."""

    def freed(self, items: Iterable[KObject], how: str) -> list[KObject]:
        """Objects are given back; those that really were allocated are returned."""
        ...


_sites: dict[tuple[object, int], str] = {}


def origin_of(frame: FrameType) -> str:
    """`function (file.py:line)` of a frame, remembered by code position."""
    key = (frame.f_code, frame.f_lasti)
    site = _sites.get(key)
    if site is None:
        site = _sites[key] = site_of(frame.f_code, frame.f_lineno)
    return site
