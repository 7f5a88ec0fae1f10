"""cold_cache_burst: 5,000 kvfree_rcu() calls in a row on a CPU whose page cache and page list are empty.

Shows batching at work: blocks of 510 pointers, the refill that overtakes the burst, one grace period for
all of it.

* v5.9 takes ten pages in the caller's context: "Invalid wait context" with PROVE_RAW_LOCK_NESTING. On
  PREEMPT_RT it takes none and every object goes to the rcu_head list. With --design direct it takes them there
  too: nobody else wants zone->lock just then (compare raw_lock_caller), but a "sleeping function" it is (rt).
* v5.11 misses twice and has ten pages from the worker; clean everywhere.
"""

from rcuactors import Kernel, scenario, script


@scenario(
    expect={
        "v5.9": {"plain": "clean", "prove": "invalid-wait-context", "rt": "clean"},
        "v5.9 direct": {"plain": "clean", "prove": "invalid-wait-context", "rt": "sleeping-function"},
        "v5.11": {"plain": "clean", "prove": "clean", "rt": "clean"},
    }
)
async def cold_cache_burst(k: Kernel, objects: int = 5000, burst: int = 5000) -> None:
    pointers = [await k.kmalloc(64) for _ in range(min(burst, objects))]
    await k.cold_caches()
    while pointers:
        for p in pointers:
            await k.kvfree_rcu(p, "rcu")
        objects -= len(pointers)
        pointers = [await k.kmalloc(64) for _ in range(min(burst, objects))]


if __name__ == "__main__":
    script(cold_cache_burst)
