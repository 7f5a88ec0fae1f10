"""Grace periods while CPUs come and go, for who waits, is called back, or polls (rcuactors/rcu/hotplug.py, polled.py).

The oracle, which knows nothing of masks and cookies, has the last word.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rcuactors import Kernel, Run, RunOptions, ViolationKind, scenario
from rcuactors.engine.choice import Timed
from rcuactors.eras import ERAS
from rcuactors.explore.random import Random

from .torture import KERNELS, SHAPES, Torture

EXACT = [name for name, era in ERAS.items() if not (era.rules.rcu.polled_functions and era.rules.rcu.cookies_from_root)]
"""Versions on which no cookie is too old (85aad7cc4178): those with the fix, and those without polling."""


class WithCpus(Torture):
    """One thread takes CPUs down and up; of the updaters some take a cookie and ask until it is done."""

    async def comes_and_goes(self, plan: random.Random) -> None:
        k = self.k
        for _ in range(self.steps):
            cpu = plan.randrange(1, self.cpus)
            await (k.cpu_down(cpu) if k.cpu_online(cpu) else k.cpu_up(cpu))
            await k.usleep_range(plan.randrange(1, 20_000), 20_000)
        for cpu in range(1, self.cpus):
            await k.cpu_up(cpu)

    def where(self, plan: random.Random) -> int:
        """Interrupts come to CPUs that are there."""
        return plan.choice(self.k.online_cpus())

    async def until_over(self, plan: random.Random) -> None:
        """By a cookie of one of the forms that the version has."""
        k, polls = self.k, self.k.machine.callbacks.rules.polled_functions
        full = polls and plan.random() < 0.6
        done: Callable[[], bool]
        cond: Callable[[], Awaitable[None]]
        if full:
            rgos = k.start_poll_synchronize_rcu_full() if plan.random() < 0.5 else k.get_state_synchronize_rcu_full()
            done, cond = lambda: k.poll_state_synchronize_rcu_full(rgos), lambda: k.cond_synchronize_rcu_full(rgos)
        else:
            one = k.start_poll_synchronize_rcu() if polls and plan.random() < 0.5 else k.get_state_synchronize_rcu()
            done, cond = lambda: polls and k.poll_state_synchronize_rcu(one), lambda: k.cond_synchronize_rcu(one)
        for _ in range(8):
            if done():
                return
            await k.usleep_range(plan.randrange(1, 6000), 6000)
        await cond()

    async def poller(self, seed: int) -> None:
        k, plan = self.k, random.Random(seed)
        for _ in range(self.steps):
            index = plan.randrange(3)
            fresh = await k.kmalloc(64)
            old, self.slots[index] = self.slots[index], fresh
            await self.until_over(plan)
            await k.kfree(old)

    async def main(self, seed: int) -> None:
        k, rng = self.k, random.Random(seed)
        self.slots = [await k.kmalloc(64) for _ in range(3)]
        async with k.open_nursery() as nursery:
            await nursery.start_soon(self.comes_and_goes, random.Random(rng.getrandbits(30)))
            for number in range(2 * self.cpus):
                body = (self.reader, self.poller, self.updater)[number % 3]
                await nursery.start_soon(body, rng.getrandbits(30), urgent=rng.random() < 0.2)
        await k.rcu_barrier()
        await k.synchronize_rcu()
        for p in self.slots:
            await k.kfree(p)


def tortured_with_cpus(seed: int, cpus: int, version: str, kernel: str, strategy: str, shape: str) -> Run:
    async def script(k: Kernel) -> None:
        await WithCpus(k, cpus, 4, sleeping=kernel != "none").main(seed)

    one = Run(
        scenario()(script),
        RunOptions(
            kernel=version,
            strategy=Random() if strategy == "random" else Timed(),
            seed=seed,
            events=False,
            settings={"nr_cpus": str(cpus), **KERNELS[kernel], **SHAPES[shape]},
        ),
    )
    one.run()
    return one


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 1 << 30),
    cpus=st.integers(2, 5),
    version=st.sampled_from(EXACT),
    kernel=st.sampled_from(sorted(KERNELS)),
    strategy=st.sampled_from(["timed", "random"]),
    shape=st.sampled_from(sorted(SHAPES)),
)
def test_no_grace_period_is_over_too_early_while_cpus_come_and_go(
    seed: int, cpus: int, version: str, kernel: str, strategy: str, shape: str
) -> None:
    one = tortured_with_cpus(seed, cpus, version, kernel, strategy, shape)
    assert one.result().kinds <= {ViolationKind.VOLUNTARY_SWITCH}
    assert one.machine.gp.completed > 0
