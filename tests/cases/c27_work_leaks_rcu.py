"""c27_work_leaks_rcu: the function of a work returns from inside a read-side section.

The report: the worker says so with lockdep, and without it RCU finds that it goes to sleep as a reader. The mend: the
unlock.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def c27_work_leaks_rcu(k: Kernel, fixed: bool = False) -> None:
    async def update_index() -> None:
        k.rcu_read_lock()
        await k.udelay(10)
        if fixed:
            k.rcu_read_unlock()

    work = k.work(update_index)
    await k.schedule_work(work)
    await k.flush_work(work)
    await k.msleep(20)


if __name__ == "__main__":
    script(c27_work_leaks_rcu)
