"""template: a reader follows a pointer while the object behind it is replaced and freed.

`rcuactors run template.py` runs it once, `rcuactors check template.py` tries its worst case.
"""

from __future__ import annotations

from rcuactors import Kernel, scenario, script


@scenario()
async def template(k: Kernel, updates: int = 10) -> None:
    """A reader follows a pointer while the object behind it is replaced and freed."""
    lock = k.raw_spinlock("template_lock")
    current = await k.kmalloc(64)

    async def reader() -> None:
        for _ in range(updates):
            k.rcu_read_lock()
            p = k.rcu_dereference(current)
            await k.udelay(10)
            k.deref(p)
            k.rcu_read_unlock()

    async with k.open_nursery() as nursery:
        await nursery.start_soon(reader, cpu=1)
        for _ in range(updates):
            new = await k.kmalloc(64)
            flags = await k.raw_spin_lock_irqsave(lock)
            old, current = current, new
            await k.raw_spin_unlock_irqrestore(lock, flags)
            # The reader may have it still. With kfree() in its place the oracle says so.
            await k.kvfree_rcu(old, "rcu")
            await k.usleep_range(30, 50)
    await k.kvfree_rcu(current, "rcu")


if __name__ == "__main__":
    script(template)
