"""kunit_nolock: the kernel's own test of kfree_rcu_nolock() (lib/tests/slub_kunit.c at 3bc999d944b3).

While a task allocates and frees by kfree_rcu() in a loop, an NMI (a perf event's) and a probe of a function that it
calls (a kprobe's, with preemption off) do the same by kmalloc_nolock() and kfree_rcu_nolock().

* v7.3: clean.
* Every kernel before it, such as v5.11, has no such function: the task is alone, and that is clean.

powerpc's debug_pagealloc, which the model has, takes a lock for each page, in the NMI as well: it is off here.
"""

from rcuactors import Kernel, scenario, script

CLEAN = {"plain": "clean", "prove": "clean", "rt": "clean"}


@scenario(expect={"v5.9": CLEAN, "v5.9 direct": CLEAN}, settings={"debug_pagealloc": "n"})
async def kunit_nolock(k: Kernel, objects: int = 300) -> None:
    over = False

    async def alloc_and_free_nolock() -> None:
        p = await k.kmalloc_nolock(64)
        if p is not None:
            await k.kfree_rcu_nolock(p, "rcu")

    async def kprobe() -> None:
        k.preempt_disable()
        await alloc_and_free_nolock()
        await k.preempt_enable()

    async def perf_event() -> None:
        step = 0
        while not over:
            await k.raise_nmi(alloc_and_free_nolock, cpu=0)
            step += 1
            await k.ndelay(400 + step * 37 % 1000)

    async with k.open_nursery() as nursery:
        if k.has("kfree_rcu_nolock"):
            await nursery.start_soon(perf_event, cpu=1)
        for number in range(objects):
            p = await k.kmalloc(64)
            if k.has("kfree_rcu_nolock") and number % 7 == 0:
                await kprobe()
            await k.kfree_rcu(p, "rcu")
        over = True


if __name__ == "__main__":
    script(kunit_nolock)
