"""c04_percpu_ida_rt: each reader draws an id while a buffer of its CPU keeps preemption off.

The report: the ids' lock is a spinlock_t; on PREEMPT_RT whoever finds it taken sleeps, which nobody notices before two
CPUs meet, in a kernel without checks. The mend: the id is drawn first.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def c04_percpu_ida_rt(k: Kernel, fixed: bool = False, rounds: int = 50) -> None:
    xa_lock = k.spinlock("xa_lock")

    async def draw() -> None:
        flags = await k.spin_lock_irqsave(xa_lock)
        await k.udelay(3)
        await k.spin_unlock_irqrestore(xa_lock, flags)

    async def reader() -> None:
        for _ in range(rounds):
            if fixed:
                await draw()
            k.preempt_disable()
            if not fixed:
                await draw()
            await k.udelay(1)
            await k.preempt_enable()

    async with k.open_nursery() as nursery:
        for cpu in (0, 1):
            await nursery.start_soon(reader, cpu=cpu)


if __name__ == "__main__":
    script(c04_percpu_ida_rt)
