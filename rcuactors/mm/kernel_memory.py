"""What the kernel allocates for itself, out of slab and the page allocator.

For a new thread (kernel/fork.c, dup_task_struct()), and for debug objects (lib/debugobjects.c, fill_pool()), which have
a cache of their own.

A task_struct and a stack, both with GFP_KERNEL: so the caller may reclaim, and may get nothing. The task_struct here is
of the largest size that slab has; a stack is four single pages (CONFIG_VMAP_STACK), since there is order 0 only. The
two stacks that a CPU keeps of threads that have ended are not modelled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import attrs

from .gfp import GFP_KERNEL, Gfp
from .slab.cache import SIZES

if TYPE_CHECKING:
    from ..kernel.thread import Thread
    from .objects import KObject
    from .page.page_alloc import PageAllocator
    from .rules import MmRules
    from .slab.cache import Cache
    from .slab.slab import SlabAllocator

_STACK_PAGES: Final = 4
"""THREAD_SIZE of x86-64."""


@attrs.define(eq=False)
class ThreadMemory:
    """kernel.kthread.KernelMemory."""

    slab: SlabAllocator
    pages: PageAllocator

    async def alloc(self, thread: Thread, size: int) -> KObject | None:
        """With kmalloc(size, GFP_KERNEL)."""
        return await self.slab.kmalloc_own(thread, size, GFP_KERNEL)

    async def free(self, thread: Thread, block: KObject) -> None:
        """Give it back."""
        await self.slab.kfree_own(thread, block)

    async def dup_task_struct(self, thread: Thread) -> bool:
        """dup_task_struct(): all or nothing."""
        task = await self.alloc(thread, SIZES[-1])
        if task is None:
            return False
        stack: list[int] = []
        while len(stack) < _STACK_PAGES:
            pfn = await self.pages.get_free_page(thread, GFP_KERNEL | Gfp.ZERO)
            if pfn is None:
                for taken in stack:
                    await self.pages.free_page(thread, taken)
                await self.free(thread, task)
                return False
            stack.append(pfn)
        return True


_DEBUG_OBJ: Final = 40
"""sizeof(struct debug_obj) on 64 bits."""


@attrs.define(eq=False)
class DebugObjectMemory:
    """kernel.debugobjects_pool.PoolMemory."""

    slab: SlabAllocator
    rules: MmRules
    _cache: Cache | None = None

    async def alloc(self, thread: Thread, *, preemptible: bool) -> KObject | None:
        """kmem_cache_zalloc(obj_cache)."""
        gfp = self.rules.debug_objects_gfp
        if preemptible and self.rules.debug_objects_wake_kswapd:
            gfp |= Gfp.KSWAPD_RECLAIM
        if self._cache is None:
            self._cache = self.slab.kmem_cache_create("debug_objects_cache", _DEBUG_OBJ)
        return await self.slab.kmalloc_own(thread, _DEBUG_OBJ, gfp | Gfp.ZERO, self._cache)

    async def free(self, thread: Thread, block: object) -> None:
        """kmem_cache_free()."""
        await self.slab.kfree_own(thread, cast("KObject", block))
