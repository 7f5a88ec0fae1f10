"""Works that do not end: hung tasks and lockups (rcuactors/kernel/hung_task.py, workqueue/watchdog.py; A4c)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from rcuactors import Kernel, RunOptions, run, scenario

FIVE = {"hung_task_timeout_secs": "5", "watchdog_thresh": "5"}


def report(script: Callable[[Kernel], Awaitable[None]], **settings: str) -> Any:
    return run(scenario()(script), RunOptions(kernel="v6.1-stable", max_steps=60_000_000), **(FIVE | settings))  # type: ignore[arg-type]


def waits_for(seconds: int, how: str) -> Callable[[Kernel], Awaitable[None]]:
    async def script(k: Kernel) -> None:
        never, ran = k.completion("q_never"), list[int]()

        async def w_never() -> None:
            if how == "spin":
                await k.udelay(14_000_000)
            elif how == "inter":
                await k.wait_for_completion_interruptible(never)
            else:
                await k.wait_for_completion(never)

        async def w_count() -> None:
            ran.append(k.now)

        await k.queue_work_on(1, k.system_wq, k.work(w_never))
        await k.msleep(20)
        await k.queue_work_on(1, k.system_wq, k.work(w_count))
        for _ in range(seconds * 2):
            await k.msleep_interruptible(500)
        assert ran

    return script


def test_an_uninterruptible_wait_is_told_again_and_again() -> None:
    found = report(waits_for(20, "never"))
    assert found.outcome() == "hung-task"
    hung = [violation for violation in found.violations if "blocked for more than" in violation.title]
    # The last one when nothing moves any more.
    assert [violation.title.split()[-2] for violation in hung][:2] == ["5", "10"]
    first = hung[0]
    assert 5e9 <= first.time_ns <= 11e9
    assert first.text.splitlines()[4].startswith("Workqueue: events w_never")
    assert "wait_for_completion" in first.text
    assert "Showing all locks held in the system:" in first.text
    assert "((work_completion)(&w_never))" in first.text
    assert "test_watchdogs.py" in first.line


def test_a_thread_that_waits_is_told_at_the_second_look_though_ticks_are_late() -> None:
    """An idle CPU has no tick: who wakes it comes when he comes, and khungtaskd's times are what they are."""

    async def script(k: Kernel) -> None:
        done = k.completion("done")

        async def wait() -> None:
            await k.wait_for_completion(done)

        task = await k.kthread_run(wait, name="waiter")
        for turn in range(15):
            await k.msleep_interruptible(1000 - 13 * turn)
        await k.complete(done)
        await k.kthread_join(task)

    times = [violation.time_ns for violation in report(script).violations]
    assert [time // 5_000_000_000 for time in times] == [2]


def test_an_interruptible_wait_is_never_told() -> None:
    assert report(waits_for(20, "inter")).outcome() == "clean"


def test_it_is_silent_where_it_is_switched_off() -> None:
    assert report(waits_for(20, "never"), hung_task_timeout_secs="0").outcome() == "clean"
    assert report(waits_for(20, "never"), DETECT_HUNG_TASK="n").outcome() == "clean"


def test_a_work_that_spins_is_a_lockup_and_one_that_sleeps_is_not() -> None:
    found = report(waits_for(20, "spin"))
    assert found.outcome() == "workqueue-lockup"
    assert found.violations[0].title.startswith(
        "BUG: workqueue lockup - pool cpus=1 node=0 flags=0x0 nice=0 stuck for "
    )
    text = found.violations[0].text
    assert ":w_never" in text
    assert "    pending: w_count" in text


def test_nothing_is_told_of_a_spinning_work_that_nobody_waits_behind() -> None:
    async def script(k: Kernel) -> None:
        async def w_spin() -> None:
            await k.udelay(14_000_000)

        await k.schedule_work(k.work(w_spin))
        await k.msleep_interruptible(20_000)

    assert report(script).outcome() == "clean"


@pytest.mark.parametrize("settings", [{}, {"PROVE_LOCKING": "n"}])
def test_a_stuck_work_that_nobody_waits_for_is_not_clean(settings: dict[str, str]) -> None:
    """Two works in a deadlock of mutexes are one; one that waits for nothing in particular is a hung task."""

    async def script(k: Kernel) -> None:
        never = k.completion("never")

        async def w_never() -> None:
            await k.wait_for_completion(never)

        await k.schedule_work(k.work(w_never))
        await k.msleep(50)

    found = run(scenario()(script), RunOptions(kernel="v5.11"), **settings)  # type: ignore[arg-type]
    assert found.outcome() == "hung-task"
    assert "blocked for more than 120 seconds." in found.violations[0].title


@pytest.mark.parametrize(("seconds", "times"), [(9, 0), (12, 1), (32, 5)])
@pytest.mark.parametrize("what", ["completion", "mutex", "msleep"])
def test_it_is_told_on_a_machine_that_sleeps_meanwhile(what: str, seconds: int, times: int) -> None:
    """No tick comes on the way: khungtaskd has a timer of its own. Told between one and two timeouts after it began."""

    async def script(k: Kernel) -> None:
        never, lock = k.completion("never"), k.mutex("lock")

        async def waits() -> None:
            if what == "completion":
                await k.wait_for_completion(never)
            elif what == "mutex":
                await k.mutex_lock(lock)
                await k.mutex_unlock(lock)
            else:
                await k.msleep(1000 * seconds)

        await k.mutex_lock(lock)
        task = await k.kthread_run(waits, cpu=1)
        await k.msleep_interruptible(1000 * seconds)
        await k.mutex_unlock(lock)
        await k.complete(never)
        await k.kthread_join(task)

    found = report(script)
    assert found.outcome() == ("hung-task" if times else "clean")
    assert [each.title.split()[-2] for each in found.violations] == [str(5 * (number + 1)) for number in range(times)]
