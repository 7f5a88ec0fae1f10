"""kmalloc_large(): objects above the caches' sizes come from the page allocator (mm/slub.c, mm/page_alloc.c).

The model has single pages only, so of these there are those alone that no page allocator has: above 4 MB, whose order
is above MAX_PAGE_ORDER, __alloc_pages() gives nothing, and warns once, unless it was told __GFP_NOWARN.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...context.violation import ViolationKind
from ...marks import machinery
from ..gfp import Gfp
from ..objects import PAGE_SIZE

if TYPE_CHECKING:
    from ...kernel.cpu import Cpu

_MAX_PAGE_ORDER: Final = 10
LARGEST: Final = PAGE_SIZE << _MAX_PAGE_ORDER
"""Bytes."""


@machinery
def kmalloc_large(cpu: Cpu, gfp: Gfp, function: str) -> None:
    """Of more than `LARGEST` bytes: NULL. `function` is what the version calls __alloc_pages()."""
    if not gfp & Gfp.NOWARN:
        kind = ViolationKind.PAGE_ALLOCATION_FAILURE
        cpu.judge.warn_on_once(cpu, kind, "order > MAX_PAGE_ORDER", function)
