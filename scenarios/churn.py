"""churn: everything at once that a machine does with kvfree_rcu(), and nothing wrong in any of it.

Tables are replaced by both forms of kvfree_rcu(), objects of kmalloc() and of vmalloc(), under readers that look for a
microsecond and one that looks for as long as some ticks; reclaim asks the shrinker; a CPU goes and comes, and is read
on when it is back; call_rcu() keeps grace periods going. One more object is changed under a lock that lies in it. At
the end a module with a cache of its own is unloaded, as well as it can be on that version, by a work that reclaim may
wait for, while others go on freeing and the CPU goes once more, with objects of that cache.

With --set driver=y a driver waits then for a thread that sleeps; with --set nmis=NUMBER an NMI frees, too, now and
then; with --set movers=NUMBER so many more threads free, which belong to no CPU and are preempted often; with --set
offload=y, where callbacks are offloaded (rcu_nocbs=y), they are taken from the thread of the CPU that has gone, and
given back.

* Clean in order of time, on every kernel: v5.9 (with --design direct on PREEMPT_RT it asks for pages where it may not:
  "sleeping function"), v5.11 and later.
* With other schedules it shows, on the versions that have them, bugs that took the kernel years: docs/history.md.
"""

from functools import partial
from typing import Any

from rcuactors import WQ_MEM_RECLAIM, WQ_UNBOUND, Kernel, scenario, script


class Traffic:
    """Who looks, who replaces, who asks for grace periods, until it is `over`."""

    def __init__(self, k: Kernel, tables: list[Any], pause_us: int) -> None:
        self.k, self.tables, self.pause_us = k, tables, pause_us
        self.over = False
        self.entry: Any = None

    async def look(self, number: int, us: int) -> None:
        """One look at a table."""
        k = self.k
        with k.rcu_reader():
            if (p := k.rcu_dereference(self.tables[number])) is not None:
                await k.udelay(us)
                k.deref(p)

    async def long_look(self, us: int) -> None:
        """Whatever lies in the tables, for a while."""
        k = self.k
        with k.rcu_reader():
            found = [p for table in self.tables if (p := k.rcu_dereference(table)) is not None]
            await k.udelay(us)
            for p in found:
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
                await free_by_one_argument(k, old)
            else:
                await k.kvfree_rcu(old, "rcu")
            await k.usleep_range(max(self.pause_us, 2_000), max(self.pause_us, 2_000))
            await k.drop_slab()
            await self.new_entry()
            turn = 1 - turn

    async def new_entry(self) -> None:
        """An object with a lock in it, in the place of the one that was there."""
        k, old = self.k, self.entry
        p = await k.kmalloc(128)
        new = p, k.spinlock("&entry->lock", inside=p)
        if old is None:
            self.entry = new
            return
        await k.spin_lock(old[1])
        self.entry = new
        await k.udelay(5)
        await k.spin_unlock(old[1])
        await k.kfree_rcu(old[0], "rcu")

    async def user(self) -> None:
        """Who holds the lock needs no section any more."""
        k = self.k
        while not self.over:
            k.rcu_read_lock()
            entry = self.entry
            p = k.rcu_dereference(entry[0])
            await k.spin_lock(entry[1])
            k.rcu_read_unlock()
            if self.entry[0] is p:
                await k.udelay(5)
            await k.spin_unlock(entry[1])
            await k.usleep_range(7_000, 7_000)

    async def mover(self) -> None:
        """Frees a little of its own, wherever it is."""
        k = self.k
        while not self.over:
            await free_by_one_argument(k, await k.kmalloc(64))
            await k.usleep_range(1_100, 1_100)

    async def urgent(self) -> None:
        """Preempts whoever runs."""
        while not self.over:
            await self.k.usleep_range(300, 300)

    async def nmis(self, number: int) -> None:
        """An event of CPU 0 frees, as a BPF program may want to."""
        k = self.k
        areas = [await k.vmalloc(64) for _ in range(number)]

        async def overflows() -> None:
            if areas:
                p = areas.pop()
                await (k.kfree_rcu_nolock(p, "rcu") if k.has("kfree_rcu_nolock") else k.kfree_rcu(p, "rcu"))

        for _ in range(number):
            await k.usleep_range(1_700, 1_700)
            await k.raise_nmi(overflows, cpu=0)
        await k.usleep_range(100, 100)

    async def barriers(self) -> None:
        """Somebody waits for callbacks."""
        while not self.over:
            await self.k.rcu_barrier()
            await self.k.usleep_range(4_000, 4_000)

    async def callbacks(self) -> None:
        """call_rcu(), again and again."""
        k = self.k
        while not self.over:
            await k.call_rcu(partial(k.kfree, await k.kmalloc(64)), name="entry_free_rcu")
            await k.usleep_range(9_000, 9_000)


async def free_by_one_argument(k: Kernel, p: Any) -> None:
    """By its name in that version."""
    await (k.kvfree_rcu_mightsleep(p) if k.has("kvfree_rcu_mightsleep") else k.kvfree_rcu(p))


async def calls(k: Kernel, objects: int) -> None:
    """Somebody frees a few objects."""
    for _ in range(objects):
        await k.kvfree_rcu(await k.vmalloc(64), "rcu")
        await k.usleep_range(3_500, 3_500)


async def uses(k: Kernel, cache: Any, objects: int) -> None:
    """A module's objects come and go."""
    for _ in range(objects):
        await k.kvfree_rcu(await k.kmem_cache_alloc(cache), "rcu")


async def unload(k: Kernel, cache: Any, objects: int) -> None:
    """The module's exit, by a work that reclaim may wait for."""
    wq = k.alloc_workqueue("unload", WQ_UNBOUND | WQ_MEM_RECLAIM)
    work = k.work(partial(leave, k, cache, objects), name="unload")
    await k.queue_work(wq, work)
    await k.flush_work(work)
    await k.destroy_workqueue(wq)


async def leave(k: Kernel, cache: Any, objects: int) -> None:
    """Before v6.12 there is no barrier, only time, for what is queued and for what waits already."""
    await uses(k, cache, objects)
    await k.rcu_barrier()
    if not k.has("kvfree_rcu_barrier"):
        for _ in range(2):
            await k.drop_slab()
            await k.msleep(40)
    await k.kmem_cache_destroy(cache)


async def goes_and_comes(k: Kernel, cpu: int, away_us: int, offload: bool) -> None:
    """A CPU."""
    await k.cpu_down(cpu)
    if offload and k.has("rcu_nocb_cpu_deoffload"):
        await k.rcu_nocb_cpu_deoffload(cpu)
        await k.rcu_nocb_cpu_offload(cpu)
    if away_us:
        await k.usleep_range(away_us, away_us)
    await k.cpu_up(cpu)


class Driver:
    """One with a thread on CPU 1, for which it waits when the CPU has gone."""

    def __init__(self, k: Kernel) -> None:
        self.k, self.polling = k, k.mutex("polling")

    async def poll(self) -> None:
        """It sleeps (an hrtimer) while the device works."""
        k = self.k
        await k.usleep_range(32_000, 32_000)
        await k.mutex_lock(self.polling)
        await k.usleep_range(40_000, 40_000)
        await k.mutex_unlock(self.polling)

    async def dead(self, _cpu: int) -> None:
        """A callback of CPU hotplug."""
        await self.k.mutex_lock(self.polling)
        await self.k.mutex_unlock(self.polling)


@scenario(
    expect={
        "v5.9": {"plain": "clean", "prove": "clean", "rt": "clean"},
        "v5.9 direct": {"plain": "clean", "prove": "clean", "rt": "sleeping-function"},
        "v5.11": {"plain": "clean", "prove": "clean", "rt": "clean"},
    },
    settings={"nr_cpus": "3"},
)
async def churn(
    k: Kernel,
    objects: int = 4,
    pause_us: int = 15_000,
    read_us: int = 40_000,
    nmis: int = 0,
    movers: int = 0,
    driver: bool = False,
    offload: bool = False,
) -> None:
    tables = [await k.kmalloc(64), await k.vmalloc(64)]
    traffic, waits = Traffic(k, tables, pause_us), Driver(k)
    await traffic.new_entry()
    async with k.open_nursery() as nursery:
        for task in (traffic.updater, traffic.callbacks, traffic.reader):
            await nursery.start_soon(task, cpu=0)
        for task in (traffic.reader, traffic.user):
            await nursery.start_soon(task, cpu=2)
        if nmis:
            await nursery.start_soon(traffic.nmis, nmis, cpu=2)
        for _ in range(movers):
            await nursery.start_soon(traffic.mover)
        for cpu in (0, 2) if movers else ():
            await nursery.start_soon(traffic.urgent, cpu=cpu, urgent=True)
        if offload:
            await nursery.start_soon(traffic.barriers, cpu=2)
        await goes_and_comes(k, 1, 10_000, offload)
        await k.kthread_join(await k.kthread_run(traffic.long_look, read_us, cpu=1))
        await k.kthread_join(await k.kthread_run(calls, k, objects, cpu=1))
        traffic.over = True
    cache = k.kmem_cache_create("foo", 64)
    await k.kthread_join(await k.kthread_run(uses, k, cache, objects, cpu=1))
    setup = await k.cpuhp_setup_state_nocalls("CPUHP_BP_PREPARE_DYN", "driver:dead", teardown=waits.dead)
    async with k.open_nursery() as nursery:
        if driver:
            await nursery.start_soon(waits.poll, cpu=1)
        await nursery.start_soon(unload, k, cache, objects, cpu=0)
        await nursery.start_soon(calls, k, objects, cpu=2)
        await goes_and_comes(k, 1, 0, offload)
    await k.cpuhp_remove_state_nocalls(setup)
    await k.rcu_barrier()
    await k.kfree(traffic.entry[0])
    for p in tables:
        await k.kvfree(p)


if __name__ == "__main__":
    script(churn)
