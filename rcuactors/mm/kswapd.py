"""kswapd (mm/vmscan.c): kswapd(), balance_pgdat(), kswapd_try_to_sleep(), wakeup_kswapd().

It sleeps in pgdat->kswapd_wait until somebody finds the zone low. That queue is under a spinlock_t, and waking takes
it: so a request that may wake kswapd must not come from under a raw lock, whether the CPU's page list has a page or
not. Three looks come before the lock, and spare it: somebody must wait (waitqueue_active(): not while kswapd is awake),
the node must not be hopeless, and it must not be balanced. Hopeless is a node for which kswapd has reclaimed nothing in
MAX_RECLAIM_RETRIES rounds; any reclaim that gets something back makes it hopeful again (shrink_node()). These looks are
the same, in this order, in 5.9.4, 5.11 and 6.1.166; kcompactd, which is woken instead for a request without direct
reclaim, is for larger orders only.

Not modelled: the tenth of a second for which kswapd sleeps lightly, before it has kcompactd woken and sleeps for good.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from ..context.locks import LockKind
from ..kernel.thread import Thread
from ..kernel.wait import WaitQueueHead, finish_wait, prepare_to_wait, schedule, waitqueue_active, wake_up

if TYPE_CHECKING:
    from ..kernel.system import System
    from .fs_reclaim import FsReclaim
    from .page.zone import Zone

MAX_RECLAIM_RETRIES: Final = 16


class Kswapd:
    """The thread and its wait queue, both made when somebody first wants it: until then it has slept since boot."""

    def __init__(
        self, system: System, zone: Zone, fs_reclaim: FsReclaim, shrink_node: Callable[[Thread], Awaitable[int]]
    ) -> None:
        self._system = system
        self._zone = zone
        self._fs_reclaim = fs_reclaim
        self._shrink_node = shrink_node
        self._wait: WaitQueueHead | None = None
        self.thread: Thread | None = None
        self.failures = 0
        self.wakeups = 0

    def progress(self) -> None:
        """Some reclaim has got something back (shrink_node()): the node is not hopeless."""
        self.failures = 0

    def is_kswapd(self, thread: Thread) -> bool:
        """It is PF_MEMALLOC all its life."""
        return thread is self.thread

    # -- waking it -----------------------------------------------------------------------------------------------------

    async def wakeup_kswapd(self, thread: Thread) -> None:
        """wakeup_kswapd(): unless it is awake, has given up, or has nothing to do."""
        head = self._kswapd_wait()
        if not waitqueue_active(head) or self.failures >= MAX_RECLAIM_RETRIES or self._pgdat_balanced():
            return
        self.wakeups += 1
        await wake_up(self._system, thread, head)

    def _pgdat_balanced(self) -> bool:
        """pgdat_balanced()."""
        return self._zone.zone_watermark_ok(self._zone.watermark_high)

    def _kswapd_wait(self) -> WaitQueueHead:
        """pgdat->kswapd_wait, in which kswapd0 has waited since kswapd_init(): prepare_to_wait() has had its lock."""
        if self._wait is None:
            system = self._system
            lock = system.lock_factory.make("&pgdat->kswapd_wait", LockKind.SPINLOCK)
            system.lockdep.used_at_boot(lock, irqs_on=system.config.PREEMPT_RT)
            self.thread = system.create_thread(system.cpu(0), "kswapd0", self._kswapd, service=True, bound=False)
            self.thread.reclaims(True)
            self._wait = WaitQueueHead(lock)
            self._wait.waiters.append(self.thread)
        return self._wait

    # -- the thread ----------------------------------------------------------------------------------------------------

    async def _kswapd(self) -> None:
        """kswapd(): what follows its first sleep."""
        thread = self.thread
        assert thread is not None
        while True:
            with thread.working():
                await self.balance_pgdat(thread)
            await self._kswapd_try_to_sleep(thread)

    async def balance_pgdat(self, thread: Thread) -> None:
        """balance_pgdat(): one round, with fs_reclaim held, to the high watermark or until nothing more can be had."""
        self._fs_reclaim.fs_reclaim_acquire(thread.cpu, "balance_pgdat")
        zone, reclaimed = self._zone, 0
        zone.flags.reclaim_active = True
        while not self._pgdat_balanced():
            got = await self._shrink_node(thread)
            if not got:
                break
            reclaimed += got
        if not reclaimed:
            self.failures += 1
        zone.flags.reclaim_active = False
        self._fs_reclaim.fs_reclaim_release(thread.cpu)

    async def _kswapd_try_to_sleep(self, thread: Thread) -> None:
        """kswapd_try_to_sleep(): if the node is balanced, or hopeless (prepare_kswapd_sleep())."""
        head = self._kswapd_wait()
        await prepare_to_wait(self._system, thread, head)
        if self.failures >= MAX_RECLAIM_RETRIES or self._pgdat_balanced():
            await schedule(thread, "low memory")
        await finish_wait(self._system, thread, head)
