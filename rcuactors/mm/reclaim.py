"""Reclaim (mm/vmscan.c, mm/oom_kill.c) in virtual time: direct reclaim and the OOM killer; kswapd.py, shrinkers.py.

What can be reclaimed is page cache that user programs have read in, and what shrinkers give. What the OOM killer can
kill is a user process. Both are put there by scenarios (`UserMemory`): this floor has no file systems.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import attrs

from ..context.trace import call_trace
from ..context.violation import ViolationKind
from .fs_reclaim import FsReclaim
from .gfp import GFP_KERNEL, Gfp
from .kswapd import Kswapd
from .shrinkers import Shrinker, Shrinkers

if TYPE_CHECKING:
    from ..kernel.system import System
    from ..kernel.thread import Thread
    from .page.page_alloc import PageAllocator
    from .page.pcplist import ZoneWithLists

SWAP_CLUSTER_MAX: Final = 32
_DEF_PRIORITY: Final = 12


@attrs.define(eq=False)
class Process:
    """A user process with anonymous memory, which only its death gives back."""

    name: str
    killed: bool = False
    pages: list[int] = attrs.field(factory=list)


@attrs.define(eq=False)
class UserMemory:
    """What user space holds: page cache, oldest first, and processes."""

    file_pages: deque[int] = attrs.field(factory=deque)
    processes: list[Process] = attrs.field(factory=list)


@attrs.frozen(kw_only=True)
class ReclaimStatistics:
    """Reclaim, and what it can take.

    * `kswapd_wakeups` (times): kswapd was woken, having slept.
    * `direct_reclaims` (times): a caller reclaimed memory itself.
    * `oom_kills` (processes): killed by the OOM killer.
    * `reclaimers` (threads): that reclaim now (PF_MEMALLOC).
    * `shrinkers` (shrinkers): registered.
    * `file_pages` (pages): of user programs' page cache.
    * `processes` (processes): user processes that could be killed.
    """

    kswapd_wakeups: int
    direct_reclaims: int
    oom_kills: int
    reclaimers: int
    shrinkers: int
    file_pages: int
    processes: int


class Reclaim:
    """How pages come back."""

    def __init__(self, system: System, zone: ZoneWithLists, allocator: PageAllocator, *, by_reference: bool) -> None:
        """`by_reference`: as Shrinkers() takes it."""
        self._system = system
        self._zone = zone
        self._allocator = allocator
        self.user = UserMemory()
        self.shrinkers = Shrinkers(system, by_reference=by_reference)
        self._reclaimers: set[int] = set()
        self.fs_reclaim = FsReclaim(system, self.is_reclaimer)
        self.kswapd = Kswapd(system, zone, self.fs_reclaim, self._shrink_node)
        self.direct_reclaims = 0
        self.oom_kills = 0

    def statistics(self) -> ReclaimStatistics:
        """Its figures, as they are now."""
        return ReclaimStatistics(
            kswapd_wakeups=self.kswapd.wakeups,
            direct_reclaims=self.direct_reclaims,
            oom_kills=self.oom_kills,
            reclaimers=len(self._reclaimers),
            shrinkers=len(self.shrinkers.registered),
            file_pages=len(self.user.file_pages),
            processes=len(self.user.processes),
        )

    def is_reclaimer(self, thread: Thread) -> bool:
        """PF_MEMALLOC: whoever reclaims must not reclaim recursively."""
        return thread.pid in self._reclaimers or self.kswapd.is_kswapd(thread)

    # -- kswapd ------------------------------------------------------------------------------------------------------

    async def wake_all_kswapds(self, thread: Thread) -> None:
        """wake_all_kswapds(): there is one."""
        await self.kswapd.wakeup_kswapd(thread)

    # -- direct reclaim ----------------------------------------------------------------------------------------------

    async def try_to_free_pages(self, thread: Thread, gfp: Gfp = GFP_KERNEL) -> int:
        """try_to_free_pages(): in the caller's context, with fs_reclaim held; returns the pages that came back."""
        self.direct_reclaims += 1
        if gfp & Gfp.FS:
            self.fs_reclaim.fs_reclaim_acquire(thread.cpu, "try_to_free_pages")
        self._reclaimers.add(thread.pid)
        thread.reclaims(True)
        try:
            return await self._shrink_node(thread)
        finally:
            self._reclaimers.discard(thread.pid)
            thread.reclaims(False)
            if gfp & Gfp.FS:
                self.fs_reclaim.fs_reclaim_release(thread.cpu)

    async def _shrink_node(self, thread: Thread) -> int:
        """shrink_node() at falling priority, until a cluster of pages has come back."""
        before = self._zone.freed
        thread.cpu.clock += self._system.costs.reclaim_scan_ns
        for priority in range(_DEF_PRIORITY, -1, -1):
            await self._shrink_page_cache(thread)
            await self.shrinkers.shrink_slab(thread, priority)
            if self._zone.freed - before >= SWAP_CLUSTER_MAX:
                break
        await self._zone.drain_local_pages(thread)
        reclaimed = self._zone.freed - before
        if reclaimed:
            self.kswapd.progress()
        return reclaimed

    async def _shrink_page_cache(self, thread: Thread) -> None:
        """shrink_list(): the oldest cluster of the page cache, of which another reclaimer may take some meanwhile."""
        for _ in range(SWAP_CLUSTER_MAX):
            if not self.user.file_pages:
                return
            thread.cpu.clock += self._system.costs.reclaim_page_ns
            await self._allocator.free_page(thread, self.user.file_pages.popleft())

    async def drop_slab(self, thread: Thread) -> None:
        """drop_slab(), `echo 2 > /proc/sys/vm/drop_caches`: until little comes of it, less each time (v6.1, v6.12)."""
        shift = 0
        while True:
            freed = await self.shrinkers.shrink_slab(thread, 0)
            if freed >> shift <= 1:
                return
            shift += 1

    # -- the end of the rope -----------------------------------------------------------------------------------------

    async def out_of_memory(self, thread: Thread, gfp: Gfp) -> bool:
        """out_of_memory(): kill the largest process; False when there is none to kill.

        For a request without __GFP_FS (GFP_NOFS, GFP_NOIO) nobody is killed, and the caller tries again: the killer
        does not make up for reclaim that may not enter file systems (mm/oom_kill.c).
        """
        if not gfp & Gfp.FS:
            return True
        cpu = thread.cpu
        cpu.clock += self._system.costs.oom_kill_ns
        ctx = cpu.ctx
        victim = max(self.user.processes, key=lambda process: len(process.pages), default=None)
        outcome = (
            "Out of memory and no killable processes..."
            if victim is None
            else f"Out of memory: Killed process {victim.name}"
        )
        flags = f"gfp_mask=0x{int(gfp):x}({self._allocator.gfp.names(gfp)})"
        head = f"{ctx.comm} invoked oom-killer: {flags}, order=0, oom_score_adj=0"
        text = "\n".join([head, *cpu.judge.stack(cpu, call_trace()), outcome])
        cpu.judge.report(cpu, ViolationKind.OUT_OF_MEMORY, head, text)
        if victim is None:
            return False
        self.oom_kills += 1
        self.user.processes.remove(victim)
        victim.killed = True
        while victim.pages:
            await self._allocator.free_page(thread, victim.pages.pop())
        await self._zone.drain_local_pages(thread)
        return True


__all__ = ["Process", "Reclaim", "ReclaimStatistics", "Shrinker", "UserMemory"]
