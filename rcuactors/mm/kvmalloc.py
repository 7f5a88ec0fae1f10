"""kvmalloc() and krealloc(): memory from wherever there is some, and memory of another size.

mm/util.c (v5.9 to v6.6), mm/slub.c (from v6.12 on), kvmalloc_node(); mm/slab_common.c, krealloc(). Of what is longer
than a page the model's kmalloc() has nothing, so that is vmalloc()'s at once, where the kernel tries kmalloc() first.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from ..context.memory import FREED
from .gfp import GFP_KERNEL, Gfp, has, may_block
from .objects import PAGE_SIZE, KObject
from .slab.cache import Slab

if TYPE_CHECKING:
    from ..kernel.thread import Thread
    from .slab.slab import SlabAllocator
    from .vmalloc import Vmalloc


class KvmallocFallback(enum.Enum):
    """With which flags kvmalloc() of more than a page goes to vmalloc()."""

    GFP_KERNEL = "with all of GFP_KERNEL"
    """With fewer it is kmalloc(), until commit a421ef303008 of v5.18."""
    MAY_BLOCK = "with flags that may wait"
    """Others get NULL (gfpflags_allow_blocking())."""
    ALL = "with all flags"
    """Since vmalloc() takes flags that do not wait (v6.19)."""


async def kvmalloc(
    thread: Thread, slab: SlabAllocator, areas: Vmalloc, fallback: KvmallocFallback, size: int, gfp: Gfp
) -> KObject | None:
    """kvmalloc(): by kmalloc() if a page is enough, else by vmalloc() if the flags are such that it may be."""
    if size <= PAGE_SIZE or (fallback is KvmallocFallback.GFP_KERNEL and not has(gfp, int(GFP_KERNEL))):
        return await slab.kmalloc(thread, size, gfp)
    if fallback is KvmallocFallback.MAY_BLOCK and not may_block(gfp):
        return None
    return await areas.vmalloc(thread, size, gfp)


def ksize(p: KObject) -> int:
    """ksize(): as many bytes as there are, which may be more than were asked for."""
    assert isinstance(p.home, Slab)
    return p.home.cache.size


async def krealloc(thread: Thread, slab: SlabAllocator, p: KObject, new_size: int, gfp: Gfp) -> KObject | None:
    """__do_krealloc(): the same object if it is long enough, else a longer one with what was in it.

    The old one is the caller's to free, where another came.
    """
    cpu = thread.cpu
    cpu.judge.used(cpu, p, "krealloc")
    if p.state == FREED:
        return None  # kasan_check_byte()
    if new_size <= ksize(p):
        return p
    longer = await slab.kmalloc(thread, new_size, gfp)
    if longer is not None:
        thread.cpu.clock += cpu.system.costs.page_zero_ns * p.size // PAGE_SIZE
    return longer
