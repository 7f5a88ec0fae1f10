"""c13_cache_destroyed: a module goes with callbacks of call_rcu() on their way, and its cache with it.

The report: a callback puts its object back into a cache that is gone. The mend: rcu_barrier() before the cache is
destroyed.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def c13_cache_destroyed(k: Kernel, fixed: bool = False, objects: int = 10) -> None:
    cache = await k.kmalloc(256)

    async def give() -> None:
        p = await k.kmalloc(128)

        async def put_back() -> None:
            k.deref(cache)
            await k.kfree(p)

        await k.call_rcu(put_back)

    for _ in range(objects):
        await give()
    if fixed:
        await k.rcu_barrier()
    await k.kfree(cache)
    await k.msleep(200)


if __name__ == "__main__":
    script(c13_cache_destroyed)
