"""c06_timer_softirq_lock: a thread takes a lock with bottom halves on, and so does the function of a timer.

The report: the timer may expire on the CPU that holds the lock, and then spins on it for ever. The mend:
spin_lock_bh() in the thread.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def c06_timer_softirq_lock(k: Kernel, fixed: bool = False) -> None:
    lock = k.spinlock("&recinf->lock")

    async def expired() -> None:
        await k.spin_lock(lock)
        await k.spin_unlock(lock)

    timer = k.timer_setup(expired)
    if fixed:
        await k.spin_lock_bh(lock)
        await k.spin_unlock_bh(lock)
    else:
        await k.spin_lock(lock)
        await k.spin_unlock(lock)
    await k.mod_timer(timer, 2)
    await k.msleep(30)


if __name__ == "__main__":
    script(c06_timer_softirq_lock)
