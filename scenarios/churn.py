"""churn: everything at once that a machine does with kvfree_rcu(), and nothing wrong in any of it.

Tables are replaced by both forms of kvfree_rcu(), objects of kmalloc() and of vmalloc(), under readers that look for a
microsecond and one that looks for as long as some ticks; reclaim asks the shrinker; a CPU goes and comes, and is read
on when it is back; call_rcu() keeps grace periods going. At the end a module with a cache of its own is unloaded, as
well as it can be on that version, while others go on freeing and the CPU goes once more.

* Clean in order of time, on every kernel: v5.9 (with --design direct on PREEMPT_RT it asks for pages where it may not:
  "sleeping function"), v5.11 and later.
* With other schedules it shows, on the versions that have them, bugs that took the kernel years: docs/history.md.
"""

from functools import partial
from typing import Any

from rcuactors import Kernel, scenario, script


class Traffic:
    """Who looks, who replaces, who asks for grace periods, until it is `over`."""

    def __init__(self, k: Kernel, tables: list[Any], pause_us: int) -> None:
        self.k, self.tables, self.pause_us = k, tables, pause_us
        self.over = False

    async def look(self, number: int, us: int) -> None:
        """One look at a table."""
        k = self.k
        with k.rcu_reader():
            if (p := k.rcu_dereference(self.tables[number])) is not None:
                await k.udelay(us)
                k.deref(p)

    async def reader(self) -> None:
        """Short looks."""
        while not self.over:
            for number in range(len(self.tables)):
                await self.look(number, 1)
            await self.k.usleep_range(5_000, 5_000)

    async def updater(self) -> None:
        """The tables are replaced in turn, each with its form of kvfree_rcu(); then reclaim asks the shrinker."""
        k, turn = self.k, 0
        while not self.over:
            new = await (k.vmalloc(64) if turn else k.kmalloc(64))
            old, self.tables[turn] = self.tables[turn], new
            if turn:
                await (k.kvfree_rcu_mightsleep(old) if k.has("kvfree_rcu_mightsleep") else k.kvfree_rcu(old))
            else:
                await k.kvfree_rcu(old, "rcu")
            await k.usleep_range(max(self.pause_us, 2_000), max(self.pause_us, 2_000))
            await k.drop_slab()
            turn = 1 - turn

    async def callbacks(self) -> None:
        """call_rcu(), again and again."""
        k = self.k
        while not self.over:
            await k.call_rcu(partial(k.kfree, await k.kmalloc(64)), name="entry_free_rcu")
            await k.usleep_range(9_000, 9_000)


async def calls(k: Kernel, objects: int) -> None:
    """Somebody frees a few objects."""
    for _ in range(objects):
        await k.kvfree_rcu(await k.vmalloc(64), "rcu")
        await k.usleep_range(3_500, 3_500)


async def unload(k: Kernel, objects: int) -> None:
    """A module's exit: before v6.12 there is no barrier, only time, for what is queued and for what waits already."""
    cache = k.kmem_cache_create("foo", 64)
    for _ in range(objects):
        await k.kvfree_rcu(await k.kmem_cache_alloc(cache), "rcu")
    await k.rcu_barrier()
    if not k.has("kvfree_rcu_barrier"):
        for _ in range(2):
            await k.drop_slab()
            await k.msleep(40)
    await k.kmem_cache_destroy(cache)


@scenario(
    expect={
        "v5.9": {"plain": "clean", "prove": "clean", "rt": "clean"},
        "v5.9 direct": {"plain": "clean", "prove": "clean", "rt": "sleeping-function"},
        "v5.11": {"plain": "clean", "prove": "clean", "rt": "clean"},
    },
    settings={"nr_cpus": "3"},
)
async def churn(k: Kernel, objects: int = 4, pause_us: int = 15_000, read_us: int = 40_000) -> None:
    tables = [await k.kmalloc(64), await k.vmalloc(64)]
    traffic = Traffic(k, tables, pause_us)
    async with k.open_nursery() as nursery:
        for task in (traffic.updater, traffic.callbacks, traffic.reader):
            await nursery.start_soon(task, cpu=0)
        await nursery.start_soon(traffic.reader, cpu=2)
        await k.cpu_down(1)
        await k.usleep_range(10_000, 10_000)
        await k.cpu_up(1)
        await k.kthread_join(await k.kthread_run(traffic.look, 1, read_us, cpu=1))
        await k.kthread_join(await k.kthread_run(calls, k, objects, cpu=1))
        traffic.over = True
    async with k.open_nursery() as nursery:
        await nursery.start_soon(unload, k, objects, cpu=0)
        await nursery.start_soon(calls, k, objects, cpu=2)
        await k.cpu_down(1)
        await k.cpu_up(1)
    await k.rcu_barrier()
    for p in tables:
        await k.kvfree(p)


if __name__ == "__main__":
    script(churn)
