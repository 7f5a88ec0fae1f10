"""Works that are disabled (rcuactors/kernel/workqueue/cancel.py; commits 86898fa6b8cd and f09b10b6f442 of v6.10)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from rcuactors import Kernel, Result, RunOptions, run, scenario
from rcuactors.errors import BadInput

HAVE = ["v6.12.0", "v6.12", "v6.18", "v7.3"]
HAVE_NOT = ["v5.9", "v6.1-stable", "v6.6"]


def result(script: Callable[[Kernel], Awaitable[None]], kernel: str = "v6.12", **settings: Any) -> Result:
    return run(scenario()(script), RunOptions(kernel=kernel), **settings)


@pytest.mark.parametrize("kernel", HAVE)
def test_it_is_queued_again_when_everybody_who_has_disabled_it_has_enabled_it(kernel: str) -> None:
    ran: list[int] = []

    async def script(k: Kernel) -> None:
        async def w_work() -> None:
            ran.append(k.now)

        work = k.work(w_work)
        assert not await k.disable_work(work)
        assert not await k.disable_work_sync(work)
        assert not await k.schedule_work(work)
        assert not await k.enable_work(work)
        assert not await k.schedule_work(work)
        assert await k.enable_and_queue_work(k.system_wq, work)
        assert await k.flush_work(work)
        assert len(ran) == 1

    assert result(script, kernel).clean


def test_disabling_takes_back_what_is_pending_and_waits_for_what_runs() -> None:
    async def script(k: Kernel) -> None:
        ran: list[str] = []

        async def w_long() -> None:
            ran.append("begins")
            await k.msleep(20)
            ran.append("ends")

        dwork, work = k.delayed_work(w_long), k.work(w_long)
        await k.schedule_delayed_work(dwork, 10)
        assert await k.disable_delayed_work_sync(dwork)
        assert not await k.schedule_delayed_work(dwork, 1)
        assert not await k.mod_delayed_work(k.system_wq, dwork, 1)
        await k.msleep(60)
        assert not ran
        assert await k.enable_delayed_work(dwork)
        await k.schedule_work(work)
        await k.msleep(5)
        assert not await k.disable_work_sync(work)
        assert ran == ["begins", "ends"]

    assert result(script).clean


@pytest.mark.parametrize("kernel", ["v6.6", "v6.12"])
def test_while_it_is_cancelled_nobody_queues_it(kernel: str) -> None:
    async def script(k: Kernel) -> None:
        queued: list[bool] = []
        works: list[Any] = []

        async def w_again() -> None:
            await k.msleep(20)
            queued.append(await k.schedule_work(works[0]))

        works.append(k.work(w_again))
        await k.schedule_work(works[0])
        await k.msleep(5)
        await k.cancel_work_sync(works[0])
        assert queued == [False]
        assert await k.schedule_work(works[0])
        await k.cancel_work_sync(works[0])

    assert result(script, kernel).clean


def test_two_who_cancel_do_not_wait_for_each_other() -> None:
    """Before, the second one waited in cancel_waitq; now both flush, and the count is 0 when the last has ended."""

    async def script(k: Kernel) -> None:
        async def w_long() -> None:
            await k.msleep(20)

        work = k.work(w_long)
        await k.schedule_work(work)
        await k.msleep(5)
        other = await k.kthread_run(k.cancel_work_sync, work, name="other")
        await k.cancel_work_sync(work)
        await k.kthread_join(other)
        assert await k.schedule_work(work)
        await k.flush_work(work)

    assert result(script).clean


def test_enabling_once_too_often_and_a_disabled_rcu_work_are_told() -> None:
    async def script(k: Kernel) -> None:
        async def w_work() -> None:
            pass

        work, rwork = k.work(w_work), k.rcu_work(w_work)
        await k.enable_work(work)
        await k.disable_work(rwork.work)
        assert not await k.queue_rcu_work(k.system_wq, rwork)

    titles = [violation.title for violation in result(script).violations]
    assert titles[0] == "WARNING: workqueue: work disable count underflowed"
    assert "queue_rcu_work" in titles[1]


def test_more_than_the_count_can_hold_is_told_and_not_counted() -> None:
    """work_offqd_disable(): WORK_OFFQ_DISABLE_MASK has 16 bits."""

    async def script(k: Kernel) -> None:
        async def w_work() -> None:
            pass

        work = k.work(w_work)
        work.disabled = (1 << 16) - 2
        await k.disable_work(work)
        assert work.disabled == (1 << 16) - 1
        await k.disable_work(work)
        await k.disable_work(work)
        assert work.disabled == (1 << 16) - 1
        await k.enable_work(work)
        assert work.disabled == (1 << 16) - 2
        assert not await k.schedule_work(work)

    titles = [violation.title for violation in result(script).violations]
    assert titles == ["WARNING: workqueue: work disable count overflowed"]


@pytest.mark.parametrize("kernel", HAVE_NOT)
@pytest.mark.parametrize(
    "call",
    [
        lambda k, dwork: k.disable_work(dwork.work),
        lambda k, dwork: k.enable_work(dwork.work),
        lambda k, dwork: k.disable_delayed_work_sync(dwork),
    ],
)
def test_a_version_without_it_says_so_in_one_line(kernel: str, call: Any) -> None:
    async def script(k: Kernel) -> None:
        async def w_work() -> None:
            pass

        with pytest.raises(BadInput, match=r"^\w+\(\): \S+ has no such function; it came with v6\.10$"):
            await call(k, k.delayed_work(w_work))

    assert result(script, kernel).clean
