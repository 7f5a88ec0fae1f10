"""cache_destroy: a module's cache goes while kvfree_rcu() still has objects of it.

rcu_barrier() waits for call_rcu(), not for kvfree_rcu() (said when that was first posted, a35d16905efc). So a module
that called it in its exit, as it should, still left objects behind.

* v5.9 to v6.6, v5.11 among them: "Objects remaining in foo on __kmem_cache_shutdown()", a leak: the cache stays.
* v6.12 and later: clean, for kmem_cache_destroy() calls kvfree_rcu_barrier() itself (6c6c47b063b5), since v6.18.3
  kvfree_rcu_barrier_on_cache() (0f35040de593).
"""

from rcuactors import Kernel, scenario, script

LEAK = {"plain": "leak", "prove": "leak", "rt": "leak"}
CLEAN = {"plain": "clean", "prove": "clean", "rt": "clean"}


@scenario(expect={"v5.9": LEAK, "v5.9 direct": LEAK, "v6.12.0": CLEAN})
async def cache_destroy(k: Kernel, objects: int = 20) -> None:
    foo_cache = k.kmem_cache_create("foo", k.struct("foo", value=0, rcu=k.rcu_head))
    for _ in range(objects):
        p = await k.kmem_cache_alloc(foo_cache)
        await k.kvfree_rcu(p, "rcu")
    # The module's exit.
    await k.rcu_barrier()
    await k.kmem_cache_destroy(foo_cache)


if __name__ == "__main__":
    script(cache_destroy)
