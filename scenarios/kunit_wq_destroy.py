"""kunit_wq_destroy: the kernel's own test with ten caches (lib/tests/slub_kunit.c, test_kfree_rcu_wq_destroy()).

Each has one object, freed by kfree_rcu(); after a random time below 256 ms a work on a WQ_MEM_RECLAIM workqueue
destroys it. Written for dfd3df31c9db.

* v5.9 to v6.6: objects remain, a leak. v5.9 and v5.11 drain every 20 ms, so there it is the ones that had less time.
* v6.12.0: kvfree_rcu_barrier() flushes works of system_unbound_wq, which has no rescuer: "is flushing
  !WQ_MEM_RECLAIM", a flush dependency.
* v6.12 and later: clean, for kvfree_rcu() has a workqueue of its own with one.
"""

import random

from rcuactors import WQ_HIGHPRI, WQ_MEM_RECLAIM, WQ_UNBOUND, Kernel, scenario, script

LEAK = {"plain": "leak", "prove": "leak", "rt": "leak"}
DEPENDS = {"plain": "flush-dependency", "prove": "flush-dependency", "rt": "flush-dependency"}
CLEAN = {"plain": "clean", "prove": "clean", "rt": "clean"}


@scenario(expect={"v5.9": LEAK, "v5.9 direct": LEAK, "v6.12.0": DEPENDS, "v6.12": CLEAN})
async def kunit_wq_destroy(k: Kernel, caches: int = 10, delays: int = 84) -> None:
    get_random_u8 = random.Random(delays).randrange
    wq = k.alloc_workqueue("test_kfree_rcu_destroy_wq", WQ_HIGHPRI | WQ_UNBOUND | WQ_MEM_RECLAIM)
    test_kfree_rcu_struct = k.struct("test_kfree_rcu_struct", rcu=k.rcu_head)
    for _ in range(caches):
        s = k.kmem_cache_create("TestSlub_kfree_rcu_wq_destroy", test_kfree_rcu_struct)

        async def cache_destroy_workfn() -> None:
            await k.kmem_cache_destroy(s)  # noqa: B023 - flushed before the next one is made

        cdw = k.work(cache_destroy_workfn)
        delay = get_random_u8(256)
        p = await k.kmem_cache_alloc(s)
        await k.kfree_rcu(p, "rcu")
        await k.msleep(delay)
        await k.queue_work(wq, cdw)
        await k.flush_work(cdw)
    await k.destroy_workqueue(wq)


if __name__ == "__main__":
    script(kunit_wq_destroy)
