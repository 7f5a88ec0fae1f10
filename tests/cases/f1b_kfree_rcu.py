"""f1b_kfree_rcu: a mutex is taken in an object that kfree_rcu() freed long ago.

As f1_lock_in_freed, with the grace period between. The mend: the object is given away last.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def f1b_kfree_rcu(k: Kernel, fixed: bool = False) -> None:
    p = await k.kmalloc(128)
    lock = k.mutex("&p->lock", inside=p)
    if not fixed:
        await k.kfree_rcu(p, "rcu")
        await k.msleep(10_000)
    await k.mutex_lock(lock)
    await k.mutex_unlock(lock)
    if fixed:
        await k.kfree_rcu(p, "rcu")


if __name__ == "__main__":
    script(f1b_kfree_rcu)
