"""c50_rt_unlock_uaf: a lock is let go by somebody who is no reader any more, and kfree_rcu() has its object.

The report: on PREEMPT_RT spin_unlock() leaves the lock's read-side section before it lets go of the lock, and the
object may be freed between. Commit 89038cc87d80 turned these round in the kernel; here who looked the object up stays a
reader.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def c50_rt_unlock_uaf(k: Kernel, fixed: bool = False) -> None:
    p = await k.kmalloc(128)
    lock = k.spinlock("&p->lock", inside=p)
    listed = [p]

    async def look_up() -> None:
        k.rcu_read_lock()
        if not listed:
            k.rcu_read_unlock()
            return
        k.rcu_dereference(p)
        await k.spin_lock(lock)
        if not fixed:
            k.rcu_read_unlock()
        await k.udelay(50)
        await k.spin_unlock(lock)
        if fixed:
            k.rcu_read_unlock()

    async def remove() -> None:
        await k.spin_lock(lock)
        await k.udelay(20)
        listed.clear()
        await k.spin_unlock(lock)
        await k.kfree_rcu(p, "rcu")

    async with k.open_nursery() as nursery:
        await nursery.start_soon(remove, cpu=0)
        await nursery.start_soon(look_up, cpu=1)


if __name__ == "__main__":
    script(c50_rt_unlock_uaf)
