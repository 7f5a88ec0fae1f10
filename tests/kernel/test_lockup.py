"""The lockup detectors (rcuactors/kernel/lockup.py; kernel/watchdog.c)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from rcuactors import Kernel, Result, RunOptions, run, scenario


def result(script: Callable[[Kernel], Awaitable[None]], kernel: str = "v6.1-stable", **settings: Any) -> Result:
    options = RunOptions(kernel=kernel, max_steps=200_000_000)
    detectors = {"SOFTLOCKUP_DETECTOR": "y", "HARDLOCKUP_DETECTOR": "y", "rcu_cpu_stall_timeout": "300"}
    return run(scenario()(script), options, **(detectors | settings))


def busy(seconds: int, how: str) -> Callable[[Kernel], Awaitable[None]]:
    """So long with preemption or interrupts off, in pieces of a millisecond or at once, or with neither off."""

    async def script(k: Kernel) -> None:
        off = k.preempt_disable if how.startswith("preempt") else k.local_irq_disable
        on = k.preempt_enable if how.startswith("preempt") else k.local_irq_enable
        await k.msleep(1000)
        if how != "preemptible":
            off()
        for _ in range(seconds * 10 if "pieces" in how else 1):
            await k.udelay(100_000 if "pieces" in how else seconds * 1_000_000)
            if how == "preempt in pieces, on between":
                await on()
                off()
        if how != "preemptible":
            await on()

    return script


@pytest.mark.parametrize("how", ["preempt", "preempt in pieces"])
def test_a_cpu_that_cannot_switch_for_20_s_is_a_soft_lockup(how: str) -> None:
    """At a look of the hrtimer, every four seconds; a second is 2^30 ns there."""
    found = result(busy(26, how))
    assert [violation.title for violation in found.violations] == [
        "watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [script:20]"
    ]
    assert 24e9 <= found.violations[0].time_ns <= 24.1e9
    assert result(busy(19, how)).clean


@pytest.mark.parametrize(("kernel", "count"), [("v5.9", 1), ("v5.11", 1), ("v6.1-stable", 3)])
def test_later_kernels_say_it_again(kernel: str, count: int) -> None:
    assert [violation.kind.value for violation in result(busy(75, "preempt"), kernel).violations] == [
        "soft-lockup"
    ] * count


@pytest.mark.parametrize("how", ["preemptible", "preempt in pieces, on between"])
def test_who_lets_others_run_is_none(how: str) -> None:
    assert result(busy(40, how)).clean


@pytest.mark.parametrize("how", ["irqs", "irqs in pieces"])
def test_a_cpu_without_interrupts_for_10_s_is_a_hard_lockup(how: str) -> None:
    """At the first NMI since whose predecessor no look of the hrtimer has come; here the last one was at 0 s. Once."""
    found = result(busy(19, how))
    assert [violation.title for violation in found.violations] == [
        "NMI watchdog: Watchdog detected hard LOCKUP on cpu 0"
    ]
    assert found.violations[0].time_ns // 1_000_000_000 == 10
    assert result(busy(8, how)).clean


def test_each_detector_can_be_switched_off() -> None:
    assert result(busy(26, "preempt"), SOFTLOCKUP_DETECTOR="n").clean
    assert result(busy(19, "irqs"), HARDLOCKUP_DETECTOR="n").clean


@pytest.mark.one_in(3)
@pytest.mark.parametrize("kernel", ["v5.9", "v5.11", "v6.1-stable"])
@pytest.mark.parametrize("irqs_off", [False, True])
@pytest.mark.parametrize("others", [False, True])
def test_a_spinner_that_keeps_the_holder_off_the_cpu(kernel: str, irqs_off: bool, others: bool) -> None:
    """The holder sleeps under a raw lock, as v5.9's direct design does on PREEMPT_RT; who wants it spins there."""

    async def script(k: Kernel) -> None:
        lock = k.raw_spinlock("lock")

        async def sleeper() -> None:
            await k.raw_spin_lock(lock)
            await k.msleep(50)
            await k.raw_spin_unlock(lock)

        async def spinner() -> None:
            if irqs_off:
                k.local_irq_disable()
            await k.raw_spin_lock(lock)

        async def elsewhere() -> None:
            for _ in range(400):
                await k.msleep(100)

        async with k.open_nursery() as nursery:
            await nursery.start_soon(sleeper, cpu=0)
            if others:
                await nursery.start_soon(elsewhere, cpu=1)
            await k.msleep(5)
            await nursery.start_soon(spinner, cpu=0)

    found = result(script, kernel, PREEMPT_RT="y", nr_cpus="2", HZ="100")
    kind = "hard-lockup" if irqs_off else "soft-lockup"
    assert found.outcome() == f"scheduling-while-atomic, {kind}, deadlock"
    assert [violation.by for violation in found.violations[:2]] == ["kernel", "kernel"]
    assert found.violations[-1].by == "oracle"


def test_a_holder_that_runs_for_ever_locks_up_two_cpus() -> None:
    """Nobody arms an NMI for who waits for a holder that runs: the others' watchdogs look."""

    async def script(k: Kernel) -> None:
        lock = k.raw_spinlock("lock")

        async def spinner() -> None:
            k.local_irq_disable()
            await k.raw_spin_lock(lock)
            await k.raw_spin_unlock(lock)
            await k.local_irq_enable()

        await k.kthread_run(spinner, cpu=1)
        await k.raw_spin_lock(lock)
        await k.udelay(24_500_000)
        await k.raw_spin_unlock(lock)
        await k.msleep(10)

    found = result(script, nr_cpus="2")
    assert {violation.title for violation in found.violations} >= {
        "NMI watchdog: Watchdog detected hard LOCKUP on cpu 1",
        "watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [script:20]",
    }
