"""Tasklets as things: disabled, killed, put off (kernel/irq/tasklet.py)."""

from __future__ import annotations

import re
from typing import Any

import pytest

from rcuactors import Kernel, run, scenario
from rcuactors.errors import BadInput


@pytest.mark.parametrize("rt", [False, True])
def test_a_tasklet_runs_once_for_all_that_schedule_it_meanwhile(rt: bool) -> None:
    seen: list[bool] = []

    @scenario()
    async def script(k: Kernel) -> None:
        async def poll(p: Any) -> None:
            p.polls += 1
            seen.append(k.in_serving_softirq())

        p = await k.kmalloc(k.struct("device", polls=0, tasklet=k.tasklet_struct(poll)))
        await k.local_bh_disable()
        for _ in range(3):
            await k.tasklet_schedule(p.tasklet)
        await k.local_bh_enable()
        await k.msleep(10)
        assert p.polls == 1
        await k.tasklet_schedule(p.tasklet)
        await k.tasklet_kill(p.tasklet)
        assert p.polls == 2
        await k.kfree(p)

    assert run(script, PREEMPT_RT=rt, DEBUG_ATOMIC_SLEEP=True).clean
    assert seen == [True, True]


def test_a_disabled_one_is_put_off_until_it_is_enabled() -> None:
    times: list[int] = []

    @scenario()
    async def script(k: Kernel) -> None:
        async def note() -> None:
            times.append(k.now)

        t = k.tasklet_setup(note)
        await k.tasklet_disable(t)
        k.tasklet_disable_nosync(t)
        await k.tasklet_schedule(t)
        await k.msleep(1)
        assert not times
        k.tasklet_enable(t)
        await k.msleep(1)
        assert not times
        enabled_at = k.now
        k.tasklet_enable(t)
        await k.tasklet_kill(t)
        assert times[0] >= enabled_at

    assert run(script).clean


@pytest.mark.parametrize("how", ["kill", "disable"])
def test_who_kills_or_disables_it_waits_for_it_to_return(how: str) -> None:
    order: list[str] = []

    @scenario()
    async def script(k: Kernel) -> None:
        async def slow() -> None:
            order.append("begins")
            await k.udelay(300)
            order.append("ends")

        t = k.tasklet_setup(slow)

        async def device() -> None:
            await k.tasklet_schedule(t)

        async with k.open_nursery() as nursery:
            await nursery.start_soon(device, cpu=1)
            await k.udelay(100)
            assert order == ["begins"]
            await (k.tasklet_kill(t) if how == "kill" else k.tasklet_disable(t))
            order.append(how)

    assert run(script).clean
    assert order == ["begins", "ends", how]


def test_a_tasklet_runs_on_one_cpu_at_a_time() -> None:
    running: list[int] = []
    most = 0

    @scenario()
    async def script(k: Kernel) -> None:
        async def slow() -> None:
            nonlocal most
            running.append(1)
            most = max(most, len(running))
            await k.udelay(100)
            running.pop()

        t = k.tasklet_setup(slow)

        async def device() -> None:
            await k.tasklet_schedule(t)

        async with k.open_nursery() as nursery:
            await nursery.start_soon(device, cpu=1)
            await k.udelay(50)
            await k.tasklet_schedule(t)
        await k.tasklet_kill(t)

    assert run(script).clean
    assert most == 1


def test_an_object_that_goes_with_its_tasklet_scheduled_is_used_when_that_runs() -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        async def poll(p: Any) -> None:
            pass

        p = await k.kmalloc(k.struct("device", polls=0, tasklet=k.tasklet_struct(poll)))
        await k.local_bh_disable()
        await k.tasklet_schedule(p.tasklet)
        await k.kfree(p)
        await k.local_bh_enable()

    result = run(script)
    assert result.outcome() == "use-after-free"
    assert "use of poll in struct device" in result.violations[0].title


def test_to_kill_one_in_atomic_context_is_told() -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        async def nothing() -> None:
            pass

        t = k.tasklet_setup(nothing)
        k.preempt_disable()
        await k.tasklet_kill(t)
        await k.preempt_enable()

    assert run(script, DEBUG_ATOMIC_SLEEP=True).outcome() == "sleeping-function"


def test_what_is_not_disabled_cannot_be_enabled() -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        async def nothing() -> None:
            pass

        k.tasklet_enable(k.tasklet_setup(nothing))

    with pytest.raises(BadInput, match=re.escape("tasklet_enable(nothing): it is not disabled")):
        run(script)
