"""Workqueues: pending, re-queueing, concurrency management, priorities, flushing (rcuactors/kernel/workqueue/)."""

from __future__ import annotations

import pytest

from rcuactors import Kernel, RunOptions, run, scenario


def test_queued_twice_while_pending_it_runs_once() -> None:
    ran: list[bool] = []

    async def script(k: Kernel) -> None:
        async def fn() -> None:
            ran.append(True)

        work = k.work(fn)
        k.preempt_disable()
        assert await k.schedule_work(work)
        assert not await k.schedule_work(work)
        await k.preempt_enable()
        await k.flush_work(work)
        assert await k.schedule_work(work)
        await k.flush_work(work)

    assert run(scenario()(script)).clean
    assert len(ran) == 2


def test_queued_from_its_own_function_it_runs_again() -> None:
    ran: list[int] = []

    async def script(k: Kernel) -> None:
        async def fn() -> None:
            ran.append(k.now)
            if len(ran) < 3:
                assert await k.schedule_work(work)

        work = k.work(fn)
        await k.schedule_work(work)

    assert run(scenario()(script)).clean
    assert len(ran) == 3


def test_a_work_never_runs_twice_at_once() -> None:
    """Queued again while it sleeps, on this CPU and on another, it waits for the worker that still runs it."""
    running = [0]
    cpus: list[int] = []

    async def script(k: Kernel) -> None:
        async def fn() -> None:
            running[0] += 1
            assert running[0] == 1
            cpus.append(k.smp_processor_id())
            await k.usleep_range(500, 500)
            running[0] -= 1

        work = k.work(fn)

        async def queue() -> None:
            assert await k.schedule_work(work)

        await queue()
        await k.usleep_range(100, 100)
        await queue()
        await k.usleep_range(500, 500)
        await k.kthread_join(await k.kthread_run(queue, cpu=1))
        await k.flush_work(work)

    assert run(scenario()(script)).clean
    assert cpus == [0, 0, 0]


def test_a_worker_that_sleeps_lets_another_item_start() -> None:
    order: list[str] = []

    async def script(k: Kernel) -> None:
        async def sleeper() -> None:
            order.append("sleeper in")
            await k.msleep(10)
            order.append("sleeper out")

        async def quick() -> None:
            order.append("quick")

        await k.schedule_work(k.work(sleeper))
        await k.schedule_work(k.work(quick))

    assert run(scenario()(script)).clean
    assert order == ["sleeper in", "quick", "sleeper out"]


IN_TURN = ["busy in", "busy out", "quick"]
BESIDE = ["busy in", "quick", "busy out"]


@pytest.mark.parametrize(
    ("kernel", "thresh_us", "expected"),
    [("v6.1-stable", 10_000, IN_TURN), ("v6.6", 10_000, BESIDE), ("v6.12", 10_000, BESIDE), ("v6.12", 0, IN_TURN)],
)
def test_a_worker_that_is_busy_keeps_the_next_item_waiting(kernel: str, thresh_us: int, expected: list[str]) -> None:
    """Until it has run for so long that it counts no longer (616db8779b1e). Recorded of word how=spin."""
    order: list[str] = []

    async def script(k: Kernel) -> None:
        async def busy() -> None:
            order.append("busy in")
            await k.udelay(20_000)
            order.append("busy out")

        async def quick() -> None:
            order.append("quick")

        await k.schedule_work(k.work(busy))
        await k.schedule_work(k.work(quick))

    assert run(scenario()(script), kernel=kernel, cpu_intensive_thresh_us=thresh_us).clean
    assert order == expected


def test_one_sleeping_worker_does_not_start_more_than_one_in_its_place() -> None:
    """nr_running: a second worker is woken only when none of the pool runs."""

    async def script(k: Kernel) -> None:
        running = [0]

        async def item() -> None:
            running[0] += 1
            assert running[0] == 1
            await k.udelay(300)
            running[0] -= 1
            await k.usleep_range(50, 50)

        works = [k.work(item, name=f"item{number}") for number in range(6)]
        for work in works:
            await k.schedule_work(work)
        for work in works:
            await k.flush_work(work)

    for seed in range(3):
        assert run(scenario()(script), RunOptions(seed=seed), PREEMPT="n").clean


def test_the_high_priority_pool_preempts_the_normal_one() -> None:
    order: list[str] = []

    async def script(k: Kernel) -> None:
        async def urgent() -> None:
            order.append("high")

        async def normal() -> None:
            order.append("normal in")
            await k.queue_work(k.system_highpri_wq, k.work(urgent))
            await k.udelay(100)
            order.append("normal out")

        await k.schedule_work(k.work(normal))

    assert run(scenario()(script)).clean
    assert order == ["normal in", "high", "normal out"]


def test_a_work_stays_on_the_cpu_that_queued_it() -> None:
    ran: list[int] = []

    async def script(k: Kernel) -> None:
        async def fn() -> None:
            ran.append(k.smp_processor_id())

        async def queue() -> None:
            await k.schedule_work(k.work(fn))

        for cpu in (2, 0, 1):
            await k.kthread_join(await k.kthread_run(queue, cpu=cpu))
            await k.msleep(1)

    assert run(scenario()(script), nr_cpus="3").clean
    assert ran == [2, 0, 1]


@pytest.mark.parametrize("queued_us", [0, 50, 300])
def test_flush_work_waits_for_the_end(queued_us: int) -> None:
    """Also when the work runs already and is not pending any more."""

    async def script(k: Kernel) -> None:
        ended = []

        async def fn() -> None:
            await k.usleep_range(200, 200)
            ended.append(k.now)

        work = k.work(fn)
        await k.schedule_work(work)
        await k.usleep_range(queued_us, queued_us)
        await k.flush_work(work)
        assert len(ended) == 1

    assert run(scenario()(script)).clean


def test_flush_work_of_one_that_runs_and_is_queued_again_waits_for_the_last_queueing() -> None:
    async def script(k: Kernel) -> None:
        ended = []

        async def fn() -> None:
            await k.usleep_range(200, 200)
            ended.append(k.now)

        work = k.work(fn)
        await k.schedule_work(work)
        await k.usleep_range(100, 100)
        await k.schedule_work(work)
        await k.flush_work(work)
        assert len(ended) == 2

    assert run(scenario()(script)).clean


def test_flush_work_of_one_that_was_never_queued_returns_at_once() -> None:
    async def script(k: Kernel) -> None:
        began = k.now
        await k.flush_work(k.work(script_end))
        assert k.now == began

    async def script_end() -> None:
        raise AssertionError("never queued")

    assert run(scenario()(script)).clean


def test_a_delayed_work_runs_once_after_its_delay() -> None:
    ran: list[int] = []

    async def script(k: Kernel) -> None:
        async def fn() -> None:
            ran.append(k.jiffies - began)

        began = k.jiffies
        dwork = k.delayed_work(fn)
        assert await k.queue_delayed_work(k.system_wq, dwork, 5)
        assert not await k.queue_delayed_work(k.system_wq, dwork, 1)

    assert run(scenario()(script)).clean
    assert len(ran) == 1
    assert 5 <= ran[0] <= 6


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"PROVE_LOCKING": "n"}, "deadlock"),
        ({}, "circular-locking, deadlock"),
        ({"PREEMPT_RT": "y"}, "circular-locking, deadlock"),
    ],
)
def test_queueing_under_the_run_queues_lock_is_a_deadlock(settings: dict[str, str], expected: str) -> None:
    async def script(k: Kernel) -> None:
        async def fn() -> None:
            pass

        work = k.work(fn)
        # The first queueing creates the worker; the second one has to wake it.
        await k.schedule_work(work)
        await k.flush_work(work)
        await k.raw_spin_lock_irqsave(k.this_rq_lock())
        await k.schedule_work(work)

    result = run(scenario()(script), **settings)
    assert result.outcome() == expected
    text = result.violations[-1].text
    assert "&rq->lock" in text
    assert "itself" in text


def test_a_delayed_work_under_the_run_queues_lock_is_clean_unless_its_delay_is_zero() -> None:
    async def script(k: Kernel, delay: int = 1) -> None:
        async def fn() -> None:
            pass

        work = k.work(fn)
        await k.schedule_work(work)
        await k.flush_work(work)
        flags = await k.raw_spin_lock_irqsave(k.this_rq_lock())
        await k.queue_delayed_work(k.system_wq, k.delayed_work(fn), delay)
        await k.raw_spin_unlock_irqrestore(k.this_rq_lock(), flags)

    assert run(scenario()(script), delay=1).clean
    assert run(scenario()(script), delay=0).outcome() == "circular-locking, deadlock"


def test_a_work_queued_in_hardirq_is_clean() -> None:
    ran: list[bool] = []

    async def script(k: Kernel) -> None:
        async def fn() -> None:
            assert k.preemptible()
            ran.append(True)

        async def handler() -> None:
            await k.schedule_work(k.work(fn))

        await k.raise_irq(handler)

    assert run(scenario()(script), PROVE_RAW_LOCK_NESTING="y").clean
    assert ran == [True]


def test_many_items_from_many_cpus_each_run_once() -> None:
    ran: list[tuple[int, int]] = []

    async def script(k: Kernel) -> None:
        async def producer(cpu: int) -> None:
            for number in range(20):

                async def item(number: int = number) -> None:
                    if number % 3 == 0:
                        await k.usleep_range(20, 20)
                    ran.append((cpu, number))

                await k.queue_work(k.system_highpri_wq if number % 2 else k.system_wq, k.work(item))
                await k.ndelay(777)

        async with k.open_nursery() as nursery:
            for cpu in range(3):
                await nursery.start_soon(producer, cpu, cpu=cpu)

    assert run(scenario()(script), nr_cpus="3").clean
    assert sorted(ran) == [(cpu, number) for cpu in range(3) for number in range(20)]


def test_the_very_first_work_of_a_pool_takes_the_locks_of_a_wake_up_too() -> None:
    """A pool has a worker from the start: queueing under &rq->lock is a deadlock the first time as well."""

    async def script(k: Kernel) -> None:
        async def nothing() -> None:
            """A work."""

        work = k.work(nothing)
        flags = await k.raw_spin_lock_irqsave(k.this_rq_lock())
        await k.queue_work(k.system_wq, work)
        await k.raw_spin_unlock_irqrestore(k.this_rq_lock(), flags)

    assert run(scenario()(script)).outcome() == "recursive-locking, deadlock"
