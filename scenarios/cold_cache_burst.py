"""cold_cache_burst: 5,000 kvfree_rcu() calls in a row from a CPU whose page cache is empty.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def cold_cache_burst(k: Kernel, objects: int = 5000) -> None:
    await k.cold_caches()
    for _ in range(objects):
        p = await k.kmalloc(64)
        await k.kvfree_rcu(p, "rcu")


if __name__ == "__main__":
    script(cold_cache_burst)
