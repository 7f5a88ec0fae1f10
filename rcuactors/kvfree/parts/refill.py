"""The page-cache refill (commit 56292e8609e3): a 0 ns hrtimer, a high-priority work, pages that may be waited for.

run_page_cache_worker() asks, fill_page_cache_func() fills. The hrtimer only enqueues and programs the clock event
device, so asking is legal wherever kvfree_rcu() is; the handler runs later, in an interrupt that holds none of the
caller's locks, and may queue a work there, which takes the pool's and the scheduler's locks. In versions whose
shrinker has a look at the cache (commit d0bfa8b3c411), a refill after such a look is put off by a delayed work, and
gets one page. A delay of 0 is in the range of that parameter, and then the work is queued at once, from under
krcp->lock.

A design that has another way to fill the cache uses `begin()` and `end()`, so that one refill at a time is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ...kernel.time.hrtimer import Hrtimer
from ...mm.gfp import Gfp
from ...rcu.callbacks import SchedulerActive
from ..figures import RefillStatistics

if TYPE_CHECKING:
    from ...kernel.cpu import Cpu
    from ...kernel.thread import Thread
    from ..core import KvfreeRcu
    from ..krc import Krc


@attrs.frozen(kw_only=True)
class RefillRules:
    """How the worker gets the cache's pages."""

    gfp: Gfp
    """Flags of __get_free_page(): __GFP_NORETRY and __GFP_NOMEMALLOC among them since commit ee6ddf58475c."""
    ends_at_failure: bool
    """A page that cannot be had ends the loop: since commit ee6ddf58475c."""
    starts_at_cached: bool
    """The loop counts from the pages that are there (60888b77a06e, v6.5), not from none: fewer come for nothing."""
    asks_without_cache: bool = True
    """Asked for with rcu_min_cached_objs=0, too, when there is nothing to fill (until 021a5ff84743, v6.5)."""


@attrs.define(eq=False)
class Refilling:
    """What the refill remembers of a CPU."""

    work_in_progress: bool = False
    backoff_page_cache_fill: bool = False
    ends: bool = False
    """It has cleared the first of these, and not yet the second."""


class Refill:
    """The refill of all CPUs' caches."""

    def __init__(self, kvfree: KvfreeRcu) -> None:
        self._kvfree = kvfree
        self._backoff = False
        self._slot = kvfree.slots.add(lambda: Refilling(backoff_page_cache_fill=self._backoff))
        self.of = self._slot.of

    def statistics(self) -> RefillStatistics:
        """Their figures, as they are now."""
        figures = self._kvfree.figures
        states = [self.of(krcp) for krcp in self._kvfree.all_krcs()]
        return RefillStatistics(
            asked=figures.refills_asked,
            done=figures.refills_done,
            in_progress=sum(mine.work_in_progress for mine in states),
            put_off=sum(mine.backoff_page_cache_fill for mine in states),
            pages=figures.refill_pages,
            pages_refused=figures.refill_pages_refused,
        )

    def begin(self, krcp: Krc) -> bool:
        """Under krcp->lock: whether to ask for a refill now; not before the scheduler runs, nor when one is asked."""
        kvfree, mine = self._kvfree, self.of(krcp)
        if kvfree.callbacks.scheduler_active is not SchedulerActive.RUNNING or mine.work_in_progress:
            return False
        mine.work_in_progress = True
        kvfree.figures.refills_asked += 1
        return True

    def end(self, krcp: Krc) -> None:
        """The refill is over, whatever it brought."""
        self.of(krcp).work_in_progress = False
        self._kvfree.figures.refills_done += 1

    def put_off(self) -> None:
        """The next refill of every possible CPU is put off; also that of one that nothing has touched yet."""
        self._backoff = True
        for krcp in self._kvfree.all_krcs():
            self.of(krcp).backoff_page_cache_fill = True

    async def run_page_cache_worker(self, cpu: Cpu, krcp: Krc) -> None:
        """run_page_cache_worker(): ask for a refill unless one is on its way; under krcp->lock."""
        kvfree = self._kvfree
        if not (kvfree.min_cached_objs or kvfree.rules.refill.asks_without_cache) or not self.begin(krcp):
            return
        workqueues = kvfree.workqueues
        mine = self.of(krcp)
        if mine.backoff_page_cache_fill:
            kvfree.figures.refills_put_off_again += mine.ends
            config = kvfree.system.config
            # msecs_to_jiffies() rounds up.
            delay = -(-config.rcu_delay_page_cache_fill_msec * config.HZ // 1000)
            await workqueues.queue_delayed_work(cpu, kvfree.workqueue, krcp.page_work, delay)
            return

        async def schedule_page_work_fn(on: Cpu) -> int | None:
            await workqueues.queue_work(on, workqueues.system_highpri_wq, krcp.page_work.work)
            return None

        timer = Hrtimer("schedule_page_work_fn", schedule_page_work_fn)
        await kvfree.system.hrtimers.hrtimer_start(cpu, timer, 0)

    async def fill_page_cache_func(self, thread: Thread, krcp: Krc) -> None:
        """fill_page_cache_func(): up to rcu_min_cached_objs pages, one after a look of the shrinker.

        Each is put in under the lock.
        """
        kvfree, mine, system = self._kvfree, self.of(krcp), self._kvfree.system
        locks, rules = system.locks, kvfree.rules.refill
        first = len(krcp.cache) if rules.starts_at_cached else 0
        wanted = 1 if mine.backoff_page_cache_fill else kvfree.min_cached_objs
        kvfree.figures.refills_for_nothing += first >= wanted
        for _ in range(first, wanted):
            page = await kvfree.pages.get_free_page(thread, rules.gfp)
            if page is None:
                if rules.ends_at_failure:
                    break
                continue
            cpu, flags = thread.local_irq_save("fill_page_cache_func")
            await locks.raw_spin_lock(cpu, krcp.lock)
            pushed = kvfree.put_cached_bnode(krcp, page)
            await locks.raw_spin_unlock(cpu, krcp.lock)
            await cpu.local_irq_restore(flags)
            if not pushed:
                kvfree.figures.refill_pages_refused += 1
                await kvfree.pages.free_page(thread, page)
                break
            kvfree.figures.refill_pages += 1
        self.end(krcp)
        if mine.backoff_page_cache_fill:
            # Two variables, one after the other: a request in between is put off once more.
            mine.ends = True
            await thread.point()
            mine.backoff_page_cache_fill = mine.ends = False
        if system.events.on:
            system.emit(thread.cpu, "fill_page_cache_func", f"cpu={krcp.cpu_id} cached={len(krcp.cache)}")
