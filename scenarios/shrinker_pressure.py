"""shrinker_pressure: reclaim runs while objects of kvfree_rcu() are queued and their CPU's page cache is full.

A process takes memory until reclaim starts. The shrinker counts what is queued, and starts batches of it; where it may,
it takes the cached pages, too, and the next refill is put off and gets one page.

* v5.9 to v5.11 show the shrinker no cached page: those stay (commit d0bfa8b3c411 mends it). v5.9 asks for its pages
  under krcp->lock: "Invalid wait context" with PROVE_RAW_LOCK_NESTING; with --design direct on PREEMPT_RT "sleeping
  function".
* v6.1.0 and later give the cache back. From v6.6 on the shrinker's call frees by itself what is ready.
* Clean otherwise. The refill of v5.11 could invoke the OOM killer here, but memory can be had by reclaim.
"""

from rcuactors import Kernel, scenario, script


@scenario(
    expect={
        "v5.9": {"plain": "clean", "prove": "invalid-wait-context", "rt": "clean"},
        "v5.9 direct": {"plain": "clean", "prove": "invalid-wait-context", "rt": "sleeping-function"},
        "v5.11": {"plain": "clean", "prove": "clean", "rt": "clean"},
    },
    settings={"mem": "4M"},
)
async def shrinker_pressure(k: Kernel, objects: int = 600) -> None:
    pointers = [await k.kmalloc(64) for _ in range(objects)]
    await k.cold_caches()
    for p in pointers[: objects // 2]:
        await k.kvfree_rcu(p, "rcu")
    await k.msleep(10)
    await k.read_file(8)
    await k.user_process("hog", k.nr_free_pages() - k.min_wmark_pages())
    for p in pointers[objects // 2 :]:
        await k.kvfree_rcu(p, "rcu")
    await k.read_file(400)
    await k.msleep(50)
    await k.user_exit("hog")


if __name__ == "__main__":
    script(shrinker_pressure)
