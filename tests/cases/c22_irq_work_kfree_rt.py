"""c22_irq_work_kfree_rt: an irq_work drops the last reference to an object, and kfree() follows.

The report: a hard irq_work runs in hardirq on PREEMPT_RT, too. The mend: one that is not hard, which runs in a thread
there.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def c22_irq_work_kfree_rt(k: Kernel, fixed: bool = False) -> None:
    p = await k.kmalloc(64)

    async def put() -> None:
        await k.kfree(p)

    work = k.irq_work(put, hard=not fixed)
    await k.irq_work_queue(work)
    await k.irq_work_sync(work)


if __name__ == "__main__":
    script(c22_irq_work_kfree_rt)
