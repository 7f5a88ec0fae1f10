"""cache_while_a_cpu_goes: devices go with their caches, while a CPU on which their objects were freed goes, and comes.

Each device's objects are freed by kfree_rcu() on CPU 1. Then that CPU goes and comes back, and meanwhile, a little
later with each device, a thread on CPU 2 destroys the device's cache.

* Clean in order of time, on every kernel: v5.9 (with --design direct on PREEMPT_RT it asks for pages where it may not:
  "sleeping function"), v5.11 and later. Versions before v6.12 have no barrier for kfree_rcu(), and wait for some time.
* On a version like v7.3, but before commit 67ea9d353d0b, kvfree_rcu_barrier_on_cache() comes back early when a CPU is
  held up on its way out; with KASAN=y the cache has objects then, a leak.
"""

from typing import Any

from rcuactors import Kernel, scenario, script


@scenario(
    expect={
        "v5.9": {"plain": "clean", "prove": "clean", "rt": "clean"},
        "v5.9 direct": {"plain": "clean", "prove": "clean", "rt": "sleeping-function"},
        "v5.11": {"plain": "clean", "prove": "clean", "rt": "clean"},
    },
    settings={"nr_cpus": "3"},
)
async def cache_while_a_cpu_goes(k: Kernel, devices: int = 3, objects: int = 3, pause_us: int = 12_000) -> None:
    async def frees(cache: Any) -> None:
        for _ in range(objects):
            await k.kvfree_rcu(await k.kmem_cache_alloc(cache), "rcu")

    async def gone(cache: Any, after_us: int) -> None:
        await k.usleep_range(after_us, after_us)
        if not k.has("kvfree_rcu_barrier"):
            for _ in range(2):
                await k.drop_slab()
                await k.msleep(40)
        await k.kmem_cache_destroy(cache)

    for number in range(devices):
        cache = k.kmem_cache_create("device", 64)
        await k.kthread_join(await k.kthread_run(frees, cache, cpu=1))
        async with k.open_nursery() as nursery:
            await nursery.start_soon(gone, cache, (number + 1) * pause_us, cpu=2)
            await k.cpu_down(1)
            await k.cpu_up(1)


if __name__ == "__main__":
    script(cache_while_a_cpu_goes)
