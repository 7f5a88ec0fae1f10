"""f5_flush_delayed: flush_work() is taken for a wait until a delayed work has run, and its data is freed.

It does not wait for a pending timer, in the recordings it returns at once. The mend: flush_delayed_work().
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def f5_flush_delayed(k: Kernel, fixed: bool = False) -> None:
    data = await k.kmalloc(64)

    async def use() -> None:
        k.deref(data)

    dwork = k.delayed_work(use)
    await k.schedule_delayed_work(dwork, 5)
    if fixed:
        await k.flush_delayed_work(dwork)
    else:
        await k.flush_work(dwork.work)
    await k.kfree(data)
    await k.msleep(100)


if __name__ == "__main__":
    script(f5_flush_delayed)
