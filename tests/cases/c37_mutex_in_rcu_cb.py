"""c37_mutex_in_rcu_cb: an entry is freed by a callback of call_rcu(), and its destructor takes a mutex.

The report: callbacks run in softirq. The mend: the destructor runs before the entry is given to call_rcu().
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def c37_mutex_in_rcu_cb(k: Kernel, fixed: bool = False) -> None:
    entry, mutex = await k.kmalloc(128), k.mutex("mc_lock")

    async def destruct() -> None:
        await k.mutex_lock(mutex)
        await k.mutex_unlock(mutex)

    async def free_entry() -> None:
        if not fixed:
            await destruct()
        await k.kfree(entry)

    if fixed:
        await destruct()
    await k.call_rcu(free_entry)
    await k.rcu_barrier()


if __name__ == "__main__":
    script(c37_mutex_in_rcu_cb)
