"""c18_mutex_in_softirq: the end of an I/O, which is told in softirq, takes a mutex that a thread holds.

The report: it has to wait, and cannot sleep there. The mend: a work takes it.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def c18_mutex_in_softirq(k: Kernel, fixed: bool = False) -> None:
    mutex = k.mutex("&c->lock")

    async def finish() -> None:
        await k.mutex_lock(mutex)
        await k.mutex_unlock(mutex)

    work = k.work(finish)

    async def endio() -> None:
        if fixed:
            await k.schedule_work(work)
        else:
            await finish()

    async def holder() -> None:
        await k.mutex_lock(mutex)
        await k.msleep(20)
        await k.mutex_unlock(mutex)

    async with k.open_nursery() as nursery:
        await nursery.start_soon(holder, cpu=1)
        await k.msleep(5)
        await k.tasklet_schedule(endio)
        await k.msleep(50)
    await k.flush_work(work)


if __name__ == "__main__":
    script(c18_mutex_in_softirq)
