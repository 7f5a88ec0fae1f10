"""f4_flush_lockdep: a work is flushed under a mutex that it takes, long after it has run.

Lockdep knows works and speaks though nobody ever waits, as in the recordings. The mend: the flush first.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def f4_flush_lockdep(k: Kernel, fixed: bool = False) -> None:
    mutex = k.mutex("m")

    async def reset() -> None:
        await k.mutex_lock(mutex)
        await k.mutex_unlock(mutex)

    work = k.work(reset)
    await k.schedule_work(work)
    await k.msleep(20)
    if fixed:
        await k.flush_work(work)
    await k.mutex_lock(mutex)
    if not fixed:
        await k.flush_work(work)
    await k.mutex_unlock(mutex)


if __name__ == "__main__":
    script(f4_flush_lockdep)
