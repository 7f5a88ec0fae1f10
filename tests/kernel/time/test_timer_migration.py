"""Timers of idle CPUs (rcuactors/kernel/time/timer_migration.py)."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from rcuactors import BadInput, Kernel, RunOptions, run, scenario
from rcuactors.kernel.time.timer_migration import TimerMigration
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


# -- the hierarchy alone ----------------------------------------------------------------------------------------------


@attrs.define
class Wheels:
    """Stands for the timers of all CPUs: the jiffy of each CPU's next, pinned or not."""

    pinned: dict[int, int] = attrs.field(factory=dict)
    others: dict[int, int] = attrs.field(factory=dict)

    def next_jiffy(self, cpu: Any, *, pinned: bool) -> int | None:
        return (self.pinned if pinned else self.others).get(cpu.cpu_id)

    def globals_pending(self) -> list[tuple[int, int]]:
        return list(self.others.items())


@attrs.frozen
class Number:
    cpu_id: int


ZERO, ONE, TWO = map(Number, range(3))


def hierarchy(**wheels: dict[int, int]) -> Any:
    stands: Any = Wheels(**wheels)
    return TimerMigration(stands)


def who_expires(migration: Any, now: int = 100) -> dict[int, list[int]]:
    found = {cpu.cpu_id: migration.due_remotely(cpu, now) for cpu in (ZERO, ONE, TWO)}
    return {cpu: due for cpu, due in found.items() if due}


def test_the_first_that_is_active_is_the_migrator_until_it_leaves() -> None:
    migration = hierarchy(others={2: 7, 5: 3, 6: 200})
    migration.activate(ONE)
    migration.activate(ZERO)
    assert who_expires(migration) == {1: [5, 2]}, "those that are due, the earliest first"
    migration.leave(1)
    assert who_expires(migration) == {0: [5, 2]}
    migration.activate(ONE)
    assert who_expires(migration) == {0: [5, 2]}, "it was handed on"
    migration.activate(TWO)
    assert who_expires(migration) == {0: [5]}, "an active CPU expires its own"
    assert who_expires(migration, now=3) == {0: [5]}
    assert who_expires(migration, now=2) == {}


def test_whose_tick_is_not_stopped_stays_active_but_whose_was_stays_idle() -> None:
    migration = hierarchy(others={2: 7})
    migration.stay_active(ZERO)
    assert who_expires(migration) == {0: [2]}
    assert migration.next_event(ZERO) == 7, "the last of all that are active wakes for everybody"
    migration.stay_active(ZERO)
    migration.activate(ONE)
    assert who_expires(migration) == {0: [2], 1: [2]}, "it has gone idle last, and is not active"
    migration.activate(ZERO)
    assert who_expires(migration) == {1: [2]}


def test_for_what_an_idle_cpu_wakes() -> None:
    migration = hierarchy(pinned={0: 50, 1: 9}, others={0: 40, 1: 30, 2: 20})
    migration.activate(ZERO)
    migration.activate(ONE)
    assert migration.next_event(ZERO) == 50, "CPU 1 is there for those that are not pinned"
    assert migration.next_event(ONE) == 9
    assert migration.next_event(ONE) == 9, "asked again, it still wakes for all"
    assert migration.next_event(ZERO) == 40, "nobody is active: for what it has set itself"
    assert who_expires(migration) == {1: [2, 0]}


def test_who_wakes_for_all_wakes_for_the_first_of_them() -> None:
    migration = hierarchy(pinned={1: 90}, others={0: 40, 2: 20})
    migration.activate(ONE)
    assert migration.next_event(ONE) == 20
    assert migration.next_event(ONE) == 20
    migration.activate(ZERO)
    assert migration.next_event(ONE) == 90, "somebody else is active now"
    assert migration.next_event(ZERO) == 20


@pytest.mark.parametrize(("others", "active", "left"), [({}, 0, False), ({2: 7}, 0, True), ({}, 1, True)])
def test_whether_it_matters_that_anybody_wakes(others: dict[int, int], active: int, left: bool) -> None:
    migration = hierarchy(others=others)
    if active:
        migration.activate(ONE)
    assert migration.something_is_left() is left


def test_without_any_timer_nobody_wakes() -> None:
    migration = hierarchy()
    migration.activate(ZERO)
    assert migration.next_event(ZERO) is None
    assert hierarchy(pinned={0: 4}).next_event(ZERO) == 4
