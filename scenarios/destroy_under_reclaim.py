"""destroy_under_reclaim: caches come and go with their devices, while memory is short and all shrinkers are asked.

A device's objects are freed by kfree_rcu() on the CPU that has found it gone, and when it has come to rest a work
destroys its cache, on a workqueue that reclaim may wait for (WQ_MEM_RECLAIM), as nvme's scan does. On other CPUs
reclaim asks all shrinkers again and again; others free, and call_rcu() keeps grace periods going.

* v5.9 to v6.6, v5.11 among them, have no barrier for kfree_rcu(): such a module can only ask the shrinkers and wait.
  That is enough in order of time, and clean; with other schedules it is not, a leak (commit 6c6c47b063b5).
* v6.12.0: kmem_cache_destroy() waits by itself, but for works that have no rescuer (commit dfd3df31c9db): with some
  schedules "is flushing !WQ_MEM_RECLAIM", a flush dependency. In order of time it is clean.
* v6.12 and later: clean in order of time. With other schedules the barrier misses what a shrinker's monitor has taken
  out of the queue and not freed yet (docs/open-questions.md).
"""

from functools import partial

from rcuactors import WQ_MEM_RECLAIM, WQ_UNBOUND, Kernel, scenario, script


class Beside:
    """What goes on beside the devices, until it is `over`."""

    def __init__(self, k: Kernel, pause_us: int) -> None:
        self.k, self.pause_us = k, max(pause_us, 1_000)
        self.over = False

    async def reclaim(self) -> None:
        """All shrinkers are asked."""
        while not self.over:
            await self.k.usleep_range(self.pause_us, self.pause_us)
            await self.k.drop_slab()

    async def callbacks(self) -> None:
        """call_rcu(), again and again."""
        k = self.k
        while not self.over:
            await k.call_rcu(partial(k.kfree, await k.kmalloc(64)), name="entry_free_rcu")
            await k.usleep_range(5_000, 5_000)

    async def frees(self) -> None:
        """Somebody else's objects."""
        k = self.k
        while not self.over:
            await k.kvfree_rcu(await k.vmalloc(64), "rcu")
            await k.usleep_range(2 * self.pause_us, 2 * self.pause_us)


@scenario(
    expect={
        "v5.9": {"plain": "clean", "prove": "clean", "rt": "clean"},
        "v5.9 direct": {"plain": "clean", "prove": "clean", "rt": "clean"},
        "v5.11": {"plain": "clean", "prove": "clean", "rt": "clean"},
    },
    settings={"nr_cpus": "3"},
)
async def destroy_under_reclaim(
    k: Kernel, devices: int = 2, objects: int = 2, pause_us: int = 27_000, rest_us: int = 12_000
) -> None:
    scan_wq = k.alloc_workqueue("scan_wq", WQ_UNBOUND | WQ_MEM_RECLAIM)
    beside = Beside(k, pause_us)

    async def device() -> None:
        cache = k.kmem_cache_create("device", 64)

        async def scan() -> None:
            await k.kmem_cache_destroy(cache)

        for _ in range(objects):
            await k.kvfree_rcu(await k.kmem_cache_alloc(cache), "rcu")
            await k.usleep_range(8_000, 8_000)
        if not k.has("kvfree_rcu_barrier"):
            for _ in range(2):
                await k.drop_slab()
                await k.msleep(60)
        await k.usleep_range(rest_us, rest_us)
        work = k.work(scan)
        await k.queue_work(scan_wq, work)
        await k.flush_work(work)

    async with k.open_nursery() as nursery:
        for cpu in (0, 2):
            await nursery.start_soon(beside.reclaim, cpu=cpu)
        for task in (beside.callbacks, beside.frees):
            await nursery.start_soon(task, cpu=1)
        for _ in range(devices):
            await k.kthread_join(await k.kthread_run(device, cpu=1))
        beside.over = True
    await k.destroy_workqueue(scan_wq)
    await k.kvfree_rcu(await k.vmalloc(64), "rcu")


if __name__ == "__main__":
    script(destroy_under_reclaim)
