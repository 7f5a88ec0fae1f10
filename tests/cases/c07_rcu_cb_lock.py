"""c07_rcu_cb_lock: the callback of call_rcu() takes down a debugfs entry, whose lock threads take with softirqs on.

The report: callbacks run in softirq, so the lock would have to be taken with bottom halves off everywhere. The mend:
the callback queues a work, which takes it.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def c07_rcu_cb_lock(k: Kernel, fixed: bool = False) -> None:
    pin_fs_lock = k.spinlock("pin_fs_lock")

    async def remove_entry() -> None:
        await k.spin_lock(pin_fs_lock)
        await k.spin_unlock(pin_fs_lock)

    work = k.work(remove_entry)

    async def destruct() -> None:
        if fixed:
            await k.schedule_work(work)
        else:
            await remove_entry()

    await remove_entry()
    await k.call_rcu(destruct)
    await k.rcu_barrier()
    await k.flush_work(work)


if __name__ == "__main__":
    script(c07_rcu_cb_lock)
