"""f1_lock_in_freed: a spinlock is taken in an object that was freed before.

The smallest form of most bugs of kfree_rcu(); the recordings have it with KASAN, at taking it and at letting it go.
The mend: the object goes last.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def f1_lock_in_freed(k: Kernel, fixed: bool = False) -> None:
    p = await k.kmalloc(128)
    lock = k.spinlock("&p->lock", inside=p)
    if not fixed:
        await k.kfree(p)
    await k.spin_lock(lock)
    await k.spin_unlock(lock)
    if fixed:
        await k.kfree(p)


if __name__ == "__main__":
    script(f1_lock_in_freed)
