"""Cancellation from outside: it comes through as itself, at once, also while the machine is busy."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest
import trio

from rcuactors import Kernel, Run, RunOptions, StepBoundExceeded, VirtualClock, run, scenario
from rcuactors.explore import make_strategy
from rcuactors.kernel.costs import CostModel
from rcuactors.testing import AsyncRun, RcuLab

SOON = 20
"""Real seconds after which a test that ought to be over in no time has hung."""


@scenario(settings={"nr_cpus": "3"})
async def endless(k: Kernel, cpus: int = 3) -> None:
    """Busy on each CPU, for ever, with one free too many at the start."""
    p = await k.kmalloc(64)
    await k.kfree(p)
    await k.kfree(p)

    async def busy() -> None:
        for _ in itertools.count():
            await k.udelay(50)
            await k.kvfree_rcu(await k.kmalloc(64), "rcu")

    async with k.open_nursery() as nursery:
        for cpu in range(cpus):
            await nursery.start_soon(busy, cpu=cpu)


@scenario()
async def spins(k: Kernel) -> None:
    """Alone, with interrupts off: nobody else is ever elected."""
    k.local_irq_save()
    while True:
        await k.udelay(100)


@scenario(settings={"nr_cpus": "2"})
async def half_outside(k: Kernel) -> None:
    """One thread is busy for ever, the other sleeps in Trio again and again."""

    async def busy() -> None:
        while True:
            await k.udelay(50)

    async with k.open_nursery() as nursery:
        await nursery.start_soon(busy, cpu=1)
        for _ in itertools.count():
            await trio.sleep(0.003)


@scenario()
async def all_outside(k: Kernel) -> None:
    """Nothing to do for the machine."""
    await trio.sleep_forever()


@scenario()
async def locks(k: Kernel) -> None:
    """The same, without a single microsecond that the engine is told of."""
    lock = k.raw_spinlock("lock")
    k.local_irq_save()
    while True:
        await k.raw_spin_lock(lock)
        await k.raw_spin_unlock(lock)


SLOW_LOCKS = CostModel(lock_ns=2000)
SCENARIOS = [endless, half_outside, all_outside]
OPTIONS = [RunOptions(), RunOptions(seed=3)]


def hurry(begun: float) -> None:
    assert time.monotonic() - begun < SOON


@pytest.mark.parametrize("strategy", ["timed", "random"])
@pytest.mark.parametrize("chosen", SCENARIOS, ids=lambda chosen: chosen.name)
async def test_a_timeout_around_a_run(virtual_clock: VirtualClock, chosen: Any, strategy: str) -> None:
    begun = time.monotonic()
    made = Run(chosen, RunOptions(strategy=make_strategy(strategy)))
    with trio.move_on_after(0.1) as scope:
        await made.arun()
    hurry(begun)
    assert scope.cancelled_caught
    result = made.result()
    assert result.cut_short
    assert result.as_json()["cut_short"] is True
    assert result.outcome() == ("double-free" if chosen is endless else "clean")
    assert 100_000_000 <= result.end_ns < 100_200_000 or chosen is all_outside
    assert virtual_clock.current_time() == pytest.approx(0.1, abs=2e-4)


async def test_nothing_of_the_machine_goes_on(virtual_clock: VirtualClock, rcu_lab: RcuLab) -> None:
    made = rcu_lab.prepare(endless)
    with trio.move_on_after(0.05):
        await made.arun()
    first = made.result()
    await trio.sleep(5)
    await trio.testing.wait_all_tasks_blocked()
    assert made.result() == first
    assert made.machine.conductor.over


async def test_fail_after_raises_what_trio_raises(virtual_clock: VirtualClock, rcu_run: AsyncRun) -> None:
    with pytest.raises(trio.TooSlowError):
        with trio.fail_after(0.05):
            await rcu_run(endless)


async def test_cancelled_is_no_group(virtual_clock: VirtualClock, rcu_run: AsyncRun) -> None:
    seen: list[BaseException] = []
    with trio.move_on_after(0.05):
        try:
            await rcu_run(endless)
        except BaseException as error:
            seen.append(error)
            raise
    assert [type(error) for error in seen] == [trio.Cancelled]


async def test_the_deadline_of_another_task_ends_the_run(virtual_clock: VirtualClock, rcu_lab: RcuLab) -> None:
    """A cancelled nursery ends, also when who cancels it sleeps beside the machine, and began to after it."""
    made = rcu_lab.prepare(endless)
    begun = time.monotonic()
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def cancels() -> None:
            for _ in range(5):
                await trio.sleep(0.01)
            nursery.cancel_scope.cancel()

        await made.arun()
    hurry(begun)
    result = made.result()
    assert result.cut_short
    assert result.end_ns == pytest.approx(50_000_000, abs=200_000)


async def test_a_deadline_that_is_set_while_the_machine_runs(virtual_clock: VirtualClock) -> None:
    begun, told = time.monotonic(), trio.Event()

    async def tells(k: Kernel) -> None:
        await k.udelay(30_000)
        told.set()
        while True:
            await k.udelay(50)

    made = Run(scenario()(tells), RunOptions())
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def cancels() -> None:
            await told.wait()
            assert trio.current_time() == pytest.approx(0.03, abs=0.015)
            await trio.sleep(0.02)
            nursery.cancel_scope.cancel()

        await made.arun()
    hurry(begun)
    assert made.result().end_ns == pytest.approx(50_000_000, abs=15_000_000)


async def test_bystanders_sleep_beside_a_busy_machine(virtual_clock: VirtualClock, rcu_lab: RcuLab) -> None:
    woken: list[float] = []

    async def busy(k: Kernel) -> None:
        for _ in range(100):
            await k.udelay(1000)

    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def bystander() -> None:
            for _ in range(5):
                await trio.sleep(0.01)
                woken.append(trio.current_time())

        result = await rcu_lab.prepare(busy).arun()
        assert len(woken) == 5
    assert woken == pytest.approx([0.01, 0.02, 0.03, 0.04, 0.05], abs=1e-6)
    assert not result.cut_short


@scenario(settings={"nr_cpus": "3"})
async def frees(k: Kernel) -> None:
    async def one() -> None:
        for _ in range(40):
            await k.kvfree_rcu(await k.kmalloc(64), "rcu")
            await k.udelay(300)
            await trio.sleep(0.0001)

    async with k.open_nursery() as nursery:
        for cpu in range(3):
            await nursery.start_soon(one, cpu=cpu)


@pytest.mark.parametrize("strategy", ["timed", "random"])
async def test_deadlines_around_a_run_do_not_change_it(virtual_clock: VirtualClock, strategy: str) -> None:
    def options() -> RunOptions:
        return RunOptions(strategy=make_strategy(strategy), seed=5)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep, 0.0071)
        nursery.start_soon(trio.sleep, 0.02)
        with trio.fail_after(3600):
            beside = await Run(frees, options()).arun()
    return_of_its_own = await trio.to_thread.run_sync(run, frees, options())
    assert beside == return_of_its_own


def test_what_was_found_until_then_is_the_same_every_time() -> None:
    async def cut() -> Any:
        made = Run(endless, RunOptions())
        with trio.move_on_after(0.0123):
            await made.arun()
        return made.result()

    results = [trio.run(cut, clock=VirtualClock()) for _ in range(10)]
    assert all(result == results[0] for result in results)
    assert results[0].digest


@pytest.mark.parametrize("strategy", ["timed", "random"])
@pytest.mark.parametrize("chosen", [*SCENARIOS, spins, locks], ids=lambda chosen: chosen.name)
def test_a_timeout_in_real_time(chosen: Any, strategy: str) -> None:
    begun = time.monotonic()
    made = Run(chosen, RunOptions(strategy=make_strategy(strategy), max_steps=10**9, costs=SLOW_LOCKS))

    async def main() -> bool:
        with trio.move_on_after(0.3) as scope:
            await made.arun()
        return scope.cancelled_caught

    assert trio.run(main)
    hurry(begun)
    assert made.result().cut_short


async def test_alone_with_interrupts_off(virtual_clock: VirtualClock) -> None:
    made = Run(spins, RunOptions())
    with trio.move_on_after(0.1) as scope:
        await made.arun()
    assert scope.cancelled_caught
    assert made.result().end_ns == pytest.approx(100_000_000, abs=200_000)


def test_alone_without_a_word_the_step_bound_ends_it() -> None:
    """Once a bug here: nobody asked whom the bound concerned."""
    with pytest.raises(StepBoundExceeded):
        run(locks, RunOptions(max_steps=50_000, costs=SLOW_LOCKS))


async def test_a_run_that_ends_in_time_is_whole(virtual_clock: VirtualClock, rcu_run: AsyncRun) -> None:
    async def short(k: Kernel) -> None:
        await k.udelay(10)

    with trio.fail_after(60):
        result = await rcu_run(short)
    assert not result.cut_short
    assert result.as_json()["cut_short"] is False


@pytest.mark.parametrize("already", [True, False])
async def test_cancelled_before_it_begins(virtual_clock: VirtualClock, already: bool) -> None:
    made = Run(endless, RunOptions())
    with trio.CancelScope(deadline=trio.current_time() if not already else 1e9) as scope:
        if already:
            scope.cancel()
        await made.arun()
    assert scope.cancelled_caught
    assert made.result().cut_short


async def test_a_strategy_hears_that_the_run_was_cut_short(virtual_clock: VirtualClock) -> None:
    from rcuactors.engine.choice import Outcome, Strategy

    heard: list[Outcome] = []

    class Hears(Strategy):
        def end_run(self, outcome: Outcome) -> None:
            heard.append(outcome)

    with trio.move_on_after(0.01):
        await Run(endless, RunOptions(strategy=Hears())).arun()
    assert [(outcome.cut_short, outcome.verdict) for outcome in heard] == [(True, "double-free")]
