"""fs_reclaim: what lockdep knows of direct reclaim (mm/page_alloc.c, include/linux/sched/mm.h).

An allocation that may reclaim and may call into file systems can end up in any shrinker, with whatever locks that
takes. So that a mistake shows without memory being short, every such request takes the lockdep map fs_reclaim for a
moment, and reclaim itself holds it. The map is no lock: its wait type is not checked, but its use in interrupts and
its place in the order of locks are. Boot has allocated with GFP_KERNEL in process context long before a scenario
begins, which is why GFP_KERNEL in an interrupt is an "inconsistent lock state" at its first use.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ..context.locks import MapSpec
from ..context.waittype import WaitType
from .gfp import Gfp, has, may_block

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kernel.system import System
    from ..kernel.thread import Thread

FS_RECLAIM_MAP: Final = MapSpec("fs_reclaim", WaitType.INV, check=True)

_NEEDED: Final = int(Gfp.DIRECT_RECLAIM | Gfp.FS)


def may_reclaim_into_fs(gfp: Gfp) -> bool:
    """__need_reclaim(): the request may reclaim directly, and call into file systems."""
    return has(gfp, _NEEDED)


class FsReclaim:
    """The map, and might_alloc(). `is_reclaimer` says of a thread whether it has PF_MEMALLOC."""

    def __init__(self, system: System, is_reclaimer: Callable[[Thread], bool]) -> None:
        self._lockdep = system.lockdep
        self._map = system.lock_factory.make_map(FS_RECLAIM_MAP)
        self._is_reclaimer = is_reclaimer
        self._booted = False

    def kernel_init_freeable(self, cpu: Cpu) -> None:
        """From here on requests may reclaim (gfp_allowed_mask), and boot goes on to allocate, in process context."""
        self._booted = True
        self.fs_reclaim_acquire(cpu, "kernel_init_freeable")
        self.fs_reclaim_release(cpu)

    def fs_reclaim_acquire(self, cpu: Cpu, site: str) -> None:
        """__fs_reclaim_acquire(), called at `site`."""
        if self._lockdep.on:
            self._lockdep.acquire(cpu, self._map, site=site)

    def fs_reclaim_release(self, cpu: Cpu) -> None:
        """__fs_reclaim_release()."""
        if self._lockdep.on:
            self._lockdep.release(cpu, self._map)

    def might_alloc(self, cpu: Cpu, gfp: Gfp) -> None:
        """might_alloc(): fs_reclaim for a moment, then might_sleep(), if the request may block."""
        ctx = cpu.ctx
        if not (ctx.held or ctx.preempt_count or ctx.irqs_disabled or ctx.rcu_nesting) or not may_block(gfp):
            # Nothing is held and nothing is off: boot has been here before, and sleeping is allowed.
            return
        if self._booted and may_reclaim_into_fs(gfp) and not self._is_reclaimer(cpu.current):
            self.fs_reclaim_acquire(cpu, "might_alloc")
            self.fs_reclaim_release(cpu)
        cpu.judge.might_sleep(cpu)
