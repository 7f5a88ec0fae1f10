"""f6_leak_report: the function of a work returns with a mutex held.

The worker says so, as in the recordings. The mend: the unlock.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def f6_leak_report(k: Kernel, fixed: bool = False) -> None:
    mutex = k.mutex("m")

    async def forgetful() -> None:
        await k.mutex_lock(mutex)
        if fixed:
            await k.mutex_unlock(mutex)

    work = k.work(forgetful)
    await k.schedule_work(work)
    await k.flush_work(work)


if __name__ == "__main__":
    script(f6_leak_report)
