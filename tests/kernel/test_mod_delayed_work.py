"""mod_delayed_work(): a delay that begins anew (rcuactors/kernel/workqueue/cancel.py)."""

from __future__ import annotations

import pytest

from rcuactors import Kernel, run, scenario
from tests.schedules import Moment, held_up_anywhere


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


async def queued_here_and_taken_there(k: Kernel) -> None:
    """Two CPUs: one queues a delayed work, another gives it a new delay a little later."""
    dwork = k.delayed_work(k.schedule)

    async def other() -> None:
        await k.usleep_range(30, 30)
        await k.mod_delayed_work(k.system_wq, dwork, 1)
        assert k.now < 1_000_000, "before a tick looks"

    await k.kthread_run(other, cpu=1)
    await k.usleep_range(20, 20)
    await k.queue_delayed_work(k.system_wq, dwork, 100)


def test_who_spins_finds_the_timer_that_is_set_meanwhile() -> None:
    """In between the work is pending, and has no timer: wherever that is held up, the other one comes to its end."""
    tried = held_up_anywhere(queued_here_and_taken_there, "v6.12", Moment("cpu0:", 1, 50_000), nr_cpus="2")
    schedules = list(tried)
    assert len(schedules) > 10
    for schedule in schedules:
        assert schedule.result.clean
