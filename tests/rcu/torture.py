"""Random readers and updaters, for tests of grace periods: what an updater frees too early, the oracle sees."""

from __future__ import annotations

import random
from typing import Any

import attrs

from rcuactors import Kernel, Run, RunOptions, scenario
from rcuactors.engine.choice import Timed
from rcuactors.explore.random import Random

KERNELS: dict[str, dict[str, str]] = {"plain": {}, "rt": {"PREEMPT_RT": "y"}, "none": {"PREEMPT": "n"}}
SHAPES: dict[str, dict[str, str]] = {"usual": {}, "tall": {"rcu_fanout": "2", "rcu_fanout_leaf": "2"}}
"""Of the rcu_node tree; where it is not the usual one, its nodes are set one by one."""


async def burn(k: Kernel, us: int) -> None:
    """Be busy, in thirty steps instead of one a microsecond."""
    for _ in range(30):
        await k.machine.current.spend(us * 1000 // 30)


@attrs.define
class Torture:
    """Updaters replace what a slot points to and free the old object after a grace period; readers hold and use it.

    Some readers sleep, which the kernel warns of, and waits for all the same.
    """

    k: Kernel
    cpus: int
    steps: int
    sleeping: bool
    slots: list[Any] = attrs.field(factory=list)

    async def hold(self, plan: random.Random) -> None:
        k, what = self.k, plan.random()
        if what < 0.4:
            await burn(k, plan.randrange(1, 400))
        elif what < 0.6:
            await burn(k, plan.randrange(1000, 40_000))
        elif what < 0.8 and self.sleeping and k.preemptible():
            await k.usleep_range(plan.randrange(1, 60_000), 60_000)
        elif what < 0.9:
            k.preempt_disable()
            await burn(k, plan.randrange(1, 5000))
            await k.preempt_enable()

    def where(self, plan: random.Random) -> int:
        """On which CPU an interrupt comes."""
        return plan.randrange(self.cpus)

    async def read_on(self, plan: random.Random) -> None:
        """A reader that goes on after its unlock, because something else is off by then."""
        k, irqs = self.k, plan.random() < 0.5
        k.rcu_read_lock()
        p = k.rcu_dereference(self.slots[plan.randrange(3)])
        await burn(k, plan.randrange(1, 40_000))
        if irqs:
            k.local_irq_disable()
        else:
            k.preempt_disable()
        k.rcu_read_unlock()
        await burn(k, plan.randrange(1, 40_000))
        k.deref(p)
        await (k.local_irq_enable() if irqs else k.preempt_enable())

    async def read(self, plan: random.Random) -> None:
        k, slots = self.k, self.slots
        if k.preemptible() and plan.random() < 0.2:
            await self.read_on(plan)
            return
        with k.rcu_reader():
            p = k.rcu_dereference(slots[plan.randrange(3)])
            await self.hold(plan)
            k.deref(p)
            if plan.random() < 0.3:
                with k.rcu_reader():
                    q = k.rcu_dereference(slots[plan.randrange(3)])
                    await burn(k, plan.randrange(1, 50))
                    k.deref(q)

    async def reader(self, seed: int) -> None:
        k, plan = self.k, random.Random(seed)
        for _ in range(self.steps):
            if plan.random() < 0.15:
                inner = random.Random(plan.getrandbits(30))
                await k.raise_irq(lambda plan=inner: self.read(plan), cpu=self.where(plan))
            else:
                await self.read(plan)
            await k.cond_resched()
            if plan.random() < 0.5:
                await k.usleep_range(plan.randrange(1, 2000), 2000)

    async def updater(self, seed: int) -> None:
        k, plan = self.k, random.Random(seed)
        for _ in range(self.steps):
            index = plan.randrange(3)
            fresh = await k.kmalloc(64)
            old, self.slots[index] = self.slots[index], fresh
            if plan.random() < 0.5:
                await k.synchronize_rcu()
                await k.kfree(old)
            else:
                k.machine.oracle.retired(old, k.now)
                await k.call_rcu(lambda gone=old: k.kfree(gone), name="free")
            await k.usleep_range(plan.randrange(1, 3000), 3000)

    async def main(self, seed: int) -> None:
        k, rng = self.k, random.Random(seed)
        self.slots = [await k.kmalloc(64) for _ in range(3)]
        async with k.open_nursery() as nursery:
            for number in range(2 * self.cpus):
                body = self.reader if number % 3 else self.updater
                urgent = rng.random() < 0.3
                await nursery.start_soon(body, rng.getrandbits(30), cpu=rng.randrange(self.cpus), urgent=urgent)
        await k.rcu_barrier()
        # An interrupt that was raised last may still read on another CPU.
        await k.synchronize_rcu()
        for p in self.slots:
            await k.kfree(p)


def tortured(seed: int, cpus: int, kernel: str, strategy: str, steps: int = 6, shape: str = "usual") -> Run:
    async def script(k: Kernel) -> None:
        await Torture(k, cpus, steps, sleeping=kernel != "none").main(seed)

    chosen = Random() if strategy == "random" else Timed()
    settings = {"nr_cpus": str(cpus), **KERNELS[kernel], **SHAPES[shape]}
    options = RunOptions(strategy=chosen, seed=seed, events=False, settings=settings)
    one = Run(scenario()(script), options)
    one.run()
    return one
