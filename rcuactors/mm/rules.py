"""What differs between kernel versions in the allocators: named parts, of which an era picks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from .page_lists import PageLists
from .slab import SlabAllocator

if TYPE_CHECKING:
    from ..kernel.system import System
    from .objects import LifetimeObserver
    from .page_alloc import PageAllocator


@attrs.frozen(kw_only=True)
class AllocatorRules:
    """One version's parts."""

    page_lists: Callable[[System], PageLists]
    """What guards the CPUs' page lists, and how long they get."""
    slab: Callable[[System, PageAllocator, LifetimeObserver], SlabAllocator]
    """How a CPU's slab is guarded."""
