"""The page allocator's way from a request to a page (mm/page_alloc.c): rmqueue(), the slow path. Order 0 only.

The fast path takes a page if the zone stays above its low watermark. The slow path wakes kswapd, tries again with the
watermark that the flags allow, reclaims directly if the caller may block, and ends in the OOM killer unless the flags
say otherwise. A design may add what forbids the locks (no_locks.py), a configuration hooks at the exit (hooks.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from ...context.trace import call_trace
from ...context.violation import ViolationKind
from ...engine.decision import Alternatives, DecisionKind
from ...kernel.hotplug.states import CpuhpState
from ...kernel.time.timeouts import schedule_timeout_uninterruptible
from ..gfp import GFP_V5_9, Gfp, has, may_block
from ..kswapd import MAX_RECLAIM_RETRIES
from ..reclaim import Reclaim
from .hooks import page_hooks
from .no_locks import Route
from .pcplist import ZoneWithLists
from .warn_alloc import AllocationWarnings
from .watermarks import no_watermarks

if TYPE_CHECKING:
    from ...kernel.cpu import Cpu
    from ...kernel.system import System
    from ...kernel.thread import Thread
    from ..rules import MmRules

_NO_WATERMARKS: Final = -1
"""ALLOC_NO_WATERMARKS: there is nothing that the zone must keep."""

_ZERO: Final = int(Gfp.ZERO)

ALLOCATION_FAILS: Final = DecisionKind("allocation fails")
"""Whether a page allocation fails (lib/fault-inject.c)."""

RECLAIM_NOW: Final = DecisionKind("reclaim now")
"""Whether a page allocation reclaims first, as if memory were low."""

_NO_RECLAIM: Final = 7
"""Nature's weight of none, against 1."""


@attrs.frozen(kw_only=True)
class PageAllocatorStatistics:
    """The page allocator's requests.

    * `failed` (times): a page was asked for and not had.
    * `injected` (times): of these, because of `fail_page_alloc`.
    """

    failed: int
    injected: int


class PageAllocator:
    """alloc_page() and free_page() of one machine."""

    def __init__(self, system: System, rules: MmRules) -> None:
        self._system = system
        self.zone = ZoneWithLists(system, rules)
        self.gfp = rules.gfp
        self._gfp_of = None if rules.gfp is GFP_V5_9 else rules.gfp.of
        system.hotplug.sets_up(self._page_alloc_init_cpuhp)
        self.reclaim = Reclaim(system, self.zone, self, by_reference=rules.shrinkers_by_reference)
        self.warnings = AllocationWarnings(self.zone, rules.gfp)
        self._reserves = rules.reserves
        self.might_alloc = self.reclaim.fs_reclaim.might_alloc
        self.failed = 0
        self.injected = 0
        self._inject = False
        self.hooks = page_hooks(system, self, rules)
        percent = system.config.fail_page_alloc
        self._fails = Alternatives(ALLOCATION_FAILS, ("succeeds", "fails"), (100 - percent, percent), "an allocation")
        self._reclaims = Alternatives(RECLAIM_NOW, ("no", "yes"), (_NO_RECLAIM, 1), "an allocation")

    def _page_alloc_init_cpuhp(self) -> None:
        """page_alloc_init_cpuhp(), in older versions page_alloc_init()."""
        zone = self.zone
        self._system.hotplug.setup_state(
            CpuhpState.PAGE_ALLOC,
            "mm/page_alloc:pcp",
            startup=zone.page_alloc_cpu_online if zone.sizes.shared_out else None,
            teardown=zone.page_alloc_cpu_dead,
        )

    def statistics(self) -> PageAllocatorStatistics:
        """Its figures, as they are now."""
        return PageAllocatorStatistics(failed=self.failed, injected=self.injected)

    def inject_failures(self, inject: bool) -> None:
        """Whether the configured share of allocations fails from now on. Not while the machine is put together."""
        self._inject = inject

    async def get_free_page(self, thread: Thread, gfp: Gfp, route: Route = Route.ANY) -> int | None:
        """__get_free_page(): a page frame number, or None."""
        if self._gfp_of is not None:
            gfp = self._gfp_of(gfp)
        self.might_alloc(thread.cpu, gfp)
        system, allowed = self._system, self._entry(thread.cpu, gfp, route)
        pfn = None
        if allowed is Route.ANY and self._reclaims_now(thread, gfp):
            await self.reclaim.try_to_free_pages(thread, gfp)
        if allowed is not None and not self._injected_failure(allowed):
            pfn = await self._allocate(thread, gfp, allowed)
        if pfn is None or allowed is None:
            self.failed += 1
        else:
            await self._post_alloc_hook(thread, gfp, allowed)
        if system.events.on:
            shown = (
                "page=0000000000000000 pfn=0x0"
                if pfn is None
                else f"page={0xFFFFEA0000000000 + pfn * 64:016x} pfn=0x{pfn:x}"
            )
            system.emit(thread.cpu, "mm_page_alloc", f"{shown} order=0 migratetype=0 gfp_flags={self.gfp.text(gfp)}")
        return pfn

    def _entry(self, cpu: Cpu, gfp: Gfp, route: Route) -> Route | None:
        """What the entry makes of the flags; None: refused."""
        no_locks = self.zone.no_locks
        if no_locks is None or not no_locks.at_entry or route is Route.TRY:
            return route
        asked = no_locks.route(cpu, gfp)
        if asked is Route.ANY:
            return route
        return None if route is Route.ZONE else asked

    async def _post_alloc_hook(self, thread: Thread, gfp: Gfp, route: Route) -> None:
        """post_alloc_hook(); a kernel without hooks only clears the page, if asked to."""
        for hook in self.hooks:
            await hook.post_alloc_hook(thread, gfp, route)
        if has(gfp, _ZERO):
            thread.cpu.clock += self._system.costs.page_zero_ns

    async def free_page(self, thread: Thread, pfn: int) -> None:
        """free_page()."""
        if not self._free_pages_prepare(thread.cpu, pfn):
            return
        for hook in reversed(self.hooks):
            await hook.free_pages_prepare(thread)
        await self.zone.free_unref_page(thread, pfn)

    async def free_pages_nolock(self, thread: Thread, pfn: int) -> None:
        """free_pages_nolock(): by trylocks only."""
        if not self._free_pages_prepare(thread.cpu, pfn):
            return
        for hook in reversed(self.hooks):
            await hook.free_pages_prepare(thread)
        await self.zone.free_frozen_pages_nolock(thread, pfn)

    def _free_pages_prepare(self, cpu: Cpu, pfn: int) -> bool:
        """free_pages_prepare(), but for its hooks: whether somebody had the page."""
        if pfn not in self.zone.in_use:
            self._bad_page(cpu, pfn)
            return False
        if self._system.events.on:
            self._tell_of_free(cpu, pfn)
        return True

    def _tell_of_free(self, cpu: Cpu, pfn: int) -> None:
        text = f"page={0xFFFFEA0000000000 + pfn * 64:016x} pfn=0x{pfn:x} order=0"
        self._system.emit(cpu, "mm_page_free", text)

    def _bad_page(self, cpu: Cpu, pfn: int) -> None:
        """Somebody frees a page that nobody has."""
        if self._system.events.on:
            self._tell_of_free(cpu, pfn)
        title = f"BUG: Bad page state in process {cpu.ctx.comm}  pfn:{pfn:05x}"
        lines = [title, "page is freed, but not allocated", *cpu.judge.stack(cpu, call_trace())]
        cpu.judge.report(cpu, ViolationKind.DOUBLE_FREE, title, "\n".join(lines))

    def _reclaims_now(self, thread: Thread, gfp: Gfp) -> bool:
        """As if others had just taken what there was: who may reclaim does so first (`reclaim_now`)."""
        open_now = self._inject and self._system.left_open.reclaim_now
        if not open_now or not may_block(gfp) or self.reclaim.is_reclaimer(thread):
            return False
        return bool(self._system.conductor.choose(self._reclaims))

    def _injected_failure(self, route: Route) -> bool:
        """should_fail_alloc_page(): the kernel's fault injection, a decision here. ALLOC_TRYLOCK leaves it out."""
        percent = self._system.config.fail_page_alloc
        if not percent or not self._inject or route is Route.TRY:
            return False
        fails = percent == 100 or self._system.conductor.choose(self._fails)
        self.injected += bool(fails)
        return bool(fails)

    async def rmqueue(self, thread: Thread, gfp: Gfp, route: Route) -> int | None:
        """rmqueue(): off the CPU's list; in some versions from the zone, if the list is busy or stays empty."""
        zone = self.zone
        if route is not Route.ZONE:
            pfn = await zone.rmqueue_pcplist(thread.cpu, gfp, route)
            if pfn is not None or not zone.guard.buddy_fallback:
                return pfn
        return await zone.rmqueue_buddy(thread, route) if zone.may_lock(thread.cpu, gfp, route) else None

    async def _allocate(self, thread: Thread, gfp: Gfp, route: Route) -> int | None:
        """__alloc_pages(): get_page_from_freelist() at the low watermark, else the slow path."""
        zone, no_locks = self.zone, self.zone.no_locks
        if route in (Route.LIST_ONLY, Route.TRY):
            # No slow path, all that it does needs locks; but its watermark. A trylock has the reserves of nobody.
            mark = zone.watermark_min if route is Route.TRY else self._mark(thread, gfp)
            return await self._try(thread, mark, gfp, route)
        if zone.watermark_fast(zone.watermark_low):
            pfn = await self.rmqueue(thread, gfp, route)
            if pfn is not None:
                return pfn
        if no_locks is not None and not no_locks.at_entry:
            asked = no_locks.route(thread.cpu, gfp)
            if asked is None:
                return None
            if asked is Route.LIST_ONLY:
                return await self._try(thread, self._mark(thread, gfp), gfp, route)
        return await self.alloc_pages_slowpath(thread, gfp, route)

    def _mark(self, thread: Thread, gfp: Gfp) -> int:
        """What a second try must keep, as the version has it (watermarks.py)."""
        if self._no_watermarks(thread, gfp):
            return _NO_WATERMARKS
        return self._reserves(thread, gfp, self.zone.watermark_min)

    def _no_watermarks(self, thread: Thread, gfp: Gfp) -> bool:
        return no_watermarks(thread, gfp, memalloc=self.reclaim.is_reclaimer(thread))

    async def _try(self, thread: Thread, mark: int, gfp: Gfp, route: Route) -> int | None:
        """get_page_from_freelist(): of the one zone, at this watermark."""
        return await self.rmqueue(thread, gfp, route) if self.zone.watermark_fast(mark) else None

    async def alloc_pages_slowpath(self, thread: Thread, gfp: Gfp, route: Route) -> int | None:
        """__alloc_pages_slowpath(): a page, or None and a report (`nopage`)."""
        wakes = bool(gfp & Gfp.KSWAPD_RECLAIM)
        if wakes:
            await self.reclaim.wake_all_kswapds(thread)
        pfn = await self._try(thread, self._reserves(thread, gfp, self.zone.watermark_min), gfp, route)
        retries = 0
        while pfn is None:
            if wakes:
                # So that it does not go to sleep as long as this loops.
                await self.reclaim.wake_all_kswapds(thread)
            mark = self._mark(thread, gfp)
            pfn = await self._try(thread, mark, gfp, route)
            if pfn is not None or not may_block(gfp) or self.reclaim.is_reclaimer(thread):
                break
            progress = await self.reclaim.try_to_free_pages(thread, gfp)
            pfn = await self._try(thread, mark, gfp, route)
            if pfn is not None or gfp & Gfp.NORETRY:
                break
            retries = 0 if progress else retries + 1
            if retries <= MAX_RECLAIM_RETRIES:
                await schedule_timeout_uninterruptible(self._system, thread, 1)
            elif gfp & Gfp.RETRY_MAYFAIL:
                break
            elif await self.reclaim.out_of_memory(thread, gfp):
                retries = 0
            else:
                # The kernel panics here, and says no more.
                return None
        if pfn is None:
            self.warnings.warn_alloc(thread.cpu, gfp, "page allocation failure: order:0")
        return pfn
