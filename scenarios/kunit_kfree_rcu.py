"""kunit_kfree_rcu: the kernel's own test of kfree_rcu() in a cache that goes.

lib/tests/slub_kunit.c, test_kfree_rcu(): one object, freed by kfree_rcu(), and the cache destroyed at once.

* v6.12 and later, where the test came from: clean.
* v5.9 to v6.6, v5.11 among them: the object remains in the cache, a leak.
"""

from rcuactors import Kernel, scenario, script

LEAK = {"plain": "leak", "prove": "leak", "rt": "leak"}
CLEAN = {"plain": "clean", "prove": "clean", "rt": "clean"}


@scenario(expect={"v5.9": LEAK, "v5.9 direct": LEAK, "v6.12.0": CLEAN})
async def kunit_kfree_rcu(k: Kernel) -> None:
    s = k.kmem_cache_create("TestSlub_kfree_rcu", k.struct("test_kfree_rcu_struct", rcu=k.rcu_head))
    p = await k.kmem_cache_alloc(s)
    await k.kfree_rcu(p, "rcu")
    await k.kmem_cache_destroy(s)


if __name__ == "__main__":
    script(kunit_kfree_rcu)
