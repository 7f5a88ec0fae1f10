"""low_memory_fallback: memory has run out when kvfree_rcu() needs a page; some page cache could be reclaimed.

A page without direct reclaim is not to be had, so objects go to the rcu_head list, and kswapd is woken.
After it has run, pages can be had again. A reader keeps what is queued from being freed meanwhile.

* v5.9 asks with GFP_NOWAIT under krcp->lock. The first half of the objects goes to the list, silently: the
  zone's lock is not even tried. The second half finds memory: "Invalid wait context" with
  PROVE_RAW_LOCK_NESTING. On PREEMPT_RT it does not ask; with --design direct it does: "sleeping function" (rt).
* v5.11's worker asks with GFP_KERNEL, reclaims page cache itself, and the second half finds blocks. Clean.
* With --set reclaimable=0 there is nothing to reclaim, and v5.11's worker invokes the OOM killer to fill
  its cache: the bug that commit ee6ddf58475c fixed.
"""

from rcuactors import Kernel, scenario, script


@scenario(
    expect={
        "v5.9": {"plain": "clean", "prove": "invalid-wait-context", "rt": "clean"},
        "v5.9 direct": {"plain": "clean", "prove": "invalid-wait-context", "rt": "sleeping-function"},
        "v5.11": {"plain": "clean", "prove": "clean", "rt": "clean"},
    },
    settings={"mem": "16M"},
)
async def low_memory_fallback(k: Kernel, objects: int = 600, reclaimable: int = 400) -> None:
    pointers = [await k.kmalloc(64) for _ in range(objects)]
    await k.cold_caches()
    await k.user_process("hog", max(k.nr_free_pages() - k.min_wmark_pages() - reclaimable, 0))
    await k.read_file(max(k.nr_free_pages() - k.min_wmark_pages(), 0))

    async def reader() -> None:
        with k.rcu_reader():
            await k.udelay(200_000)

    async with k.open_nursery() as nursery:
        await nursery.start_soon(reader, cpu=1)
        for p in pointers[: objects // 2]:
            await k.kvfree_rcu(p, "rcu")
        await k.msleep(50)
        for p in pointers[objects // 2 :]:
            await k.kvfree_rcu(p, "rcu")
    await k.user_exit("hog")


if __name__ == "__main__":
    script(low_memory_fallback)
