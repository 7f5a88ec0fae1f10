"""mod_delayed_work(): a delay that begins anew (rcuactors/kernel/workqueue/cancel.py)."""

from __future__ import annotations

import pytest

from rcuactors import Kernel, run, scenario


@pytest.mark.parametrize(("new", "late"), [(1, False), (100, True)])
def test_the_timer_is_set_anew_and_the_work_runs_once(new: int, late: bool) -> None:
    ran: list[int] = []

    async def script(k: Kernel) -> None:
        async def fn() -> None:
            ran.append(k.now)

        dwork = k.delayed_work(fn)
        assert await k.queue_delayed_work(k.system_wq, dwork, 20)
        assert await k.mod_delayed_work(k.system_wq, dwork, new)
        await k.msleep(1000)

    assert run(scenario()(script)).clean
    assert len(ran) == 1
    assert (ran[0] > 20 * 4_000_000) is late


def test_one_that_is_not_pending_is_queued() -> None:
    ran: list[bool] = []

    async def script(k: Kernel) -> None:
        async def fn() -> None:
            ran.append(True)

        dwork = k.delayed_work(fn)
        for _ in range(2):
            assert not await k.mod_delayed_work(k.system_wq, dwork, 2)
            await k.msleep(50)

    assert run(scenario()(script)).clean
    assert len(ran) == 2


def test_one_that_waits_for_a_worker_is_taken_off_the_list() -> None:
    ran: list[int] = []

    async def script(k: Kernel) -> None:
        async def fn() -> None:
            ran.append(k.now)

        dwork = k.delayed_work(fn)
        k.preempt_disable()
        await k.queue_delayed_work(k.system_wq, dwork, 0)
        assert await k.mod_delayed_work(k.system_wq, dwork, 10)
        await k.preempt_enable()
        await k.msleep(20)
        assert not ran
        await k.msleep(100)

    assert run(scenario()(script)).clean
    assert len(ran) == 1
