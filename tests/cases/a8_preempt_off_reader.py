"""a8_preempt_off_reader: who has preemption off is a reader, and the object that it uses is freed at once.

Grace periods wait for such regions, as in the recordings, and kfree() does not. The mend: kvfree_rcu().
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def a8_preempt_off_reader(k: Kernel, fixed: bool = False) -> None:
    p = await k.kmalloc(64)
    reading = k.completion("the reader has begun")

    async def reader() -> None:
        k.preempt_disable()
        k.deref(p)
        await k.complete(reading)
        await k.udelay(5_000)
        k.deref(p)
        await k.preempt_enable()

    async with k.open_nursery() as nursery:
        await nursery.start_soon(reader, cpu=1)
        await k.wait_for_completion(reading)
        if fixed:
            await k.kvfree_rcu(p, "rcu")
        else:
            await k.kfree(p)


if __name__ == "__main__":
    script(a8_preempt_off_reader)
