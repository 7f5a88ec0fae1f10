"""stale_batch: two tables are replaced all the time, one of kmalloc() and one of vmalloc(), under readers of one step.

What a reader has found in a table may not be freed before it leaves, and none of them stays for longer than one look.
What the tables held before goes through two channels of kvfree_rcu(), which share a batch and its grace period. Reclaim
asks kvfree_rcu()'s shrinker now and then, so that batches do not wait for the monitor's time.

* Clean in order of time, on every kernel.
* Before commit 5da7cb193db3 (v5.9, v5.11, v6.1.0) a channel may join a batch that waits already. It takes two CPUs that
  are held up within a reader, as by a hypervisor, to make that a use-after-free: `rcuactors explore stale_batch`.
"""

from rcuactors import Kernel, scenario, script


@scenario(
    expect={
        "v5.9": {"plain": "clean", "prove": "clean", "rt": "clean"},
        "v5.9 direct": {"plain": "clean", "prove": "clean", "rt": "clean"},
        "v5.11": {"plain": "clean", "prove": "clean", "rt": "clean"},
    },
    settings={"nr_cpus": "3"},
)
async def stale_batch(k: Kernel, rounds: int = 2, pause_us: int = 18_000, looks: int = 14, scans: int = 6) -> None:
    between_us = 2 * rounds * pause_us // max(looks, 1)
    tables = [await k.kmalloc(64), await k.vmalloc(64)]

    async def reader() -> None:
        for _ in range(looks):
            for number in range(2):
                k.rcu_read_lock()
                p = k.rcu_dereference(tables[number])
                await k.udelay(1)
                if p is not None:
                    k.deref(p)
                k.rcu_read_unlock()
            await k.usleep_range(between_us, between_us)

    async def reclaim() -> None:
        for _ in range(scans):
            await k.usleep_range(pause_us, pause_us)
            await k.drop_slab()

    async with k.open_nursery() as nursery:
        for cpu in (1, 2):
            await nursery.start_soon(reader, cpu=cpu)
        await nursery.start_soon(reclaim, cpu=0)
        for turn in range(2 * rounds):
            new = await (k.vmalloc(64) if turn % 2 else k.kmalloc(64))
            old, tables[turn % 2] = tables[turn % 2], new
            if old is not None:
                await k.kvfree_rcu(old, "rcu")
            await k.usleep_range(pause_us, pause_us)
    await k.kfree(tables[0])
    await k.vfree(tables[1])


if __name__ == "__main__":
    script(stale_batch)
