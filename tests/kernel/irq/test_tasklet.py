"""Tasklets: scheduled twice before it runs, one runs once (TASKLET_STATE_SCHED; A10)."""

from __future__ import annotations

import pytest

from rcuactors import Kernel, RunOptions, run, scenario


@pytest.mark.parametrize("rt", ["n", "y"])
def test_scheduled_twice_it_runs_once_and_again_when_it_has_begun(rt: str) -> None:
    ran: list[str] = []

    async def script(k: Kernel) -> None:
        async def tasklet() -> None:
            ran.append("one")
            if len(ran) == 1:
                await k.tasklet_schedule(tasklet)

        async def other() -> None:
            ran.append("other")

        async def handler() -> None:
            await k.tasklet_schedule(tasklet)
            await k.tasklet_schedule(tasklet)
            await k.tasklet_schedule(other)

        await k.raise_irq(handler)
        await k.msleep(50)

    assert run(scenario()(script), RunOptions(kernel="v6.1-stable"), PREEMPT_RT=rt).clean
    assert sorted(ran) == ["one", "one", "other"]
