"""a6_bh_enable_irqs_off: spin_unlock_bh() with interrupts off.

Turning bottom halves on would run softirqs; the kernel warns, as in the recordings. The mend: the lock has interrupts
turned off itself.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def a6_bh_enable_irqs_off(k: Kernel, fixed: bool = False) -> None:
    lock = k.spinlock("lock")
    if fixed:
        flags = await k.spin_lock_irqsave(lock)
        await k.spin_unlock_irqrestore(lock, flags)
    else:
        k.local_irq_disable()
        await k.spin_lock_bh(lock)
        await k.spin_unlock_bh(lock)
        await k.local_irq_enable()


if __name__ == "__main__":
    script(a6_bh_enable_irqs_off)
