"""c02_irqsoff_spin_rt: interrupts are turned off by hand, and a spinlock_t is taken behind that.

The report: on PREEMPT_RT such a lock sleeps, and local_irq_save() really turns interrupts off. The mend: both in one,
spin_lock_irqsave(), which leaves them on there.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def c02_irqsoff_spin_rt(k: Kernel, fixed: bool = False) -> None:
    lock = k.spinlock("p->lock")
    if fixed:
        flags = await k.spin_lock_irqsave(lock)
        await k.spin_unlock_irqrestore(lock, flags)
    else:
        flags = k.local_irq_save()
        await k.spin_lock(lock)
        await k.spin_unlock(lock)
        await k.local_irq_restore(flags)


if __name__ == "__main__":
    script(c02_irqsoff_spin_rt)
