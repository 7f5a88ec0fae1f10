"""c21_finish_switch_rt: the scheduler, preemption still off, takes a dead task out of its control group.

The report: the groups' lock is a spinlock_t, which sleeps on PREEMPT_RT. The mend: an irq_work takes the task out.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def c21_finish_switch_rt(k: Kernel, fixed: bool = False) -> None:
    css_set_lock = k.spinlock("css_set_lock")

    async def take_out() -> None:
        flags = await k.spin_lock_irqsave(css_set_lock)
        await k.spin_unlock_irqrestore(css_set_lock, flags)

    later = k.irq_work(take_out)
    k.preempt_disable()
    if fixed:
        await k.irq_work_queue(later)
    else:
        await take_out()
    await k.preempt_enable()
    await k.irq_work_sync(later)


if __name__ == "__main__":
    script(c21_finish_switch_rt)
