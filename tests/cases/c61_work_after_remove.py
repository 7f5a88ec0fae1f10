"""c61_work_after_remove: a driver's private data is freed while a delayed work of the driver is still to come.

The report: the work takes a mutex that lay in there. The mend: cancel_delayed_work_sync() first.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def c61_work_after_remove(k: Kernel, fixed: bool = False) -> None:
    private = await k.kmalloc(512)
    mutex = k.mutex("&priv->calibrate_mutex", inside=private)

    async def detect() -> None:
        await k.mutex_lock(mutex)
        await k.mutex_unlock(mutex)

    dwork = k.delayed_work(detect)
    await k.schedule_delayed_work(dwork, 5)
    if fixed:
        await k.cancel_delayed_work_sync(dwork)
    await k.kfree(private)
    await k.msleep(100)


if __name__ == "__main__":
    script(c61_work_after_remove)
