"""lab/elsewhere.py: where the body runs, and the NMI that hits what it is aimed at."""

from __future__ import annotations

import pytest

from rcuactors import Kernel, run, scenario
from rcuactors.lab import elsewhere
from rcuactors.lab.sections import Body


@pytest.mark.parametrize("cpus", [1, 2, 3])
@pytest.mark.parametrize("way", [elsewhere.hardirq_remote, elsewhere.hardirq_smpcall])
def test_the_other_cpu_is_the_next_one(way, cpus: int) -> None:
    seen: list[tuple[int, int]] = []

    async def script(k: Kernel) -> None:
        async def from_here() -> None:
            here = k.smp_processor_id()

            async def body() -> None:
                seen.append((here, k.smp_processor_id()))

            await way(k, body)

        async with k.open_nursery() as nursery:
            for cpu in range(cpus):
                await nursery.start_soon(from_here, cpu=cpu)

    assert run(scenario()(script), nr_cpus=cpus).clean
    assert sorted(seen) == [(cpu, (cpu + 1) % cpus) for cpu in range(cpus)]


@pytest.mark.parametrize(
    ("way", "comm"),
    [
        (elsewhere.softirq_tasklet, "ksoftirqd/0"),
        (elsewhere.softirq_bh_enable, "script"),
        (elsewhere.softirq_irq_exit, "script"),
        (elsewhere.hardirq, "script"),
        (elsewhere.softirq_timer, "swapper/0"),
        (elsewhere.hardirq_hrtimer, "swapper/0"),
    ],
)
def test_on_whose_stack_it_runs(way, comm: str) -> None:
    seen: list[str] = []

    async def script(k: Kernel) -> None:
        async def body() -> None:
            seen.append(k.machine.system.cpu(k.smp_processor_id()).current.comm)

        await way(k, body)

    assert run(scenario()(script)).clean
    assert seen == [comm]


@pytest.mark.parametrize(("held_us", "hits"), [(5, 1), (0, 0)])
def test_an_nmi_finds_the_lock_held_or_does_not_come(held_us: int, hits: int) -> None:
    seen: list[bool] = []

    async def script(k: Kernel) -> None:
        lock = k.raw_spinlock("L")

        async def body() -> None:
            seen.append(lock.owner is not None and k.in_nmi())

        async def hold() -> None:
            if held_us:
                await k.raw_spin_lock(lock)
                await k.udelay(held_us)
                await k.raw_spin_unlock(lock)

        async def another() -> None:
            """Somebody else's holding of the lock is none of its business."""
            await k.raw_spin_lock(lock)
            await k.udelay(3)
            await k.raw_spin_unlock(lock)

        await k.kthread_join(await k.kthread_run(another, cpu=1))
        await elsewhere.nmi_when_held(k, body, lock, hold)

    assert run(scenario()(script)).clean
    assert seen == [True] * hits


def test_without_another_cpu_the_timers_still_come_back() -> None:
    ran: list[Body] = []

    async def script(k: Kernel) -> None:
        async def body() -> None:
            ran.append(body)

        for way in (elsewhere.softirq_timer, elsewhere.hrtimer, elsewhere.hrtimer_soft, elsewhere.rcu_callback):
            await way(k, body)

    assert run(scenario()(script), nr_cpus=1).clean
    assert len(ran) == 4
