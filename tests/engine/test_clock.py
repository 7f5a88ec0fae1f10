"""engine/clock.py: Trio's own waits in virtual time, with and without a machine."""

from __future__ import annotations

import math
import time
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from rcuactors import Kernel, VirtualClock
from rcuactors.testing import RcuLab


def test_sleeping_takes_no_real_time() -> None:
    clock = VirtualClock()
    began = time.monotonic()
    trio.run(trio.sleep, 3600, clock=clock)
    assert clock.current_time() == 3600
    assert time.monotonic() - began < 5


def test_a_clock_never_goes_back() -> None:
    clock = VirtualClock()
    clock.advance(5)
    clock.advance(3)
    assert clock.current_time() == 5
    clock.deadline_to_sleep_time(4)
    assert clock.current_time() == 5


def test_nothing_to_wait_for_is_a_stall() -> None:
    clock = VirtualClock()
    assert clock.deadline_to_sleep_time(math.inf) == math.inf
    stalls: list[bool] = []

    async def main() -> None:
        await clock.attach(lambda: stalls.append(True), lambda: 0.0, lambda: False)
        assert clock.deadline_to_sleep_time(math.inf) == 0
        clock.detach()

    trio.run(main)
    assert stalls == [True]


# -- in a machine -----------------------------------------------------------------------------------------------


def sleeps(rcu_lab: RcuLab, *seconds: float, busy_us: int = 0) -> list[int]:
    """For each sleep the nanoseconds from its call to its return, less the switch back to the thread."""
    measured: list[int] = []

    async def sleeper(k: Kernel) -> None:
        for duration in seconds:
            await k.udelay(busy_us)
            began = k.now
            await trio.sleep(duration)
            measured.append(k.now - began)

    run = rcu_lab.prepare(sleeper)
    run.run()
    switch = run.machine.system.costs.context_switch_ns
    return [nanoseconds - switch for nanoseconds in measured]


def test_a_sleep_in_a_scenario_lasts_as_long_to_the_nanosecond(rcu_lab: RcuLab) -> None:
    assert sleeps(rcu_lab, 1, 0.1, 0.2, 1e-3, 1 / 3) == [
        1_000_000_000,
        100_000_000,
        200_000_000,
        1_000_000,
        333_333_333,
    ]


@given(st.lists(st.integers(20_000, 10**10), min_size=1, max_size=5), st.integers(0, 3000))
def test_any_sleep_lasts_as_long(nanoseconds: list[int], busy_us: int) -> None:
    assert sleeps(RcuLab(), *(one / 1e9 for one in nanoseconds), busy_us=busy_us) == nanoseconds


def test_a_sleep_begins_when_it_is_called(rcu_lab: RcuLab) -> None:
    """The CPU may be ahead of the point at which the conductor was asked last."""
    assert sleeps(rcu_lab, 1, busy_us=100) == [1_000_000_000]


def test_trios_time_is_the_cpus(rcu_lab: RcuLab) -> None:
    seen: list[tuple[float, int]] = []

    async def asks(k: Kernel) -> None:
        for _ in range(3):
            await k.udelay(321)
            seen.append((trio.current_time(), k.now))

    rcu_lab.run(asks)
    assert [round(seconds * 1e9) for seconds, _ in seen] == [now for _, now in seen]
    assert len({now for _, now in seen}) == 3


async def test_the_clock_stands_where_the_run_ended(rcu_run: Any, virtual_clock: VirtualClock) -> None:
    async def busy(k: Kernel) -> None:
        await k.udelay(5000)

    await trio.sleep(2)
    result = await rcu_run(busy)
    assert result.end_ns >= 5_000_000
    assert virtual_clock.current_time() == pytest.approx(2 + result.end_ns / 1e9, abs=1e-9)


async def test_a_machine_cannot_run_inside_of_another_on_the_same_clock(
    rcu_run: Any, virtual_clock: VirtualClock
) -> None:
    async def second(k: Kernel) -> None:
        with pytest.raises(RuntimeError, match="would run inside of it"):
            await rcu_run(first)

    async def first(k: Kernel) -> None:
        await second(k)

    assert (await rcu_run(first)).clean
    assert (await rcu_run(sleeper)).clean


async def sleeper(k: Kernel) -> None:
    await trio.sleep(1)
