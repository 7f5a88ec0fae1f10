"""c14_sync_no_barrier: a module's exit waits for a grace period, and takes that for the end of its callbacks.

The report: synchronize_rcu() does not wait until callbacks that another CPU queued have run; some run when the module's
text is unmapped. The mend: rcu_barrier().
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def c14_sync_no_barrier(k: Kernel, fixed: bool = False, callbacks: int = 300) -> None:
    text = await k.kmalloc(1024)

    async def callback() -> None:
        k.deref(text)
        await k.udelay(5)

    async def user() -> None:
        for _ in range(callbacks):
            await k.call_rcu(callback)

    async with k.open_nursery() as nursery:
        await nursery.start_soon(user, cpu=1)
    if fixed:
        await k.rcu_barrier()
    else:
        await k.synchronize_rcu()
    await k.kfree(text)
    await k.msleep(100)


if __name__ == "__main__":
    script(c14_sync_no_barrier)
