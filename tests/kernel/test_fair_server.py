"""What a real-time thread leaves to the others (rcuactors/kernel/fair_server.py), and that its equals take no turns."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from rcuactors import Kernel, Result, RunOptions, run, scenario

SECOND_US = 1_000_000


def result(script: Callable[[Kernel], Awaitable[None]], kernel: str, **settings: Any) -> Result:
    return run(scenario()(script), RunOptions(kernel=kernel), nr_cpus=2, **settings)


def starved(seconds: int, work_us: int) -> tuple[list[int], Callable[[Kernel], Awaitable[None]]]:
    """Who is starved on CPU 1 for so long: the microseconds at which it had `work_us` of its CPU, each time."""
    at: list[int] = []

    async def script(k: Kernel) -> None:
        began = k.now

        async def hog() -> None:
            await k.udelay(seconds * SECOND_US)

        async def poor() -> None:
            while not at or k.now - began < (seconds - 1) * SECOND_US * 1000:
                await k.udelay(work_us)
                at.append((k.now - began) // 1000)

        tasks = [await k.kthread_run(hog, cpu=1, urgent=True), await k.kthread_run(poor, cpu=1)]
        for task in tasks:
            await k.kthread_join(task)

    return at, script


@pytest.mark.parametrize(
    ("kernel", "runtime", "expected"),
    [("v6.1-stable", 50_000_000, 3), ("v6.6", 50_000_000, 3), ("v6.12.0", 50_000_000, 0), ("v6.12", 0, 3)],
)
def test_who_is_starved_has_his_turn_within_a_second(kernel: str, runtime: int, expected: int) -> None:
    """Commits 557a6bfc662c and a110a81c52a9. Recorded of f8 v=pre: a reader goes on after 0.96 s, or with the hog."""
    at, script = starved(3, 1_000)
    result(script, kernel, fair_server_runtime=runtime)
    assert at[0] // SECOND_US == expected
    if not expected:
        assert 950_000 <= at[0] < 970_000


def test_he_has_50_ms_of_each_second() -> None:
    at, script = starved(5, 1_000)
    result(script, "v6.12")
    turns = [sum(second * SECOND_US <= us < (second + 1) * SECOND_US for us in at) for second in range(4)]
    assert all(40 <= turn <= 60 for turn in turns), turns


@pytest.mark.parametrize("kernel", ["v5.11", "v6.12"])
def test_real_time_threads_take_no_turns(kernel: str) -> None:
    order: list[str] = []

    async def script(k: Kernel) -> None:
        async def first() -> None:
            await k.udelay(50_000)
            order.append("first")

        async def second() -> None:
            order.append("second")

        tasks = [await k.kthread_run(body, cpu=1, urgent=True) for body in (first, second)]
        for task in tasks:
            await k.kthread_join(task)

    result(script, kernel)
    assert order == ["first", "second"]
