"""The zone: the buddy allocator's order-0 list under zone->lock, a spinlock_t, and its watermarks.

mm/page_alloc.c: rmqueue_buddy(), free_one_page(), zone_watermark_ok(), and rmqueue_bulk() and free_pcppages_bulk(), by
which the CPUs' page lists are refilled and drained in batches (pcplist.py). zone->lock is taken with interrupts off
everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from ...kernel.locking.irqsave import spin_lock_irqsave, spin_trylock_irqsave, spin_unlock_irqrestore
from ...kernel.percpu import PerCpu
from ..gfp import Gfp
from ..objects import PAGE_SIZE
from ..probes import MmProbes
from .list_sizes import PCP_BATCH_SCALE_MAX, ZoneFlags, ZoneSizes
from .no_locks import Route
from .page_lists import PageList, freed_type_first, types_in_turn

if TYPE_CHECKING:
    from ...kernel.cpu import Cpu
    from ...kernel.system import System
    from ...kernel.thread import Thread
    from ..rules import MmRules


def zone_batchsize(managed_pages: int) -> int:
    """zone_batchsize(): pages moved at a time, 63 for big zones with 4 KiB pages.

    0 for a zone below 32 MB. Whoever moves pages takes 1 for it; v5.9 makes pcp->high of the 0.
    """
    batch = min(managed_pages >> 10, (1 << 20) // PAGE_SIZE) // 4
    batch = max(batch, 1)
    return (1 << (batch + batch // 2).bit_length() - 1) - 1


@attrs.frozen(kw_only=True)
class ZoneStatistics:
    """The zone and the CPUs' page lists.

    * `managed` (pages): what the zone has in all: free, listed, in use and set aside.
    * `free` (pages): on the zone's own list.
    * `listed` (pages): on the CPUs' page lists.
    * `in_use` (pages): given out and not given back.
    * `set_aside` (pages): taken out at boot for CPUs that nothing has touched yet.
    * `peak_in_use` (pages): the most that were in use at one time.
    * `allocated` (pages): given out since boot.
    * `freed` (pages): given back since boot.
    * `refills` (times): a CPU's list was refilled from the zone, under zone->lock.
    * `drains` (times): pages went from a list back to the zone, under zone->lock.
    """

    managed: int
    free: int
    listed: int
    in_use: int
    set_aside: int
    peak_in_use: int
    allocated: int
    freed: int
    refills: int
    drains: int


class Zone:
    """struct zone with its page lists. Pages are page frame numbers."""

    def __init__(self, system: System, rules: MmRules) -> None:
        config = system.config
        self._system = system
        self.probes = MmProbes(system.conductor.ended_by)
        self._access = system.conductor.probes.access
        self.guard = guard = rules.page_lists(system)
        self.managed = config.mem // PAGE_SIZE
        self.lock = system.lock_factory.make("&zone->lock", rules.zone_lock)
        self.no_locks = rules.no_locks() if rules.no_locks is not None else None
        """What forbids the lock, in a kernel that has such a thing."""
        if self.no_locks is not None:
            self.no_locks.words = rules.gfp
        # min_free_kbytes = 4 * sqrt(lowmem_kbytes), at least 128 (init_per_zone_wmark_min())
        lowmem_kib = self.managed * PAGE_SIZE // 1024
        self.watermark_min = max(math.isqrt(lowmem_kib * 16), 128) * 1024 // PAGE_SIZE
        self.watermark_low = self.watermark_min + self.watermark_min // 4
        self.watermark_high = self.watermark_min + self.watermark_min // 2
        batchsize = config.pcp_batch or zone_batchsize(self.managed)
        self.batch = max(batchsize, 1)
        self.flags = ZoneFlags()
        self.sizes = sizes = rules.list_sizes(
            ZoneSizes(
                batchsize=batchsize,
                batch=self.batch,
                watermark_low=self.watermark_low,
                managed=self.managed,
                nr_cpus=config.nr_cpus,
            ),
            self.flags,
        )
        self.watermark_fast = self._noted_watermark if sizes.notes_below_high else self.zone_watermark_ok
        self._fresh = 1
        self._returned: list[int] = []
        self._lists = PerCpu(lambda _: guard.new(), system.masks)
        self._trylock_free_pages: list[int] = []
        self._elsewhere: list[int] = []
        self.own_of_bulk = freed_type_first if rules.freed_type_first else types_in_turn
        self._drains_at_most = self.batch << PCP_BATCH_SCALE_MAX if rules.drains_in_parts else self.managed
        self._frees_in_batches = rules.frees_in_batches
        self._decays_in_batches = rules.decays_in_batches
        self._on_grown: Callable[[Cpu], None] | None = None
        """Who is to hear that a CPU's list may have got longer than at least (vmstat.py), if anybody is."""
        self.free = self.managed
        self._set_aside = 0
        self.in_use: set[int] = set()
        self.peak_in_use = 0
        self.allocated = 0
        self.freed = 0
        self.refills = 0
        self.drains = 0

    @property
    def high(self) -> int:
        """pcp->high of a list that nothing has changed."""
        return self.sizes.high

    def list_of(self, cpu: Cpu) -> PageList:
        """The CPU's page list."""
        return self._lists[cpu.cpu_id]

    def listed(self, cpu_id: int) -> int:
        """pcp->count of that CPU's list, which is not made for that."""
        pages = self._lists.get(cpu_id)
        return pages.count if pages is not None else 0

    def statistics(self) -> ZoneStatistics:
        """Its figures, as they are now."""
        return ZoneStatistics(
            managed=self.managed,
            free=self.free,
            listed=sum(pages.count for pages in self._lists.values()) + len(self._trylock_free_pages),
            in_use=len(self.in_use),
            set_aside=self._set_aside,
            peak_in_use=self.peak_in_use,
            allocated=self.allocated,
            freed=self.freed,
            refills=self.refills,
            drains=self.drains,
        )

    # -- the buddy allocator's order-0 list, under zone->lock --------------------------------------------------------

    async def _lock_irqsave(self, thread: Thread, site: str) -> tuple[Cpu, bool]:
        """spin_lock_irqsave(&zone->lock): the CPU that this pins to, and the flags."""
        return await spin_lock_irqsave(self._system.locks, thread, self.lock, site)

    async def _lock_for(self, thread: Thread, route: Route, site: str) -> tuple[Cpu, bool] | None:
        """The same; with TRY only if the lock is free, else None."""
        if route is not Route.TRY:
            return await self._lock_irqsave(thread, site)
        cpu = thread.cpu
        flags = await spin_trylock_irqsave(self._system.locks, cpu, self.lock, site)
        return None if flags is None else (cpu, flags)

    def tells_of_growth_to(self, hears: Callable[[Cpu], None]) -> None:
        """Who is to hear of lists that have got longer than at least."""
        self._on_grown = hears

    def zone_watermark_ok(self, mark: int) -> bool:
        """zone_watermark_ok(): so many pages would stay free (order 0)."""
        return self.free > mark

    def _noted_watermark(self, mark: int) -> bool:
        """get_page_from_freelist() of v6.7 and later: at the high watermark ZONE_BELOW_HIGH is noted, too."""
        if self.free <= self.watermark_high:
            self.flags.below_high = True
        return self.free > mark

    def may_lock(self, cpu: Cpu, gfp: Gfp, route: Route) -> bool:
        """Whether a request for which the list has nothing may go on to the zone."""
        if route is Route.LIST_ONLY:
            return False
        no_locks = self.no_locks
        return no_locks is None or no_locks.at_entry or no_locks.route(cpu, gfp) is Route.ANY

    async def _unlock_irqrestore(self, cpu: Cpu, flags: bool) -> None:
        """spin_unlock_irqrestore(&zone->lock), once the time that the section took has passed.

        Until then others find the lock taken; on PREEMPT_RT also an interrupt of this CPU.
        """
        if cpu.clock >= cpu.conductor.horizon or cpu.attention:
            await cpu.point()
        await spin_unlock_irqrestore(self._system.locks, cpu, self.lock, flags)

    def _take(self) -> int:
        self.free -= 1
        if self._returned:
            return self._returned.pop()
        self._fresh += 1
        return self._fresh - 1

    async def rmqueue_bulk(self, cpu: Cpu, pages: PageList, count: int, route: Route = Route.ANY) -> int:
        """rmqueue_bulk(): move up to `count` pages from the zone to the list, which is entered; returns how many."""
        system = self._system
        locked = await self._lock_for(cpu.current, route, "rmqueue_bulk")
        if locked is None:
            return 0
        _, flags = locked
        moved = min(count, self.free)
        for _ in range(moved):
            pfn = self._take()
            pages.pages.insert(0, pfn)
            if system.events.on:
                text = f"page={_page(pfn)} pfn=0x{pfn:x} order=0 migratetype=0 percpu_refill=1"
                system.emit(cpu, "mm_page_alloc_zone_locked", text)
        cpu.clock += moved * system.costs.page_bulk_ns
        self.refills += 1
        await self._unlock_irqrestore(cpu, flags)
        return moved

    async def free_pcppages_bulk(self, cpu: Cpu, pages: PageList, count: int) -> None:
        """free_pcppages_bulk(): give the `count` coldest pages of the lists back to the zone."""
        system = self._system
        _, flags = await self._lock_irqsave(cpu.current, "free_pcppages_bulk")
        own = self.own_of_bulk(len(pages.pages), pages.others, count) if pages.others else count
        cold, pages.pages[:own] = pages.pages[:own], []
        if system.events.on:
            for pfn in cold:
                system.emit(cpu, "mm_page_pcpu_drain", f"page={_page(pfn)} pfn=0x{pfn:x} order=0 migratetype=0")
        if pages.others and count > len(cold):
            cold = cold + self._from_others(pages, count - len(cold))
        self._returned += cold
        self.free += len(cold)
        cpu.clock += len(cold) * system.costs.page_bulk_ns
        self.drains += 1
        await self._unlock_irqrestore(cpu, flags)

    async def rmqueue_buddy(self, thread: Thread, route: Route) -> int | None:
        """rmqueue_buddy(): one page straight from the zone."""
        locked = await self._lock_for(thread, route, "rmqueue_buddy")
        if locked is None:
            return None
        cpu, flags = locked
        pfn = self._take() if self.free else None
        if pfn is not None:
            self.note_allocated(pfn)
        cpu.clock += self._system.costs.page_bulk_ns
        await self._unlock_irqrestore(cpu, flags)
        return pfn

    async def free_one_page(self, thread: Thread, pfn: int, route: Route = Route.ANY) -> None:
        """free_one_page(): one page straight to the zone, with those that wait; with TRY it may have to wait itself."""
        locked = await self._lock_for(thread, route, "free_one_page")
        if locked is None:
            self.add_page_to_zone_llist(pfn)
            return
        cpu, flags = locked
        freed = [pfn]
        if self._trylock_free_pages and route is not Route.TRY:
            freed += reversed(self._trylock_free_pages)
            self._trylock_free_pages.clear()
        self._returned += freed
        self.free += len(freed)
        cpu.clock += len(freed) * self._system.costs.page_bulk_ns
        await self._unlock_irqrestore(cpu, flags)

    def add_page_to_zone_llist(self, pfn: int) -> None:
        """add_page_to_zone_llist(): zone->trylock_free_pages, for who next frees a page with the lock (v6.15)."""
        self._trylock_free_pages.append(pfn)

    def leave_on_lists(self, cpu: Cpu, count: int) -> None:
        """User space has left so many pages of other migrate types on the CPU's lists, or as many as there are."""
        pages = self.list_of(cpu)
        more = min(count - pages.others, self.free)
        if more < 0:
            given = self._from_others(pages, -more)
            self._returned += given
            self.free += len(given)
        else:
            self._elsewhere += [self._take() for _ in range(more)]
            pages.others += more

    def _from_others(self, pages: PageList, count: int) -> list[int]:
        """Take so many pages of other types off the CPU's lists, or as many as they have."""
        count = min(count, pages.others)
        taken = self._elsewhere[len(self._elsewhere) - count :]
        del self._elsewhere[len(self._elsewhere) - count :]
        pages.others -= count
        return taken

    def boost_watermarks(self, pages: int) -> None:
        """boost_watermark(): pages were stolen from another type's blocks, all marks are higher by so many."""
        self.watermark_min += pages
        self.watermark_low += pages
        self.watermark_high += pages

    def set_aside(self, count: int) -> None:
        """Before the machine runs: so many pages belong to somebody who will come for them, and to nobody else."""
        self.free -= count
        self._set_aside += count

    def take_set_aside(self, count: int) -> list[int]:
        """So many of the pages that were set aside."""
        self.free += count
        self._set_aside -= count
        pages = [self._take() for _ in range(count)]
        for pfn in pages:
            self.note_allocated(pfn)
        return pages

    def note_allocated(self, pfn: int) -> None:
        """It is somebody's now."""
        self.in_use.add(pfn)
        if self.probes.page_taken.on:
            self.probes.page_taken(pfn)
        self.allocated += 1
        self.peak_in_use = max(self.peak_in_use, len(self.in_use))


def _page(pfn: int) -> str:
    """The address of a page's struct page, as %p of a flat memory map would show it."""
    return f"{0xFFFFEA0000000000 + pfn * 64:016x}"
