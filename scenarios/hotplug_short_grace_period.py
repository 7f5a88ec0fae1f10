"""hotplug_short_grace_period: a CPU goes and comes, is read on each time it is back, and others free what is read.

A table is replaced every few milliseconds by kvfree_rcu(), and the shrinker is asked now and then, so that batches do
not wait for the monitor's time. Somebody asks for one grace period after the other, as the traffic of call_rcu() does.
Readers look for a microsecond, and now and then for as long as a few ticks.

* Clean in order of time, on every kernel: v5.9 (with --design direct on PREEMPT_RT it asks for pages where it may not:
  "sleeping function"), v5.11 and later.
* Before commit 85aad7cc4178 (v6.6, v6.12.0) a cookie is taken of the root rcu_node, which says for a moment that a
  grace period has not begun that has: one that does not wait for a CPU that came since. It takes a grace-period kthread
  that is held up in that moment to make that a use-after-free: `rcuactors explore hotplug_short_grace_period`.
"""

from functools import partial

from rcuactors import Kernel, scenario, script


@scenario(
    expect={
        "v5.9": {"plain": "clean", "prove": "clean", "rt": "clean"},
        "v5.9 direct": {"plain": "clean", "prove": "clean", "rt": "sleeping-function"},
        "v5.11": {"plain": "clean", "prove": "clean", "rt": "clean"},
    },
    settings={"nr_cpus": "2"},
)
async def hotplug_short_grace_period(
    k: Kernel,
    rounds: int = 1,
    pause_us: int = 15_000,
    read_us: int = 40_000,
    away_us: int = 10_000,
    call_us: int = 9_000,
) -> None:
    table = await k.kmalloc(64)
    running = True

    async def look(us: int) -> None:
        with k.rcu_reader():
            if (p := k.rcu_dereference(table)) is not None:
                await k.udelay(us)
                k.deref(p)

    async def reader() -> None:
        for us in (1, read_us):
            await look(us)

    async def traffic() -> None:
        while running:
            await k.call_rcu(partial(k.kfree, await k.kmalloc(64)), name="entry_free_rcu")
            await k.usleep_range(max(call_us, 2_000), max(call_us, 2_000))

    async def updater() -> None:
        nonlocal table
        while running:
            new = await k.kmalloc(64)
            old, table = table, new
            await (k.kvfree_rcu_mightsleep(old) if k.has("kvfree_rcu_mightsleep") else k.kvfree_rcu(old))
            await k.usleep_range(max(pause_us, 2_000), max(pause_us, 2_000))
            await k.drop_slab()

    async with k.open_nursery() as nursery:
        await nursery.start_soon(traffic, cpu=0)
        await nursery.start_soon(updater, cpu=0)
        for _ in range(rounds):
            assert await k.cpu_down(1) == 0
            await k.usleep_range(away_us, away_us)
            assert await k.cpu_up(1) == 0
            await k.kthread_join(await k.kthread_run(reader, cpu=1))
        running = False
    await k.rcu_barrier()
    await k.kfree(table)


if __name__ == "__main__":
    script(hotplug_short_grace_period)
