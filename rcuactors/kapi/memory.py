"""Memory: kmalloc(), vmalloc(), pages, and what user space holds."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any, Final

from ..context.trace import caller_site
from ..context.violation import exception_for
from ..kernel.cpu import Cpu
from ..kernel.locking.irqsave import spin_lock_irqsave, spin_unlock_irqrestore
from ..mm.gfp import GFP_KERNEL, Gfp
from ..mm.objects import KObject
from ..mm.reclaim import Process
from ..mm.slab.slab import SIZES
from .base import KernelBase

_OFFSET: Final = 0x10
"""Of the member that is read through a pointer: that of seed 003's oops."""


class Memory(KernelBase):
    """Objects, areas, pages (include/linux/slab.h, include/linux/vmalloc.h, include/linux/gfp.h).

    An allocation that fails returns None, as NULL is returned there. Freeing None does nothing.
    """

    def kmalloc(self, size: int, gfp: Gfp = GFP_KERNEL) -> Coroutine[Any, Any, KObject | None]:
        """An object of `size` bytes, at most one page. Raises BadInput for a size out of range."""
        running = self._conductor.running
        # As in _thread, which would be one call more.
        thread = running.current if isinstance(running, Cpu) else self._thread
        return self._machine.slab.kmalloc(thread, size, gfp)

    async def kfree(self, p: KObject | None) -> None:
        """Free at once."""
        if p is not None:
            await self._machine.slab.kfree(self._thread, p)

    async def kfree_bulk(self, pointers: Sequence[KObject]) -> None:
        """Free many objects from kmalloc() at once, in one pass. Raises TypeError for an area from vmalloc()."""
        for p in pointers:
            if p.is_vmalloc:
                raise TypeError(f"kfree_bulk(): {p} is no object from kmalloc(); use vfree() or kvfree()")
        await self._machine.slab.kfree_bulk(self._thread, pointers)

    def vmalloc(self, size: int) -> Coroutine[Any, Any, KObject | None]:
        """Virtually contiguous memory of `size` bytes; may sleep. Raises BadInput for a size out of range."""
        return self._machine.vmalloc.vmalloc(self._thread, size)

    async def vfree(self, p: KObject | None) -> None:
        """Free at once; may sleep, and defers itself in interrupts."""
        if p is not None:
            await self._machine.vmalloc.vfree(self._thread, p)

    def kvmalloc(self, size: int) -> Coroutine[Any, Any, KObject | None]:
        """`size` bytes by kmalloc() if a page is enough, else by vmalloc(). Raises BadInput for a size out of range."""
        return self.kmalloc(size) if size <= SIZES[-1] else self.vmalloc(size)

    async def kvfree(self, p: KObject | None) -> None:
        """Free at once, whichever it is."""
        if p is not None:
            await self._machine.kvfree.kvfree(self._thread, p)

    def deref(self, p: KObject | None) -> KObject:
        """Use a pointer.

        A freed object is reported as a use-after-free. NULL is reported as the kernel would, and raises KernelBug.
        """
        cpu = self._cpu
        if p is None:
            raise exception_for(cpu.judge.null_dereference(cpu, _OFFSET))
        self._machine.oracle.dereferenced(None, p)
        return p

    # -- pages --

    async def get_free_page(self, gfp: Gfp = GFP_KERNEL) -> int | None:
        """__get_free_page(): a page, by its frame number."""
        return await self._machine.pages.get_free_page(self._thread, gfp)

    async def free_page(self, pfn: int | None) -> None:
        """free_page(): give back a page, by its frame number."""
        if pfn is not None:
            await self._machine.pages.free_page(self._thread, pfn)

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
        return len(self._machine.pages.zone.list_of(self._cpu).pages)

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
        for got in range(pages):
            pfn = await self.get_free_page()
            if pfn is None:
                return got
            user.file_pages.append(pfn)
        return pages

    async def user_process(self, name: str, pages: int) -> int:
        """A user process takes memory that only its exit, or the OOM killer, gives back.

        Returns how many pages it has in the end.
        """
        process = Process(name)
        self._machine.pages.reclaim.user.processes.append(process)
        for _ in range(pages):
            pfn = await self.get_free_page()
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
