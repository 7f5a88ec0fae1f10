"""Timers of idle CPUs (rcuactors/kernel/time/timer_migration.py)."""

from __future__ import annotations

from typing import Any

import pytest

from rcuactors import BadInput, Kernel, RunOptions, run, scenario
from rcuactors.runs import Result

MS = 1_000_000
ON = {"timer_migration": "y"}
VERSIONS = ("v6.12.0", "v6.12", "v6.18", "v7.3")


def asked(
    body: Any, version: str = "v6.12", settings: dict[str, str] | None = None, **options: Any
) -> tuple[Result, list[tuple[int, int]]]:
    """CPU 1 sets a timer of 10 jiffies and is idle; CPU 0 does `body`. Where the timer's function ran, and when."""
    ran: list[tuple[int, int]] = []

    @scenario()
    async def script(k: Kernel) -> None:
        async def function() -> None:
            ran.append((k.smp_processor_id(), k.now))

        async def sets() -> None:
            await k.mod_timer(timer, 10)

        timer = k.timer_setup(function, name="late")
        await k.kthread_run(sets, cpu=1)
        await body(k)
        await k.msleep(200)

    return run(script, RunOptions(kernel=version, settings={"nr_cpus": "2", **(settings or {})}, **options)), ran


async def is_busy(k: Kernel) -> None:
    for _ in range(100):
        await k.udelay(1000)


async def is_idle(k: Kernel) -> None:
    await k.msleep(100)


async def has_bottom_halves_off(k: Kernel) -> None:
    await k.local_bh_disable()
    for _ in range(100):
        await k.udelay(1000)
    await k.local_bh_enable()


@pytest.mark.parametrize("version", VERSIONS)
def test_who_is_active_expires_the_timers_of_who_is_idle(version: str) -> None:
    result, ran = asked(is_busy, version, ON)
    assert result.clean
    assert [cpu for cpu, _ in ran] == [0]
    assert 40 * MS <= ran[0][1] <= 50 * MS


def test_it_is_not_so_unless_it_is_asked_for() -> None:
    assert [cpu for cpu, _ in asked(is_busy)[1]] == [1]


@pytest.mark.parametrize("version", ["v5.11", "v6.1-stable", "v6.6"])
def test_it_came_with_v6_9(version: str) -> None:
    assert [cpu for cpu, _ in asked(is_busy, version)[1]] == [1]
    with pytest.raises(BadInput, match=r"timer_migration=y: this version's timers stay where they are"):
        asked(is_busy, version, ON)


def test_the_last_that_goes_idle_wakes_for_itself() -> None:
    """CPU 0 has gone to sleep before CPU 1 has set its timer."""
    _, ran = asked(is_idle, settings=ON)
    assert [cpu for cpu, _ in ran] == [1]


def test_the_last_that_goes_idle_wakes_for_others() -> None:
    """CPU 0 is active when CPU 1 goes idle, and sleeps itself then, for longer."""

    async def soon_idle(k: Kernel) -> None:
        await k.udelay(9000)
        await k.msleep(100)

    result, ran = asked(soon_idle, settings=ON)
    assert result.clean
    assert [cpu for cpu, _ in ran] == [0]
    assert 40 * MS <= ran[0][1] <= 50 * MS


def test_nobody_expires_what_is_an_active_cpus_whose_bottom_halves_are_off() -> None:
    """It is the migrator, and its softirqs wait."""
    _, ran = asked(has_bottom_halves_off, settings=ON)
    assert [cpu for cpu, _ in ran] == [0]
    assert ran[0][1] >= 100 * MS


def test_what_is_pinned_stays() -> None:
    """add_timer_on(), as queue_delayed_work_on() calls it."""
    ran: list[int] = []

    @scenario()
    async def script(k: Kernel) -> None:
        async def function() -> None:
            ran.append(k.smp_processor_id())

        work = k.delayed_work(function, name="pinned")
        await k.queue_delayed_work_on(1, k.system_wq, work, 10)
        await is_busy(k)

    assert run(script, RunOptions(kernel="v6.12", settings={"nr_cpus": "2", **ON})).clean
    assert ran == [1]


def test_a_cpu_that_goes_offline_is_no_migrator_any_more() -> None:
    ran: list[int] = []

    @scenario()
    async def script(k: Kernel) -> None:
        async def function() -> None:
            ran.append(k.smp_processor_id())

        async def sets() -> None:
            await k.mod_timer(timer, 200)

        async def spins() -> None:
            await k.udelay(2000)

        timer = k.timer_setup(function, name="late")
        await k.kthread_run(sets, cpu=1)
        await k.kthread_run(spins, cpu=2)
        await k.msleep(4)
        await k.cpu_down(2)
        await k.cpu_down(1)
        await k.msleep(1500)

    assert run(script, RunOptions(kernel="v6.12", settings={"nr_cpus": "3", **ON})).clean
    assert ran == [0]


@pytest.mark.parametrize("seed", range(4))
def test_no_timer_is_forgotten_whatever_the_schedule(seed: int) -> None:
    ran: list[int] = []

    @scenario()
    async def script(k: Kernel) -> None:
        async def sleeps(number: int) -> None:
            for turn in range(3):
                await k.msleep(5 + number * 3 + turn)
                await k.udelay(500)
            ran.append(number)

        async with k.open_nursery() as nursery:
            for cpu in range(4):
                await nursery.start_soon(sleeps, cpu, cpu=cpu)

    settings = {"nr_cpus": "4", "hotplug": "y", **ON}
    options = RunOptions(kernel="v6.12", settings=settings, strategy="random", seed=seed)
    assert run(script, options).clean
    assert sorted(ran) == [0, 1, 2, 3]


@pytest.mark.parametrize("callback", [True, False])
def test_a_callback_that_is_left_keeps_the_timers_of_its_cpu(callback: bool) -> None:
    """rcu_needs_cpu(): where bottom halves are off no grace period ends, and no softirq is served."""
    woke: list[int] = []

    async def script(k: Kernel) -> None:
        async def spins() -> None:
            await k.local_bh_disable()
            for _ in range(300):
                await k.udelay(1000)
            await k.local_bh_enable()

        async def left() -> None:
            pass

        await k.kthread_run(spins, cpu=1)
        await k.udelay(1000)
        if callback:
            await k.call_rcu(left)
        await k.msleep(100)
        woke.append(k.now)
        await k.msleep(300)

    assert run(script, RunOptions(kernel="v6.12", settings={"nr_cpus": "2", "HZ": "250", **ON})).clean
    assert (woke[0] <= 120 * MS) == callback
    assert callback or 300 * MS <= woke[0] <= 320 * MS


def test_an_idle_cpu_looks_at_its_own_timers_when_the_soft_lockup_watchdog_wakes_it() -> None:
    """Every four seconds; CPU 1, which has the bottom halves off, is the migrator, and can expire nothing."""
    woken = list[int]()

    @scenario()
    async def script(k: Kernel) -> None:
        async def spins() -> None:
            await k.local_bh_disable()
            while not woken:
                await k.udelay(1000)
            await k.local_bh_enable()

        while k.now < 3950 * MS:
            await k.msleep(20)
        await k.kthread_run(spins, cpu=1)
        await k.msleep(20)
        woken.append(k.now)

    settings = {"nr_cpus": "2", "SOFTLOCKUP_DETECTOR": "y", **ON}
    assert run(script, RunOptions(kernel="v6.12", settings=settings, max_steps=100_000)).clean
    assert 4000 * MS <= woken[0] <= 4010 * MS
