"""c34_bh_lock_rt: bottom halves are turned off where preemption already is, and a preempted thread has them off.

The report: on PREEMPT_RT that is a lock of the CPU; whoever cannot sleep goes on without it, and the count is wrong.
The mend: bottom halves first.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def c34_bh_lock_rt(k: Kernel, fixed: bool = False) -> None:
    async def first() -> None:
        await k.local_bh_disable()
        for _ in range(50):
            await k.udelay(20)
        await k.local_bh_enable()

    async def second() -> None:
        if fixed:
            await k.local_bh_disable()
            k.preempt_disable()
            await k.preempt_enable()
            await k.local_bh_enable()
        else:
            k.preempt_disable()
            await k.local_bh_disable()
            await k.local_bh_enable()
            await k.preempt_enable()

    async with k.open_nursery() as nursery:
        await nursery.start_soon(first, cpu=1)
        await k.udelay(300)
        await nursery.start_soon(second, cpu=1, urgent=True)


if __name__ == "__main__":
    script(c34_bh_lock_rt)
