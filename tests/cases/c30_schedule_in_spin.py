"""c30_schedule_in_spin: whoever finds no memory tries again, after a schedule(), inside a spinlock.

The report: scheduling while atomic. The mend: the lock is let go before.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def c30_schedule_in_spin(k: Kernel, fixed: bool = False) -> None:
    lock = k.spinlock("p_lock")
    await k.spin_lock(lock)
    if fixed:
        await k.spin_unlock(lock)
    await k.schedule()
    if not fixed:
        await k.spin_unlock(lock)


if __name__ == "__main__":
    script(c30_schedule_in_spin)
