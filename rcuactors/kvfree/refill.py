"""The page-cache refill (commit 56292e8609e3): a 0 ns hrtimer, a high-priority work, pages that may be waited for.

The hrtimer only enqueues and programs the clock event device, so asking is legal wherever kvfree_rcu() is; the
handler runs later, in an interrupt that holds none of the caller's locks, and may queue a work there, which takes the
pool's and the scheduler's locks. In versions whose shrinker has a look at the cache (commit d0bfa8b3c411), a refill
after such a look is put off by a delayed work, and gets one page. A delay of 0 is in the range of that parameter, and
then the work is queued at once, from under krcp->lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..kernel.hrtimer import Hrtimer
from ..rcu.callbacks import SchedulerActive

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from .core import KvfreeRcu
    from .krc import Krc


async def run_page_cache_worker(kvfree: KvfreeRcu, cpu: Cpu, krcp: Krc) -> None:
    """Ask for a refill unless one is on its way; under krcp->lock."""
    if kvfree.callbacks.scheduler_active is not SchedulerActive.RUNNING or krcp.work_in_progress:
        return
    krcp.work_in_progress = True
    kvfree.figures.refills_asked += 1
    workqueues = kvfree.workqueues
    if krcp.backoff_page_cache_fill:
        config = kvfree.system.config
        # msecs_to_jiffies() rounds up.
        delay = -(-config.rcu_delay_page_cache_fill_msec * config.HZ // 1000)
        await workqueues.queue_delayed_work(cpu, workqueues.system_wq, krcp.page_work, delay)
        return

    async def schedule_page_work_fn(on: Cpu) -> int | None:
        await workqueues.queue_work(on, workqueues.system_highpri_wq, krcp.page_work.work)
        return None

    timer = Hrtimer("schedule_page_work_fn", schedule_page_work_fn)
    await kvfree.system.hrtimers.hrtimer_start(cpu, timer, 0)


async def fill_page_cache_func(kvfree: KvfreeRcu, cpu: Cpu, krcp: Krc) -> None:
    """The work: up to rcu_min_cached_objs pages, one after a look of the shrinker, each put in under the lock."""
    system, locks, rules = kvfree.system, kvfree.system.locks, kvfree.rules.refill
    for _ in range(1 if krcp.backoff_page_cache_fill else kvfree.min_cached_objs):
        page = await kvfree.pages.get_free_page(cpu.current, rules.gfp)
        if page is None:
            if rules.ends_at_failure:
                break
            continue
        flags = cpu.local_irq_save("fill_page_cache_func")
        await locks.raw_spin_lock(cpu, krcp.lock)
        pushed = kvfree.put_cached_bnode(krcp, page)
        await locks.raw_spin_unlock(cpu, krcp.lock)
        await cpu.local_irq_restore(flags)
        if not pushed:
            kvfree.figures.refill_pages_refused += 1
            await kvfree.pages.free_page(cpu.current, page)
            break
        kvfree.figures.refill_pages += 1
    krcp.work_in_progress = False
    kvfree.figures.refills_done += 1
    if krcp.backoff_page_cache_fill:
        # Two variables, one after the other: a request in between is put off once more.
        await cpu.point()
        krcp.backoff_page_cache_fill = False
    if system.events.on:
        system.emit(cpu, "fill_page_cache_func", f"cpu={krcp.cpu_id} cached={len(krcp.cache)}")
