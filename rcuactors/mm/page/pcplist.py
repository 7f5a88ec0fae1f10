"""The CPUs' page lists in front of the zone (mm/page_alloc.c): rmqueue_pcplist(), free_unref_page(), drain_pages().

A CPU's list is refilled from the zone in batches, and drained back in the same way. What guards the lists, and how
long they may get, differs between versions (page_lists.py, list_sizes.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...context import preempt
from ...engine.probe import Access
from .no_locks import Route
from .page_lists import PageList
from .zone import Zone

if TYPE_CHECKING:
    from ...kernel.cpu import Cpu
    from ...kernel.thread import Thread
    from ..gfp import Gfp
    from .page_lists import PageList


class ZoneWithLists(Zone):
    """A zone behind the lists of its CPUs: zone->per_cpu_pageset, each a struct per_cpu_pages."""

    async def rmqueue_pcplist(self, cpu: Cpu, gfp: Gfp, route: Route) -> int | None:
        """rmqueue_pcplist(): off the CPU's list, refilled from the zone when it is empty. None when it is busy, too."""
        pages, guard = self.list_of(cpu), self.guard
        enter = guard.try_enter if route is Route.ANY else guard.enter_at_once
        flags = await enter(cpu, pages)
        if flags is None:
            return None
        if self._access.on:
            self._access(pages, Access.WRITE)
        self.sizes.note_allocation(pages)
        if not pages.pages and self.may_lock(cpu, gfp, route):
            await self.rmqueue_bulk(cpu, pages, self.sizes.to_allocate(pages), route)
            if self._on_grown is not None and self.sizes.has_grown(pages):
                self._on_grown(cpu)
        pfn = pages.pages.pop() if pages.pages else None
        costs = self._system.costs
        cpu.clock += costs.page_look_ns if pfn is None else costs.page_alloc_ns
        if pfn is not None:
            self.note_allocated(pfn)
        await guard.leave(cpu, pages, flags)
        return pfn

    async def free_unref_page(self, thread: Thread, pfn: int) -> None:
        """free_unref_page(): onto the CPU's list; some go to the zone when it is too long, this one if it is busy."""
        cpu = thread.cpu
        pages, guard = self.list_of(cpu), self.guard
        self.in_use.remove(pfn)
        self.freed += 1
        if self.probes.page_given_back.on:
            self.probes.page_given_back(pfn)
        flags = await guard.try_enter(cpu, pages)
        if flags is None:
            await self.free_one_page(thread, pfn)
            return
        if self._access.on:
            self._access(pages, Access.WRITE)
        pages.pages.append(pfn)
        cpu.clock += self._system.costs.page_free_ns
        limit = self.sizes.limit(pages)
        if self._on_grown is not None and self.sizes.has_grown(pages):
            self._on_grown(cpu)
        if len(pages.pages) + pages.others >= limit:
            left = await self._free_too_many(thread, pages, self.sizes.to_free(pages, limit), flags)
            if left is None:
                return
            flags = left
        await guard.leave(cpu, pages, flags)

    async def _free_too_many(self, thread: Thread, pages: PageList, count: int, flags: bool) -> bool | None:
        """What free_unref_page_commit() gives back to the zone; the flags to leave with, None if that is done.

        From v6.19 on it gives back a batch at a time, and lets go of the list between two of them; somebody else may
        have it then, or the thread may be on another CPU: then it leaves it at that.
        """
        cpu, guard = thread.cpu, self.guard
        at_a_time = self.batch if self._frees_in_batches else count
        left: bool | None = flags
        while count > 0 and pages.count and left is not None:
            await self.free_pcppages_bulk(cpu, pages, min(count, at_a_time))
            count -= at_a_time
            if count > 0 and pages.count:
                await guard.leave(cpu, pages, left)
                left = await guard.try_enter(cpu, pages) if thread.cpu is cpu else None
        if self.flags.below_high and self.zone_watermark_ok(self.watermark_high):
            self.flags.below_high = False
        return left

    async def free_frozen_pages_nolock(self, thread: Thread, pfn: int) -> None:
        """__free_frozen_pages() with FPI_TRYLOCK: onto the list, which is not shortened; else to the zone, or to wait.

        On PREEMPT_RT nothing is tried in an NMI or a hardirq, as in alloc_pages_nolock().
        """
        cpu = thread.cpu
        pages, guard, count = self.list_of(cpu), self.guard, cpu.ctx.preempt_count
        self.in_use.remove(pfn)
        self.freed += 1
        if self.probes.page_given_back.on:
            self.probes.page_given_back(pfn)
        if self._system.config.PREEMPT_RT and (preempt.in_nmi(count) or preempt.in_hardirq(count)):
            self.add_page_to_zone_llist(pfn)
            return
        flags = await guard.enter_at_once(cpu, pages)
        if flags is None:
            await self.free_one_page(thread, pfn, Route.TRY)
            return
        if self._access.on:
            self._access(pages, Access.WRITE)
        pages.pages.append(pfn)
        cpu.clock += self._system.costs.page_free_ns
        self.sizes.note_free(pages)
        await guard.leave(cpu, pages, flags)

    async def decay_pcp_high(self, thread: Thread) -> bool:
        """decay_pcp_high(): the CPU's list may be less long, and loses what it has beyond. Whether it did, or will."""
        pages, guard = self.list_of(thread.cpu), self.guard
        left = self.sizes.decay(pages)
        todo = bool(left) or self.sizes.has_grown(pages)
        at_a_time = self.batch if self._decays_in_batches else left
        while left > 0:
            cpu, flags = await guard.enter_drain(thread, pages)
            await self.free_pcppages_bulk(cpu, pages, min(left, at_a_time, pages.count))
            await guard.leave_drain(cpu, pages, flags)
            left -= at_a_time
        return todo

    async def page_alloc_cpu_dead(self, thread: Thread, cpu_id: int) -> None:
        """page_alloc_cpu_dead(): drain_pages(), all that a dead CPU's list holds goes back to the zone.

        What the others' may hold grows by its share, in versions that share it out (zone_pcp_update(), v5.14).
        """
        pages = self._lists.get(cpu_id)
        if pages is not None:
            await self._drain_pages(thread, pages)
        self.sizes.share_out(len(self._system.masks.online()))

    async def page_alloc_cpu_online(self, _thread: Thread, _cpu_id: int) -> None:
        """page_alloc_cpu_online(): of a CPU that is about to come."""
        self.sizes.share_out(len(self._system.masks.online()) + 1)

    async def drain_local_pages(self, thread: Thread) -> None:
        """drain_local_pages(): the whole list back to the zone."""
        await self._drain_pages(thread, self.list_of(thread.cpu))

    async def _drain_pages(self, thread: Thread, pages: PageList) -> None:
        """drain_pages_zone(): all of it; later versions do it in parts, and let go in between."""
        guard = self.guard
        left = True
        while left:
            cpu, flags = await guard.enter_drain(thread, pages)
            if pages.count:
                await self.free_pcppages_bulk(cpu, pages, min(pages.count, self._drains_at_most))
            left = bool(pages.count)
            await guard.leave_drain(cpu, pages, flags)
