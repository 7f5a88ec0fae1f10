"""sheaf_cache: objects of a cache that has asked for sheaves, as the VMAs' and the maple tree's caches do.

In v6.18 kfree_rcu() of such an object fills a sheaf of 32, and one grace period frees a whole sheaf into the cache's
barn, to allocate from again. What is in a partly filled one waits until somebody flushes it. In v7.3 every cache is so.

* Clean on every kernel. Versions before v6.18, such as v5.11, have no sheaves, and free as ever.
* `statistics().slab.sheaves` tells them apart: what waits, and how many full ones the barn has.
"""

from rcuactors import Kernel, scenario, script

CLEAN = {"plain": "clean", "prove": "clean", "rt": "clean"}


@scenario(expect={"v5.9": CLEAN, "v5.9 direct": CLEAN})
async def sheaf_cache(k: Kernel, objects: int = 100, capacity: int = 32) -> None:
    vma = k.struct("vm_area_struct", start=0, end=0, rcu=k.rcu_head)
    sheaves = {"sheaf_capacity": capacity} if k.has("sheaf_capacity") else {}
    vm_area_cachep = k.kmem_cache_create("vm_area_struct", vma, **sheaves)

    async def mmap_and_munmap() -> None:
        vmas = [await k.kmem_cache_alloc(vm_area_cachep) for _ in range(objects)]
        for p in vmas:
            await k.kfree_rcu(p, "rcu")

    async with k.open_nursery() as nursery:
        await nursery.start_soon(mmap_and_munmap, cpu=1)
        await mmap_and_munmap()
    if k.has("kvfree_rcu_barrier"):
        await k.kvfree_rcu_barrier()
    else:
        await k.msleep(12_000)
    await k.kmem_cache_destroy(vm_area_cachep)


if __name__ == "__main__":
    script(sheaf_cache)
