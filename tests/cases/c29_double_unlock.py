"""c29_double_unlock: a spinlock is let go twice in a softirq.

The report: the second time nobody holds it. The mend: once.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def c29_double_unlock(k: Kernel, fixed: bool = False) -> None:
    lock = k.spinlock("seq_qlock")

    async def release() -> None:
        await k.spin_lock(lock)
        await k.spin_unlock(lock)
        if not fixed:
            await k.spin_unlock(lock)

    await k.tasklet_schedule(release)
    await k.msleep(5)


if __name__ == "__main__":
    script(c29_double_unlock)
