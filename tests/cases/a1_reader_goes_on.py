"""a1_reader_goes_on: a reader turns preemption off before its rcu_read_unlock(), and on again long after.

Where it was preempted inside, the grace period waits until preemption is on again, as in the recordings: the object may
be used until there, and not behind it.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def a1_reader_goes_on(k: Kernel, fixed: bool = False) -> None:
    p = await k.kmalloc(64)
    reading = k.completion("the reader has begun")

    async def reader() -> None:
        k.rcu_read_lock()
        seen = k.rcu_dereference(p)
        await k.complete(reading)
        await k.udelay(60_000)
        k.preempt_disable()
        k.rcu_read_unlock()
        await k.udelay(100_000)
        if fixed:
            k.deref(seen)
        await k.preempt_enable()
        await k.msleep(10_000)
        if not fixed:
            k.deref(seen)

    async def hog() -> None:
        await k.udelay(20_000)

    async with k.open_nursery() as nursery:
        await nursery.start_soon(reader, cpu=1)
        await k.wait_for_completion(reading)
        await k.kvfree_rcu(p, "rcu")
        await k.msleep(40)
        await k.kthread_run(hog, cpu=1, urgent=True)


if __name__ == "__main__":
    script(a1_reader_goes_on)
