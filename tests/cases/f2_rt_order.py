"""f2_rt_order: on PREEMPT_RT a spinlock is taken inside a raw one: who speaks first.

Lockdep, since rt_spin_lock() tells it before it looks at the context, as in the recordings. The mend: both are raw.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def f2_rt_order(k: Kernel, fixed: bool = False) -> None:
    outer = k.raw_spinlock("outer")
    raw, sleeping = k.raw_spinlock("raw"), k.spinlock("sleeping")
    await k.raw_spin_lock(outer)
    if fixed:
        await k.raw_spin_lock(raw)
        await k.raw_spin_unlock(raw)
    else:
        await k.spin_lock(sleeping)
        await k.spin_unlock(sleeping)
    await k.raw_spin_unlock(outer)


if __name__ == "__main__":
    script(f2_rt_order)
