"""lab/sections.py: what is held inside a section, and let go of behind it."""

from __future__ import annotations

import pytest

from rcuactors import Kernel, run, scenario
from rcuactors.lab import sections

MAKE = {
    sections.mutex: "mutex",
    sections.spin: "spinlock",
    sections.spin_irqsave: "spinlock",
    sections.raw_spin: "raw_spinlock",
    sections.raw_spin_irqsave: "raw_spinlock",
}


@pytest.mark.parametrize("way", MAKE, ids=lambda way: way.__name__)
def test_the_lock_is_the_callers_if_it_says_which(way) -> None:
    async def script(k: Kernel) -> None:
        lock = getattr(k, MAKE[way])("mine")

        async def body() -> None:
            assert lock.owner is not None

        await way(k, body, lock)
        assert lock.owner is None

    assert run(scenario()(script)).clean


@pytest.mark.parametrize("way", MAKE, ids=lambda way: way.__name__)
def test_nobody_waits_for_a_lock_that_is_not_said(way) -> None:
    """Two CPUs in the same section at the same time."""
    inside: list[int] = []
    most: list[int] = []

    async def script(k: Kernel) -> None:
        async def body() -> None:
            inside.append(k.smp_processor_id())
            await k.udelay(100)
            most.append(len(inside))
            inside.remove(k.smp_processor_id())

        async with k.open_nursery() as nursery:
            for cpu in range(2):
                await nursery.start_soon(way, k, body, cpu=cpu)

    assert run(scenario()(script)).clean
    assert max(most) == 2


@pytest.mark.parametrize(
    ("way", "lock_of"),
    [(sections.rq_lock, lambda k: k.this_rq_lock()), (sections.zone_lock, lambda k: k.zone_lock())],
    ids=["rq_lock", "zone_lock"],
)
def test_the_machines_own_locks(way, lock_of) -> None:
    async def script(k: Kernel) -> None:
        async def body() -> None:
            assert lock_of(k).owner is not None

        await way(k, body)
        assert lock_of(k).owner is None

    assert run(scenario()(script)).clean


@pytest.mark.parametrize("way", [sections.rcu_read, sections.rcu_read_bh, sections.rcu_read_sched])
def test_a_grace_period_waits_for_a_reader_in_every_form(way) -> None:
    order: list[str] = []

    async def script(k: Kernel) -> None:
        async def body() -> None:
            await k.udelay(3000)
            order.append("reader")

        async with k.open_nursery() as nursery:
            await nursery.start_soon(way, k, body, cpu=1)
            await k.udelay(100)
            await k.synchronize_rcu()
            order.append("grace period")

    assert run(scenario()(script)).clean
    assert order == ["reader", "grace period"]
