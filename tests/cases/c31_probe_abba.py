"""c31_probe_abba: a traced function holds a raw lock, and the program attached to it updates a hash table.

The report: another CPU has a bucket of that table and comes to the traced lock: neither goes on. The mend: the program
tries the bucket's lock, and gives up.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def c31_probe_abba(k: Kernel, fixed: bool = False) -> None:
    traced, bucket = k.raw_spinlock("&sem->wait_lock"), k.raw_spinlock("&htab->lock")

    async def update() -> None:
        if not fixed:
            await k.raw_spin_lock(bucket)
        elif not k.raw_spin_trylock(bucket):
            return
        await k.raw_spin_unlock(bucket)

    async def traced_path() -> None:
        flags = await k.raw_spin_lock_irqsave(traced)
        await k.udelay(20)
        await update()
        await k.raw_spin_unlock_irqrestore(traced, flags)

    async def other_update() -> None:
        flags = await k.raw_spin_lock_irqsave(bucket)
        await k.udelay(20)
        await k.raw_spin_lock(traced)
        await k.raw_spin_unlock(traced)
        await k.raw_spin_unlock_irqrestore(bucket, flags)

    async with k.open_nursery() as nursery:
        await nursery.start_soon(traced_path, cpu=0)
        await nursery.start_soon(other_update, cpu=1)


if __name__ == "__main__":
    script(c31_probe_abba)
