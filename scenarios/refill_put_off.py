"""refill_put_off: callers of kvfree_rcu() miss the page cache, while a shrinker's look has refills put off.

A shrinker that only counts has every CPU's next refill come late (rcu_delay_page_cache_fill_msec), by a delayed work.
Somebody calls kvfree_rcu() with the run queue's lock held, as a tracer does; others in plain threads. Page caches are
emptied now and then.

* Clean in order of time, on every kernel: v5.9 (with --design direct on PREEMPT_RT it asks for pages where it may not:
  "sleeping function", "scheduling while atomic", and what comes of it, a deadlock and a leak), v5.11 and later.
* With --set rcu_delay_page_cache_fill_msec=0, which is accepted, v6.1.0 and later queue the work at once, with the run
  queue's lock held: "circular locking", and a deadlock (docs/open-questions.md).
* With other schedules a miss that comes while such a refill ends is put off once more: waste.
"""

from rcuactors import Kernel, scenario, script

SLEEPS = "sleeping-function, scheduling-while-atomic, deadlock, leak"


@scenario(
    expect={
        "v5.9": {"plain": "clean", "prove": "clean", "rt": "clean"},
        "v5.9 direct": {"plain": "clean", "prove": "clean", "rt": SLEEPS},
        "v5.11": {"plain": "clean", "prove": "clean", "rt": "clean"},
    },
    settings={"nr_cpus": "2", "rcu_delay_page_cache_fill_msec": "20"},
)
async def refill_put_off(k: Kernel, objects: int = 6, pause_us: int = 9_000) -> None:
    async def caller() -> None:
        for _ in range(objects):
            await k.cold_caches()
            await k.kvfree_rcu(await k.vmalloc(64), "rcu")
            await k.usleep_range(pause_us, pause_us)

    async def tracer() -> None:
        for _ in range(objects):
            p = await k.vmalloc(64)
            await k.cold_caches()
            rq_lock = k.this_rq_lock()
            flags = await k.raw_spin_lock_irqsave(rq_lock)
            await k.kvfree_rcu(p, "rcu")
            await k.raw_spin_unlock_irqrestore(rq_lock, flags)
            await k.usleep_range(pause_us, pause_us)

    async def reclaim() -> None:
        for _ in range(objects):
            await k.drop_slab()
            await k.usleep_range(2 * pause_us, 2 * pause_us)

    async with k.open_nursery() as nursery:
        await nursery.start_soon(reclaim, cpu=1)
        await nursery.start_soon(caller, cpu=1)
        await nursery.start_soon(caller, cpu=0)
        await nursery.start_soon(tracer, cpu=0)


if __name__ == "__main__":
    script(refill_put_off)
