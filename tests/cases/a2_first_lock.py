"""a2_first_lock: the first lock that a hard interrupt takes is a spinlock_t.

Lockdep looks at it since commit f8b298cc39f0; before that whatever nobody held a lock around passed. The mend: a raw
lock.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def a2_first_lock(k: Kernel, fixed: bool = False) -> None:
    raw, sleeping = k.raw_spinlock("raw"), k.spinlock("sleeping")

    async def handler() -> None:
        if fixed:
            await k.raw_spin_lock(raw)
            await k.raw_spin_unlock(raw)
        else:
            await k.spin_lock(sleeping)
            await k.spin_unlock(sleeping)

    work = k.irq_work(handler, hard=True)
    await k.irq_work_queue(work)
    await k.irq_work_sync(work)


if __name__ == "__main__":
    script(a2_first_lock)
