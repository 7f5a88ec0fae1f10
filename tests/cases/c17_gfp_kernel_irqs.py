"""c17_gfp_kernel_irqs: a driver's bind is called with a spinlock held and interrupts off, and allocates as if not.

The report: GFP_KERNEL there. The mend: GFP_ATOMIC.
"""

from rcuactors import GFP_ATOMIC, GFP_KERNEL, Kernel, scenario, script


@scenario()
async def c17_gfp_kernel_irqs(k: Kernel, fixed: bool = False) -> None:
    lock = k.spinlock("&data->lock")
    flags = await k.spin_lock_irqsave(lock)
    p = await k.kmalloc(128, GFP_ATOMIC if fixed else GFP_KERNEL)
    await k.spin_unlock_irqrestore(lock, flags)
    await k.kfree(p)


if __name__ == "__main__":
    script(c17_gfp_kernel_irqs)
