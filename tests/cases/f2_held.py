"""f2_held: on PREEMPT_RT a spinlock is taken with preemption off.

Lockdep does not look at preempt_count, so only might_sleep() speaks, as in the recordings. The mend: the lock first.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def f2_held(k: Kernel, fixed: bool = False) -> None:
    lock = k.spinlock("css_set_lock")
    if fixed:
        await k.spin_lock(lock)
        k.preempt_disable()
        await k.preempt_enable()
        await k.spin_unlock(lock)
    else:
        k.preempt_disable()
        await k.spin_lock(lock)
        await k.spin_unlock(lock)
        await k.preempt_enable()


if __name__ == "__main__":
    script(f2_held)
