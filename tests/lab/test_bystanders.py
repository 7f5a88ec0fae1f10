"""lab/bystanders.py: who contends for what, and who lets go when told to."""

from __future__ import annotations

import pytest

from rcuactors import Kernel, run, scenario
from rcuactors.lab.bystanders import HOLD_US, Contender, borrow_pages, housekeeper, neighbour, sleeper, stir_zone
from rcuactors.machine import Machine


def test_a_neighbour_takes_the_zones_lock_until_it_is_told_to_stop() -> None:
    counts: list[int] = []

    async def script(k: Kernel) -> None:
        working = True
        zone = k.machine.pages.zone
        thread = await k.kthread_run(neighbour, k, lambda: working, cpu=1)
        for _ in range(2):
            counts.append(zone.refills + zone.drains)
            await k.udelay(50)
        working = False
        await k.kthread_join(thread)
        counts.append(zone.refills + zone.drains)
        await k.udelay(50)
        counts.append(zone.refills + zone.drains)

    assert run(scenario()(script)).clean
    assert counts[0] < counts[1] <= counts[2] == counts[3]


@pytest.mark.parametrize("act", [stir_zone, lambda k: borrow_pages(k, 40)])
def test_what_is_taken_is_given_back(act) -> None:
    machines: list[Machine] = []

    async def script(k: Kernel) -> None:
        machines.append(k.machine)
        await act(k)

    assert run(scenario()(script)).clean
    assert machines[0].pages.zone.in_use == set()
    assert machines[0].pages.zone.allocated > 0


def test_a_housekeeper_wakes_up_every_40_ms_and_a_sleeper_when_it_is_woken() -> None:
    woken: list[bool] = []

    async def script(k: Kernel) -> None:
        await k.kthread_run(housekeeper, k, cpu=1)
        thread = await k.kthread_run(sleeper, k, cpu=1)
        await k.msleep(200)
        cpu = k.machine.system.cpu(1)
        assert cpu.clock > 2 * 40_000_000
        woken.append(await k.wake_up_process(thread))
        await k.msleep(1)
        woken.append(await k.wake_up_process(thread))
        k.machine.conductor.finish()

    run(scenario()(script))
    assert woken == [True, True]


@pytest.mark.parametrize("kind", ["raw_spinlock", "spinlock", "mutex"])
def test_a_contender_holds_the_lock_for_half_a_second(kind: str) -> None:
    times: list[int] = []

    async def script(k: Kernel) -> None:
        lock = getattr(k, kind)("L")
        take = {"raw_spinlock": k.raw_spin_lock, "spinlock": k.spin_lock, "mutex": k.mutex_lock}[kind]
        contender = Contender(k, holds=lock, with_areas=False)
        await k.kthread_run(contender.main, cpu=1)
        await contender.start()
        began = k.now
        await take(lock)
        times.append(k.now - began)
        k.machine.conductor.finish()

    run(scenario()(script))
    assert HOLD_US * 900 < times[0] < HOLD_US * 1100


@pytest.mark.parametrize("with_areas", [False, True])
def test_a_contender_without_a_lock_rests_between_the_rounds(with_areas: bool) -> None:
    counts: list[int] = []

    async def script(k: Kernel) -> None:
        contender = Contender(k, holds=None, with_areas=with_areas)
        await k.kthread_run(contender.main, cpu=1)
        for _ in range(2):
            await contender.start()
            await k.udelay(200)
            await contender.stop()
            counts.append(k.machine.pages.zone.allocated)
            await k.msleep(1)
            counts.append(k.machine.pages.zone.allocated)
        k.machine.conductor.finish()

    run(scenario()(script))
    assert 0 < counts[0] == counts[1] < counts[2] == counts[3]
