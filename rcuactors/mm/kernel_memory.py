"""What the kernel allocates for a new thread (kernel/fork.c, dup_task_struct()), out of slab and the page allocator.

A task_struct and a stack, both with GFP_KERNEL: so the caller may reclaim, and may get nothing. The task_struct here is
of the largest size that slab has; a stack is four single pages (CONFIG_VMAP_STACK), since there is order 0 only. The
two stacks that a CPU keeps of threads that have ended are not modelled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from .gfp import GFP_KERNEL, Gfp
from .slab.cache import SIZES

if TYPE_CHECKING:
    from ..kernel.thread import Thread
    from .objects import KObject
    from .page.page_alloc import PageAllocator
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
