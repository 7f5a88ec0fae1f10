"""c09_irqdesc_spin: an interrupt chip acknowledges below the raw lock of the interrupt's descriptor.

The report: the driver's own lock was a spinlock_t, which is not to be taken there. The mend: it is a raw one.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def c09_irqdesc_spin(k: Kernel, fixed: bool = False) -> None:
    probing = k.mutex("&dev->mutex")
    descriptor = k.raw_spinlock("&desc->lock")
    raw, sleeping = k.raw_spinlock("&chip->raw_lock"), k.spinlock("&chip->lock")

    await k.mutex_lock(probing)
    flags = await k.raw_spin_lock_irqsave(descriptor)
    if fixed:
        await k.raw_spin_lock(raw)
        await k.raw_spin_unlock(raw)
    else:
        await k.spin_lock(sleeping)
        await k.spin_unlock(sleeping)
    await k.raw_spin_unlock_irqrestore(descriptor, flags)
    await k.mutex_unlock(probing)


if __name__ == "__main__":
    script(c09_irqdesc_spin)
