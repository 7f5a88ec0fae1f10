"""c08_hrtimer_spin: an hrtimer's handler gathers figures, and one of them is behind a lock of the file system.

The report: nobody turns interrupts off for that lock, so the handler spins on what its own CPU holds: a hang, with
lockdep a report before it. The mend: the handler leaves it to a work.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def c08_hrtimer_spin(k: Kernel, fixed: bool = False) -> None:
    sb_lock = k.spinlock("sb->lock")

    async def gather() -> None:
        await k.spin_lock(sb_lock)
        await k.spin_unlock(sb_lock)

    work = k.work(gather)

    async def handler() -> None:
        if fixed:
            await k.schedule_work(work)
        else:
            await gather()

    timer = k.hrtimer(handler)
    await k.hrtimer_start(timer, 50_000)
    await k.spin_lock(sb_lock)
    await k.udelay(200)
    await k.spin_unlock(sb_lock)
    await k.msleep(5)
    await k.flush_work(work)


if __name__ == "__main__":
    script(c08_hrtimer_spin)
