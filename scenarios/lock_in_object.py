"""lock_in_object: objects that are looked up under RCU, and changed under a lock that lies in them, go by kfree_rcu().

Who looks one up takes its lock, and then needs no RCU section any more: as long as the lock is held nobody can retire
the object, and on PREEMPT_RT, where the lock sleeps, to hold it is a section. Who retires one takes it out of the table
under the lock.

* Clean in order of time, on every kernel.
* On PREEMPT_RT, v5.11 and all others here, rt_spin_unlock() leaves its section before it lets go of the lock (commit
  89038cc87d80): who is just doing that may do it in an object that has been freed.
"""

from rcuactors import Kernel, scenario, script

CLEAN = {"plain": "clean", "prove": "clean", "rt": "clean"}


@scenario(expect={"v5.9": CLEAN, "v5.9 direct": CLEAN}, settings={"nr_cpus": "2"})
async def lock_in_object(k: Kernel, rounds: int = 3, looks: int = 6, pause_us: int = 3_000) -> None:
    async def new() -> tuple[object, object]:
        p = await k.kmalloc(128)
        return p, k.spinlock("&p->lock", inside=p)

    table = await new()

    async def user() -> None:
        for _ in range(looks):
            k.rcu_read_lock()
            p, lock = k.rcu_dereference(table[0]), table[1]
            await k.spin_lock(lock)
            k.rcu_read_unlock()
            if table[0] is p:
                await k.udelay(5)
            await k.spin_unlock(lock)
            await k.usleep_range(pause_us // 2 + 100, pause_us // 2 + 100)

    async with k.open_nursery() as nursery:
        await nursery.start_soon(user, cpu=1)
        for _ in range(rounds):
            await k.usleep_range(pause_us, pause_us)
            old, made = table, await new()
            await k.spin_lock(old[1])
            table = made
            await k.udelay(5)
            await k.spin_unlock(old[1])
            await k.kfree_rcu(old[0], "rcu")
    await k.kfree(table[0])


if __name__ == "__main__":
    script(lock_in_object)
