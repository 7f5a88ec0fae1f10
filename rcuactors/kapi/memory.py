"""Memory: kmalloc(), vmalloc(), pages, and what user space holds."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from sys import _getframe
from types import FrameType
from typing import Any, Final, TypeGuard

from ..context.memory import RETIRED
from ..context.trace import Origin, caller_site, origin_of
from ..context.violation import exception_for
from ..errors import bad_value
from ..kernel.locking import poison
from ..kernel.locking.irqsave import spin_lock_irqsave, spin_unlock_irqrestore
from ..mm import wrong_free
from ..mm.gfp import GFP_KERNEL, Gfp
from ..mm.objects import PAGE_SIZE, KObject, VmallocArea
from ..mm.page.lockless import alloc_pages_nolock, free_pages_nolock
from ..mm.reclaim import Process
from .arguments import WORDS, checks_itself, expect_await, wrong_argument
from .base import KernelBase, not_negative

_OFFSET: Final = 0x10
"""Of the member that is read through a pointer: that of seed 003's oops."""


def checked(what: str, size: int, gfp: Gfp) -> None:
    """Raises BadInput unless the size is a whole number and the flags are gfp flags."""
    if size.__class__ is not int:
        raise wrong_argument(what, "size", size, WORDS["int"])
    check_gfp(what, gfp)


def check_gfp(what: str, gfp: Gfp) -> None:
    """Raises BadInput unless the flags are gfp flags."""
    if gfp.__class__ is not Gfp:
        raise wrong_argument(what, "gfp", gfp, WORDS["Gfp"])


def _only_order_0(what: str, order: int) -> None:
    if order:
        raise bad_value(f"{what}(order={order})", "0: the model has single pages only, which are of that order")


class Memory(KernelBase):
    """Objects, areas, pages (include/linux/slab.h, include/linux/vmalloc.h, include/linux/gfp.h).

    An allocation that fails returns None, as NULL is returned there. Freeing None does nothing. Freeing what was not
    allocated so (an area with kfree(), an object with vfree(), something else altogether) is reported as the kernel
    would, and frees nothing.
    """

    _freed_from: Origin | None = None

    @checks_itself
    async def kfree(self, p: KObject | int | None) -> None:
        """Free at once. An address, in place of an object, is one that was not allocated."""
        if p is not None and self._freeable(p, "kfree", _getframe(1), vmalloc=False):
            if p.state:
                await self._queued(p)
            await self._machine.slab.kfree(self._thread, p)

    @checks_itself
    async def kfree_bulk(self, pointers: Sequence[KObject]) -> None:
        """Free many objects from kmalloc() at once, in one pass."""
        caller = _getframe(1)
        good = [p for p in pointers if self._freeable(p, "kfree_bulk", caller, vmalloc=False)]
        for p in good:
            if p.state:
                await self._queued(p)
        await self._machine.slab.kfree_bulk(self._thread, good)

    def vmalloc(self, size: int, gfp: Gfp = GFP_KERNEL) -> Coroutine[Any, Any, KObject | None]:
        """Virtually contiguous memory of `size` bytes; may sleep. With `gfp`, __vmalloc().

        Raises BadInput for a size out of range.
        """
        checked("vmalloc", size, gfp)
        return self._machine.vmalloc.vmalloc(self._thread, size, gfp)

    def vzalloc(self, size: int) -> Coroutine[Any, Any, KObject | None]:
        """vmalloc(), cleared."""
        return self.vmalloc(size, GFP_KERNEL | Gfp.ZERO)

    @checks_itself
    async def vfree(self, p: KObject | int | None) -> None:
        """Free at once; may sleep, and defers itself in interrupts.

        An address of a page in the middle of an area is as good as the area itself (__find_vmap_area()).
        """
        if isinstance(p, int) and not p % PAGE_SIZE:
            p = self._around(p, vmalloc=True) or p
        if p is not None and self._freeable(p, "vfree", _getframe(1), vmalloc=True):
            await self._queued(p)
            await self._machine.vmalloc.vfree(self._thread, p)

    @checks_itself
    async def kvfree(self, p: KObject | None) -> None:
        """Free at once, whichever it is."""
        if p is not None and self._freeable(p, "kvfree", _getframe(1), vmalloc=isinstance(p, VmallocArea)):
            await self._queued(p)
            await self._machine.kvfree.kvfree(self._thread, p)

    async def _queued(self, p: KObject) -> None:
        """debug_check_no_obj_freed() of an object that is kvfree_rcu()'s."""
        if p.state == RETIRED and hasattr(p, "retired_from"):
            await self._machine.callbacks.freed_while_queued(self._thread, p)

    def _around(self, address: int, *, vmalloc: bool = False) -> KObject | None:
        """The object, or area, that is allocated and has this address in it."""
        live = [p for p in self._machine.oracle.live.values() if isinstance(p, KObject) and p.is_vmalloc == vmalloc]
        return next((p for p in live if p.address <= address < p.address + p.size), None)

    def _freeable(self, p: object, how: str, caller: FrameType, *, vmalloc: bool) -> TypeGuard[KObject]:
        """A free of what may be freed so. What may not is reported, and stays."""
        if not isinstance(p, KObject) or p.is_vmalloc != vmalloc:
            expect_await(how, p=p)
            rules = self._machine.setup.era.rules.mm
            if vmalloc:
                wrong_free.report_vfree(self._cpu, rules, p)
            elif isinstance(p, int) and (around := self._around(p)) is not None:
                wrong_free.report_kfree_inside(self._cpu, rules, p, around)
            else:
                wrong_free.report_kfree(self._cpu, p)
            return False
        if p.state:
            return True
        origin = self._freed_from
        if origin is None or origin[0] is not caller.f_code or origin[1] != caller.f_lasti:
            # One tuple for a loop's million frees.
            origin = self._freed_from = origin_of(caller)
        p.freed_from = origin
        return True

    @checks_itself
    def deref(self, p: KObject | None) -> KObject:
        """Use a pointer that one has.

        A reader that was opened by name (rcu_read_lock(), preempt_disable() ...) may use it again until its end, before
        which nobody else must free it. A freed object is reported as a use-after-free. NULL is reported as the kernel
        would, and raises KernelBug.
        """
        cpu = self._cpu
        if p is None:
            raise exception_for(cpu.judge.null_dereference(cpu, _OFFSET))
        if not isinstance(p, KObject):
            raise wrong_argument("deref", "p", p, WORDS[KObject.__name__])
        self._machine.book.used(cpu, p)
        if p.state == RETIRED:
            cpu.judge.used_while_retired(cpu, p, str(p))
        return p

    def write_once(self, p: KObject | None) -> None:
        """The same, and something is written there (WRITE_ONCE()): with slub_debug=y into the poison of a free one."""
        poison.written(self._cpu, self.deref(p))

    # -- pages --

    async def get_free_page(self, gfp: Gfp = GFP_KERNEL) -> int | None:
        """__get_free_page(): a page, by its frame number. One that is never freed is a leak."""
        check_gfp("get_free_page", gfp)
        pfn = await self._machine.pages.get_free_page(self._thread, gfp)
        if pfn is not None:
            self._machine.oracle.page_allocated(pfn, caller_site())
        return pfn

    async def free_page(self, pfn: int | None) -> None:
        """free_page(): give back a page, by its frame number."""
        if pfn is not None:
            self._machine.oracle.page_freed(pfn)
            await self._machine.pages.free_page(self._thread, pfn)

    async def alloc_pages(self, gfp: Gfp, order: int) -> int | None:
        """alloc_pages(): a page, by its frame number. Raises BadInput for an order other than 0."""
        _only_order_0("alloc_pages", order)
        return await self.get_free_page(gfp)

    async def free_pages(self, pfn: int | None, order: int) -> None:
        """__free_pages(), free_pages(): give back what alloc_pages() gave. Raises BadInput as that."""
        _only_order_0("free_pages", order)
        await self.free_page(pfn)

    async def alloc_pages_nolock(self) -> int | None:
        """alloc_pages_nolock(): a zeroed page by trylocks only, from any context; None when a lock is taken.

        Raises BadInput on a version that does not have it: it came with v6.15 (commit 97769a53f117).
        """
        self._expect_nolock("alloc_pages_nolock()")
        pfn = await alloc_pages_nolock(self._machine.pages, self._cpu)
        if pfn is not None:
            self._machine.oracle.page_allocated(pfn, caller_site())
        return pfn

    async def free_pages_nolock(self, pfn: int | None) -> None:
        """free_pages_nolock(): give a page back by its frame number, by trylocks only. Raises BadInput as that."""
        self._expect_nolock("free_pages_nolock()")
        if pfn is not None:
            self._machine.oracle.page_freed(pfn)
            await free_pages_nolock(self._machine.pages, self._cpu, pfn)

    def _expect_nolock(self, name: str) -> None:
        self._expect_version(name, has=self._machine.setup.era.rules.mm.nolock, since="v6.15")

    async def drain_local_pages(self) -> None:
        """Give this CPU's page list back to the zone."""
        await self._machine.pages.zone.drain_local_pages(self._thread)

    async def zone_lock_irqsave(self) -> bool:
        """Take zone->lock as the allocator's own code does, whichever type it is; returns the flags."""
        zone = self._machine.pages.zone
        _, flags = await spin_lock_irqsave(self._locks, self._thread, zone.lock, caller_site())
        return flags

    async def zone_unlock_irqrestore(self, flags: bool) -> None:
        """Let go of zone->lock, interrupts as they were."""
        zone = self._machine.pages.zone
        await spin_unlock_irqrestore(self._locks, self._cpu, zone.lock, flags)

    def pcp_count(self) -> int:
        """Pages in this CPU's list (pcp->count): so many can be had without the zone's lock."""
        return self._machine.pages.zone.list_of(self._cpu).count

    def nr_free_pages(self) -> int:
        """Free pages of the zone, without the CPUs' lists."""
        return self._machine.pages.zone.free

    def min_wmark_pages(self) -> int:
        """The zone's min watermark: below it only reserves are left."""
        return self._machine.pages.zone.watermark_min

    # -- user space --

    async def read_file(self, pages: int) -> int:
        """User space reads a file: so many pages of page cache, which reclaim may take back.

        Returns how many were had.
        """
        user = self._machine.pages.reclaim.user
        for got in range(not_negative("read_file", pages)):
            pfn = await self._machine.pages.get_free_page(self._thread, GFP_KERNEL)
            if pfn is None:
                return got
            user.file_pages.append(pfn)
        return pages

    async def user_process(self, name: str, pages: int) -> int:
        """A user process takes memory that only its exit, or the OOM killer, gives back.

        Returns how many pages it has in the end.
        """
        not_negative("user_process", pages)
        process = Process(name)
        self._machine.pages.reclaim.user.processes.append(process)
        for _ in range(pages):
            pfn = await self._machine.pages.get_free_page(self._thread, GFP_KERNEL)
            if process.killed:
                await self.free_page(pfn)
                break
            if pfn is None:
                break
            process.pages.append(pfn)
        return len(process.pages)

    async def user_exit(self, name: str) -> None:
        """The process ends and gives its memory back."""
        user = self._machine.pages.reclaim.user
        for process in [process for process in user.processes if process.name == name]:
            user.processes.remove(process)
            for pfn in process.pages:
                await self.free_page(pfn)
