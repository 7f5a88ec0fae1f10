"""The shrinkers: what reclaim can get from kvfree_rcu() (kernel/rcu/tree.c, kfree_rcu_shrink_count() and _scan()).

Counting adds up krcp->count, which says as much as the version's counting makes of it. Scanning frees nothing of the
queue itself: it starts a batch. In all versions it subtracts what it has found from sc->nr_to_scan, an unsigned long,
and stops at `<= 0`: so it stops where the difference is exactly 0, and goes through every possible CPU where it wraps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...mm.reclaim import Shrinker
from ..krc import take_cache

if TYPE_CHECKING:
    from ...kernel.thread import Thread
    from ..core import KvfreeRcu
    from ..krc import Krc

_UNSIGNED_LONG: Final = (1 << 64) - 1


def queue_shrinker(kvfree: KvfreeRcu) -> Shrinker:
    """kfree_rcu_shrink_count(), kfree_rcu_shrink_scan() of v5.9 to v5.11.

    What is queued; a batch is started where the monitor is armed. The cache is out of sight.
    """

    async def kfree_rcu_shrink_count(_thread: Thread) -> int:
        return counted(kvfree)

    async def kfree_rcu_shrink_scan(thread: Thread, nr_to_scan: int) -> int | None:
        locks = kvfree.system.locks
        freed = 0
        for krcp in kvfree.possible_krcs():
            count = krcp.count
            cpu, flags = thread.local_irq_save("kfree_rcu_shrink_scan")
            await locks.raw_spin_lock(cpu, krcp.lock)
            await kvfree.monitor.start_batches(cpu, krcp)
            await locks.raw_spin_unlock(cpu, krcp.lock)
            await cpu.local_irq_restore(flags)
            nr_to_scan = nr_to_scan - count & _UNSIGNED_LONG
            freed += count
            if not nr_to_scan:
                break
        return freed or None

    return Shrinker("rcu-kfree", kfree_rcu_shrink_count, kfree_rcu_shrink_scan)


def cache_and_queue_shrinker(kvfree: KvfreeRcu) -> Shrinker:
    """kfree_rcu_shrink_count(), kfree_rcu_shrink_scan() of v6.1.

    The cached pages, too (commit d0bfa8b3c411). Counting alone puts off every CPU's next refill.
    """
    return _cache_and_queue(kvfree, "rcu-kfree", empties_no_cache=True)


def cache_if_any_and_queue_shrinker(kvfree: KvfreeRcu) -> Shrinker:
    """The same since v6.5: with rcu_min_cached_objs=0 no lock is taken to empty a cache (commit 6b706e5603c4)."""
    return _cache_and_queue(kvfree, "rcu-kfree", empties_no_cache=False)


def slab_kvfree_rcu_shrinker(kvfree: KvfreeRcu) -> Shrinker:
    """Since v6.15, when the file had moved: by another name (mm/slab_common.c, kvfree_rcu_init())."""
    return _cache_and_queue(kvfree, "slab-kvfree-rcu", empties_no_cache=False)


def _cache_and_queue(kvfree: KvfreeRcu, name: str, *, empties_no_cache: bool) -> Shrinker:
    empties = empties_no_cache or kvfree.min_cached_objs > 0

    async def kfree_rcu_shrink_count(_thread: Thread) -> int:
        kvfree.refill.put_off()
        return counted(kvfree) + sum(len(krcp.cache) for krcp in kvfree.all_krcs())

    async def kfree_rcu_shrink_scan(thread: Thread, nr_to_scan: int) -> int | None:
        freed = 0
        for krcp in kvfree.possible_krcs():
            count = krcp.count
            if empties:
                count += await drain_page_cache(kvfree, thread, krcp)
            await kvfree.monitor.kfree_rcu_monitor(thread, krcp)
            nr_to_scan = nr_to_scan - count & _UNSIGNED_LONG
            freed += count
            if not nr_to_scan:
                break
        return freed or None

    return Shrinker(name, kfree_rcu_shrink_count, kfree_rcu_shrink_scan)


def counted(kvfree: KvfreeRcu) -> int:
    """What the CPUs' counts say, which may be less than what they have queued."""
    krcs = kvfree.all_krcs()
    kvfree.figures.counts_too_low += any(krcp.count < krcp.queued() for krcp in krcs)
    return sum(krcp.count for krcp in krcs)


async def drain_page_cache(kvfree: KvfreeRcu, thread: Thread, krcp: Krc) -> int:
    """drain_page_cache(): give a CPU's cached pages back; how many there were."""
    locks = kvfree.system.locks
    kvfree.figures.no_caches_emptied += not kvfree.min_cached_objs
    cpu, flags = thread.local_irq_save("drain_page_cache")
    await locks.raw_spin_lock(cpu, krcp.lock)
    pages = take_cache(krcp)
    await locks.raw_spin_unlock(cpu, krcp.lock)
    await cpu.local_irq_restore(flags)
    for page in reversed(pages):
        await kvfree.pages.free_page(thread, page)
    return len(pages)
