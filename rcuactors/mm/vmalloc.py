"""vmalloc() and vfree() (mm/vmalloc.c of v5.9 to v6.1): virtually contiguous memory, page by page.

vfree() may sleep, and defers itself to a work when it is called in an interrupt or with bottom halves off
(__vfree_deferred()); in an NMI it is a bug.
"""

from __future__ import annotations

from sys import _getframe
from typing import TYPE_CHECKING, cast

import attrs

from ..context import preempt
from ..context.locks import LockKind
from ..context.memory import FREED
from ..context.trace import origin_of
from ..context.violation import ViolationKind
from ..errors import bad_value
from ..kernel import balance
from ..kernel.workqueue import Work, Workqueues
from ..marks import Side, machinery, on_side
from . import wrong_free
from .gfp import GFP_KERNEL, GFP_NOWARN, Gfp
from .objects import PAGE_SIZE, VMALLOC_START, KObject, LifetimeObserver, VmallocArea, members_go

__side__ = Side.ALLOCATOR

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kernel.system import System
    from ..kernel.thread import Thread
    from .page.page_alloc import PageAllocator
    from .rules import MmRules


def allocated_of(had: int, wanted: int) -> str:
    """v5.9 to v5.11 (__vmalloc_area_node()); what was wanted has the guard page in it."""
    return f"vmalloc: allocation failure, allocated {had} of {wanted} bytes"


def failed_to_allocate(had: int, _wanted: int) -> str:
    """v6.1-stable: only what was had."""
    return f"vmalloc error: size {had}, failed to allocate pages"


@attrs.frozen(kw_only=True)
class VmallocStatistics:
    """The vmalloc area.

    * `areas` (areas): allocated and not freed.
    * `pages` (pages): that lie in them.
    * `deferred` (areas): that wait for a work to free them, since vfree() was called where it cannot.
    """

    areas: int
    pages: int
    deferred: int


class Vmalloc:
    """The vmalloc area."""

    def __init__(
        self,
        system: System,
        pages: PageAllocator,
        observer: LifetimeObserver,
        workqueues: Workqueues,
        rules: MmRules,
    ) -> None:
        self._system = system
        self._pages = pages
        self._observer = observer
        self._workqueues = workqueues
        self._rules = rules
        self._lock = system.lock_factory.make("vmap_area_lock", LockKind.SPINLOCK)
        self._next = VMALLOC_START
        self._memory = pages.zone.managed * PAGE_SIZE
        self._areas = 0
        self._area_pages = 0
        self._deferred: list[KObject] = []
        self._work = Work("free_work", self._free_work)

    def statistics(self) -> VmallocStatistics:
        """Its figures, as they are now."""
        return VmallocStatistics(areas=self._areas, pages=self._area_pages, deferred=len(self._deferred))

    async def vmalloc(self, thread: Thread, size: int, gfp: Gfp = GFP_KERNEL) -> KObject | None:
        """vmalloc(): contiguous memory of `size` bytes, or None. Raises BadInput for a size below zero."""
        if size < 0:
            raise bad_value(f"vmalloc({size})", "0 bytes or more")
        if not size or size > self._memory:
            self._is_no_size(thread.cpu, size, gfp)
            return None
        origin = origin_of(_getframe(1))
        self._pages.might_alloc(thread.cpu, gfp)
        system = self._system
        count = -(-size // PAGE_SIZE)
        cpu = await system.locks.spin_lock(thread, self._lock)
        address = self._next
        self._next += (count + 1) * PAGE_SIZE
        await system.locks.spin_unlock(cpu, self._lock)
        thread.cpu.clock += system.costs.vmalloc_ns
        frames: list[int] = []
        for _ in range(count):
            pfn = await self._pages.get_free_page(thread, gfp | GFP_NOWARN)
            if pfn is None:
                message = self._rules.vmalloc_failure(len(frames) * PAGE_SIZE, (count + 1) * PAGE_SIZE)
                self._pages.warnings.warn_alloc(thread.cpu, self._rules.gfp.of(gfp), message)
                for taken in frames:
                    await self._pages.free_page(thread, taken)
                return None
            frames.append(pfn)
        item = VmallocArea(address, size, frames, origin)
        self._areas += 1
        self._area_pages += count
        self._observer.allocated(item)
        return item

    @machinery
    def _is_no_size(self, cpu: Cpu, size: int, gfp: Gfp) -> None:
        """__vmalloc_node_range() of no bytes, or of more than there is memory (totalram_pages())."""
        if not size and self._rules.vmalloc_warns_of_nothing:
            kind = ViolationKind.PAGE_ALLOCATION_FAILURE
            cpu.judge.warn_on_once(cpu, kind, "!size", self._rules.vmalloc_range)
        else:
            self._pages.warnings.warn_alloc(cpu, self._rules.gfp.of(gfp), self._rules.vmalloc_too_large.format(size))

    @on_side(Side.FREEING)
    async def vfree(self, thread: Thread, item: KObject) -> None:
        """vfree(): give it back; in an interrupt, by way of a work."""
        cpu = thread.cpu
        ctx = cpu.ctx
        if preempt.in_nmi(ctx.preempt_count):
            balance.report(cpu, "kernel BUG in vfree(): BUG_ON(in_nmi())")
            return
        if preempt.in_interrupt(ctx.preempt_count) or ctx.softirq_disable_cnt:
            self._deferred.append(item)
            await self._workqueues.queue_work(cpu, self._workqueues.system_wq, self._work)
            return
        cpu.judge.might_sleep(cpu)
        await self._vunmap(thread, item)

    async def _free_work(self, cpu: Cpu) -> None:
        deferred, self._deferred = self._deferred, []
        for item in deferred:
            await self._vunmap(cpu.current, item)

    async def _vunmap(self, thread: Thread, item: KObject) -> None:
        """__vunmap(): an area that is not there any more is told and left alone."""
        system = self._system
        cpu = await system.locks.spin_lock(thread, self._lock)
        await system.locks.spin_unlock(cpu, self._lock)
        cpu = thread.cpu
        # Page tables are taken down without the lock.
        cpu.clock += system.costs.vfree_ns
        if item.state == FREED:
            wrong_free.report_freed_area(cpu, self._rules, item)
            return
        await members_go(thread, item)
        for good in self._observer.freed((item,), "vfree"):
            self._areas -= 1
            self._area_pages -= len(cast("list[int]", good.home))
            for pfn in cast("list[int]", good.home):
                await self._pages.free_page(thread, pfn)
