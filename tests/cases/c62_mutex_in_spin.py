"""c62_mutex_in_spin: a packet is written inside the flow's spinlock, and the layer below has a mutex.

The report: a mutex inside a spinlock. The mend: the lock is let go before the layer below is called.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def c62_mutex_in_spin(k: Kernel, fixed: bool = False) -> None:
    flow, below = k.spinlock("&flow->lock"), k.mutex("shim_lock")
    await k.spin_lock(flow)
    if fixed:
        await k.spin_unlock(flow)
    await k.mutex_lock(below)
    await k.mutex_unlock(below)
    if not fixed:
        await k.spin_unlock(flow)


if __name__ == "__main__":
    script(c62_mutex_in_spin)
