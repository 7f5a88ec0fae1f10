"""a4f_reclaim_by_work: reclaim waits for a work, and the work for a worker that there is no memory to make of.

A shrinker has a work write its cache back, and flushes it. Where the workqueue has no WQ_MEM_RECLAIM, nobody runs that
work: the pool's first worker is the one that reclaims, the second has become the manager and wants memory itself.
check_flush_dependency() warns of it; after that it is a workqueue lockup and hung tasks. With the flag a rescuer runs
the work after two jiffies, and everybody goes on.
"""

from rcuactors import Kernel, scenario, script
from rcuactors.kapi.workqueues import WQ_MEM_RECLAIM


@scenario(settings={"mem": "16M"})
async def a4f_reclaim_by_work(k: Kernel, fixed: bool = False) -> None:
    wq = k.alloc_workqueue("writeback", WQ_MEM_RECLAIM) if fixed else k.alloc_workqueue("writeback")
    cache = [await k.get_free_page() for _ in range(200)]
    taken = []

    async def w_write() -> None:
        for _ in range(64):
            if cache:
                await k.free_page(cache.pop())

    async def w_hungry() -> None:
        taken.extend([await k.get_free_page() for _ in range(64)])

    write, hungry = k.work(w_write), k.work(w_hungry)

    async def count_objects() -> int:
        return len(cache)

    async def scan_objects(_nr_to_scan: int) -> int:
        before = len(cache)
        await k.queue_work(wq, write)
        await k.flush_work(write)
        return before - len(cache)

    shrinker = await k.register_shrinker("writeback", count_objects, scan_objects)
    await k.user_process("hog", k.nr_free_pages() - k.min_wmark_pages())
    await k.queue_work_on(0, k.system_wq, hungry)
    await k.flush_work(hungry)
    await k.unregister_shrinker(shrinker)
    while pages := taken or cache:
        await k.free_page(pages.pop())
    await k.user_exit("hog")
    await k.destroy_workqueue(wq)


if __name__ == "__main__":
    script(a4f_reclaim_by_work)
