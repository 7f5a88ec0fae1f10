"""An idle CPU of PREEMPT_RT whose softirqs nobody can serve (rcuactors/kernel/irq/idle_softirqs.py)."""

from __future__ import annotations

import contextlib

import pytest

from rcuactors import Kernel, RunOptions, run, scenario
from rcuactors.engine.events import Event, ListSink
from rcuactors.errors import StepBoundExceeded

RT = {"PREEMPT_RT": "y", "nr_cpus": "2", "PROVE_LOCKING": "n"}
MS = 1_000_000


def after_a_leak(version: str, settings: dict[str, str] | None = None) -> tuple[list[Event], list[int]]:
    """A thread of CPU 1 keeps softirq_ctrl.lock, and sleeps. Events, and when another sleeper of CPU 1 went on."""
    sink, woken = ListSink(), list[int]()

    @scenario()
    async def script(k: Kernel) -> None:
        async def leaks() -> None:
            await k.local_bh_disable()
            k.preempt_disable()
            await k.local_bh_enable()
            await k.preempt_enable()
            await k.wait_for_completion(never)

        async def sleeps() -> None:
            await k.udelay(9000)
            await k.msleep(100)
            woken.append(k.now)

        never = k.completion("never")
        await k.kthread_run(leaks, cpu=1)
        await k.kthread_run(sleeps, cpu=1)
        await k.udelay(70_000)
        await k.msleep(150)

    options = RunOptions(sinks=(sink,), kernel=version, settings={**RT, **(settings or {})}, max_steps=20_000)
    # A CPU that cannot expire a timer that is due has its tick for ever.
    with contextlib.suppress(StepBoundExceeded):
        run(script, options)
    return sink.events, woken


@pytest.mark.parametrize("version", ["v6.1-stable", "v6.12"])
def test_it_keeps_its_tick_ten_times_and_says_so(version: str) -> None:
    """As recorded of f5 v=rcu op=leakpre: ten lines, of SCHED_SOFTIRQ alone."""
    events, _ = after_a_leak(version)
    said = [event for event in events if "NOHZ tick-stop error" in event.text]
    assert {(event.cpu, event.text.rpartition(", ")[2]) for event in said} == {(1, "handler #80!!!")}
    assert len(said) == 10
    assert said[-1].time_ns - said[0].time_ns < 100 * MS


def test_ksoftirqd_is_not_woken_from_its_wait_for_the_lock() -> None:
    """Its state there is TASK_RTLOCK_WAIT, which wake_up_process() passes over."""
    events, _ = after_a_leak("v6.12")
    times = [
        event.time_ns for event in events if event.name == "sched_switch" and "next_comm=ksoftirqd/1" in event.text
    ]
    assert len(times) <= 2


def test_another_cpu_expires_its_timers_then() -> None:
    """7ee988770326; before that a sleeper of the CPU never wakes."""
    assert after_a_leak("v6.1-stable")[1] == []
    assert after_a_leak("v6.12")[1] == []
    [woken] = after_a_leak("v6.12", {"timer_migration": "y"})[1]
    assert 109 * MS <= woken <= 125 * MS


def test_nothing_is_said_of_what_waits_for_a_lock_that_somebody_has() -> None:
    """local_bh_blocked(): the handler of a softirq sleeps, and with it what was raised meanwhile."""
    sink = ListSink()

    @scenario()
    async def script(k: Kernel) -> None:
        async def tasklet() -> None:
            await k.spin_lock(lock)
            await k.spin_unlock(lock)

        async def holds() -> None:
            await k.spin_lock(lock)
            await k.udelay(30_000)
            await k.spin_unlock(lock)

        async def schedules() -> None:
            await k.tasklet_schedule(tasklet)

        lock = k.spinlock("lock")
        await k.kthread_run(holds, cpu=0)
        await k.kthread_run(schedules, cpu=1)
        await k.msleep(100)

    run(script, RunOptions(sinks=(sink,), kernel="v6.12", settings=RT))
    assert not [event for event in sink.events if "NOHZ" in event.text]
