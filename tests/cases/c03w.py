"""c03w: a driver's lock became raw for PREEMPT_RT, and the list below it still grows by kmalloc(GFP_ATOMIC).

The report: the slab's own lock is a sleeping one there, whatever the flags say; the cache has been used before, so that
its lists are there. The mend: the node is allocated before the lock is taken.
"""

from rcuactors import GFP_ATOMIC, Kernel, scenario, script


@scenario()
async def c03w(k: Kernel, fixed: bool = False) -> None:
    lock = k.raw_spinlock("p->lock")
    used_before = [await k.kmalloc(512) for _ in range(3)]

    node = await k.kmalloc(512, GFP_ATOMIC) if fixed else None
    flags = await k.raw_spin_lock_irqsave(lock)
    if not fixed:
        node = await k.kmalloc(512, GFP_ATOMIC)
    await k.raw_spin_unlock_irqrestore(lock, flags)

    for p in (*used_before, node):
        await k.kfree(p)


if __name__ == "__main__":
    script(c03w)
