"""c12_unmatched_rcu: an error is returned from the middle of a read-side section, whose unlock is forgotten.

The report: the daemon's next sleep is one in a reader, no grace period ends any more, and what others give to
kfree_rcu() is never freed. The mend: the unlock before the return.
"""

from rcuactors import Kernel, scenario, script


@scenario(settings={"mem": "16M"})
async def c12_unmatched_rcu(k: Kernel, fixed: bool = False, frees: int = 3000) -> None:
    async def send(fails: bool) -> None:
        k.rcu_read_lock()
        await k.udelay(5)
        if not fails or fixed:
            k.rcu_read_unlock()

    async def daemon() -> None:
        for message in range(100):
            await send(fails=message == 10)
            await k.udelay(100)
        await k.msleep(frees * 10)

    async with k.open_nursery() as nursery:
        await nursery.start_soon(daemon, cpu=1)
        for _ in range(frees):
            await k.kfree_rcu(await k.kmalloc(4096), "rcu")
            await k.usleep_range(10_000, 11_000)


if __name__ == "__main__":
    script(c12_unmatched_rcu)
