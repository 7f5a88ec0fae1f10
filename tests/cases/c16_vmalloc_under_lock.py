"""c16_vmalloc_under_lock: an ioctl makes room with vmalloc() while it holds a rwlock_t for writing.

The report: vmalloc() may sleep. The mend: there is a mutex around it already, and the lock is not needed yet.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def c16_vmalloc_under_lock(k: Kernel, fixed: bool = False) -> None:
    device = k.mutex("&dev->mutex")
    attributes = k.rwlock("&dev->attr_lock")

    await k.mutex_lock(device)
    if not fixed:
        await k.write_lock(attributes)
    area = await k.vmalloc(16384)
    if not fixed:
        await k.write_unlock(attributes)
    await k.vfree(area)
    await k.mutex_unlock(device)


if __name__ == "__main__":
    script(c16_vmalloc_under_lock)
