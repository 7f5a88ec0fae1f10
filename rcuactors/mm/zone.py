"""The zone and the per-CPU page lists in front of it (mm/page_alloc.c of v5.9/v5.10), order 0 only.

A CPU's list is touched with interrupts off and no lock; it is refilled from the zone in batches under zone->lock, a
spinlock_t, and drained back the same way. On PREEMPT_RT the list is under a local_lock instead of interrupts off, as
the PREEMPT_RT patches of that time have it (docs, assumptions).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import attrs

from ..context.locks import Lock, LockKind
from .objects import PAGE_SIZE

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kernel.system import System


def zone_batchsize(managed_pages: int) -> int:
    """Pages moved at a time (zone_batchsize()): 63 for big zones with 4 KiB pages."""
    batch = min(managed_pages >> 10, (1 << 20) // PAGE_SIZE) // 4
    batch = max(batch, 1)
    return max((1 << (batch + batch // 2).bit_length() - 1) - 1, 1)


@attrs.define(eq=False)
class PageList:
    """struct per_cpu_pages: the free pages of one CPU, most recently freed last."""

    pages: list[int] = attrs.field(factory=list)
    lock: Lock | None = None


class Zone:
    """struct zone with its page lists. Pages are page frame numbers."""

    def __init__(self, system: System) -> None:
        config = system.config
        self._system = system
        self.managed = config.mem // PAGE_SIZE
        self.lock = system.lock_factory.make("&zone->lock", LockKind.SPINLOCK)
        self.batch = config.pcp_batch or zone_batchsize(self.managed)
        self.high = 6 * self.batch
        # min_free_kbytes = 4 * sqrt(lowmem_kbytes), at least 128 (init_per_zone_wmark_min())
        lowmem_kib = self.managed * PAGE_SIZE // 1024
        self.watermark_min = max(math.isqrt(lowmem_kib * 16), 128) * 1024 // PAGE_SIZE
        self.watermark_low = self.watermark_min + self.watermark_min // 4
        self.watermark_high = self.watermark_min + self.watermark_min // 2
        self._fresh = 1
        self._returned: list[int] = []
        self._lists: dict[int, PageList] = {}
        self.free = self.managed
        self.in_use: set[int] = set()
        self.peak_in_use = 0
        self.allocated = 0
        self.freed = 0
        self.refills = 0
        self.drains = 0

    def list_of(self, cpu: Cpu) -> PageList:
        """The CPU's page list."""
        found = self._lists.get(cpu.cpu_id)
        if found is None:
            rt = self._system.config.PREEMPT_RT
            lock = self._system.lock_factory.make("pagesets.lock", LockKind.LOCAL_LOCK) if rt else None
            found = self._lists[cpu.cpu_id] = PageList(lock=lock)
        return found

    # -- the buddy allocator's order-0 list, under zone->lock --------------------------------------------------------

    def _take(self) -> int:
        self.free -= 1
        if self._returned:
            return self._returned.pop()
        self._fresh += 1
        return self._fresh - 1

    async def rmqueue_bulk(self, cpu: Cpu, pages: PageList, count: int) -> int:
        """Move up to `count` pages from the zone to the list; returns how many."""
        system = self._system
        await system.locks.spin_lock(cpu, self.lock)
        moved = min(count, self.free)
        for _ in range(moved):
            pfn = self._take()
            pages.pages.insert(0, pfn)
            if system.events.on:
                text = f"page={_page(pfn)} pfn=0x{pfn:x} order=0 migratetype=0 percpu_refill=1"
                system.emit(cpu, "mm_page_alloc_zone_locked", text)
        cpu.clock += moved * system.costs.page_bulk_ns
        self.refills += 1
        await system.locks.spin_unlock(cpu, self.lock)
        return moved

    async def free_pcppages_bulk(self, cpu: Cpu, pages: PageList, count: int) -> None:
        """Give the `count` coldest pages of the list back to the zone."""
        system = self._system
        await system.locks.spin_lock(cpu, self.lock)
        cold, pages.pages[:count] = pages.pages[:count], []
        if system.events.on:
            for pfn in cold:
                system.emit(cpu, "mm_page_pcpu_drain", f"page={_page(pfn)} pfn=0x{pfn:x} order=0 migratetype=0")
        self._returned += cold
        self.free += len(cold)
        cpu.clock += len(cold) * system.costs.page_bulk_ns
        self.drains += 1
        await system.locks.spin_unlock(cpu, self.lock)

    # -- the CPU's list ----------------------------------------------------------------------------------------------

    async def _pin(self, cpu: Cpu, pages: PageList) -> bool:
        if pages.lock is not None:
            await self._system.locks.spin_lock(cpu, pages.lock)
            return False
        return cpu.local_irq_save("rmqueue_pcplist")

    async def _unpin(self, cpu: Cpu, pages: PageList, flags: bool) -> None:
        if pages.lock is not None:
            await self._system.locks.spin_unlock(cpu, pages.lock)
        else:
            await cpu.local_irq_restore(flags)

    async def rmqueue_pcplist(self, cpu: Cpu) -> int | None:
        """A page from the CPU's list, refilled from the zone when it is empty."""
        pages = self.list_of(cpu)
        flags = await self._pin(cpu, pages)
        if not pages.pages:
            await self.rmqueue_bulk(cpu, pages, self.batch)
        pfn = pages.pages.pop() if pages.pages else None
        cpu.clock += self._system.costs.page_alloc_ns
        if pfn is not None:
            self._note_allocated(pfn)
        await self._unpin(cpu, pages, flags)
        return pfn

    async def free_unref_page(self, cpu: Cpu, pfn: int) -> None:
        """A page back to the CPU's list; a batch goes back to the zone when the list is too long."""
        pages = self.list_of(cpu)
        self.in_use.remove(pfn)
        flags = await self._pin(cpu, pages)
        self.freed += 1
        pages.pages.append(pfn)
        cpu.clock += self._system.costs.page_free_ns
        if len(pages.pages) >= self.high:
            await self.free_pcppages_bulk(cpu, pages, self.batch)
        await self._unpin(cpu, pages, flags)

    async def drain_local_pages(self, cpu: Cpu) -> None:
        """drain_local_pages(): the whole list back to the zone."""
        pages = self.list_of(cpu)
        flags = await self._pin(cpu, pages)
        if pages.pages:
            await self.free_pcppages_bulk(cpu, pages, len(pages.pages))
        await self._unpin(cpu, pages, flags)

    def take_boot_page(self) -> int:
        """A page for what is set up before the machine runs."""
        pfn = self._take()
        self._note_allocated(pfn)
        return pfn

    def _note_allocated(self, pfn: int) -> None:
        self.in_use.add(pfn)
        self.allocated += 1
        self.peak_in_use = max(self.peak_in_use, len(self.in_use))


def _page(pfn: int) -> str:
    """The address of a page's struct page, as %p of a flat memory map would show it."""
    return f"{0xFFFFEA0000000000 + pfn * 64:016x}"
