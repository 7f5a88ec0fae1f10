"""kunit_nolock: the kernel's own test of kfree_rcu_nolock() (lib/tests/slub_kunit.c at 3bc999d944b3).

While a task allocates and frees by kfree_rcu() in a loop, an NMI (a perf event's) and a probe of a function that it
calls (a kprobe's, with preemption off) do the same by kmalloc_nolock() and kfree_rcu_nolock().

An event whose handler is slow (page_owner=y) is throttled after a while, so that a CPU spends a quarter of its time in
it (perf_cpu_time_max_percent). Without that the task would never get on.

* v7.3: clean.
* Every kernel before it, such as v5.11, has no such function: the task is alone, and that is clean.

powerpc's debug_pagealloc, which the model has, takes a lock for each page, in the NMI as well: it is off here.
"""

from collections.abc import Awaitable, Callable

import attrs

from rcuactors import Kernel, scenario, script


@attrs.define
class PerfEvent:
    """perf_event_enable() and its overflow handler, which runs on CPU 0."""

    k: Kernel
    handler: Callable[[], Awaitable[None]]
    enabled: bool = True
    raised: int = 0
    served: int = 0
    spent_ns: int = 0

    async def counts(self) -> None:
        """From another CPU, until it is disabled."""
        began = self.k.now
        while self.enabled:
            await self.k.raise_nmi(self.overflows, cpu=0)
            self.raised += 1
            await self.k.ndelay(400 + self.raised * 37 % 1000)
            while self.served < self.raised or 4 * self.spent_ns > self.k.now - began + 50_000:
                await self.k.ndelay(1_000)

    async def overflows(self) -> None:
        """In the NMI."""
        began = self.k.now
        await self.handler()
        self.served += 1
        self.spent_ns += self.k.now - began


CLEAN = {"plain": "clean", "prove": "clean", "rt": "clean"}


@scenario(expect={"v5.9": CLEAN, "v5.9 direct": CLEAN}, settings={"debug_pagealloc": "n"})
async def kunit_nolock(k: Kernel, objects: int = 300) -> None:
    async def alloc_and_free_nolock() -> None:
        p = await k.kmalloc_nolock(64)
        if p is not None:
            await k.kfree_rcu_nolock(p, "rcu")

    async def kprobe() -> None:
        k.preempt_disable()
        await alloc_and_free_nolock()
        await k.preempt_enable()

    event = PerfEvent(k, alloc_and_free_nolock)
    async with k.open_nursery() as nursery:
        if k.has("kfree_rcu_nolock"):
            await nursery.start_soon(event.counts, cpu=1)
        for number in range(objects):
            p = await k.kmalloc(64)
            if k.has("kfree_rcu_nolock") and number % 7 == 0:
                await kprobe()
            await k.kfree_rcu(p, "rcu")
        event.enabled = False


if __name__ == "__main__":
    script(kunit_nolock)
