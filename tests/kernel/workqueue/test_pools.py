"""Pools: concurrency, max_active, order, unbound workers, PREEMPT_RT's spinlocks (rcuactors/kernel/workqueue/)."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from rcuactors import BadInput, Kernel, RunOptions, run, scenario
from tests.schedules import Moment, held_up_anywhere

OPTIONS = RunOptions(kernel="v6.1-stable")


@pytest.mark.parametrize(
    ("kind", "rt", "waits"),
    [("spin", "y", True), ("write", "y", True), ("mutex", "y", False), ("mutex", "n", False), ("spin", "n", True)],
)
def test_a_second_work_behind_one_that_waits_for_a_lock(kind: str, rt: str, waits: bool) -> None:
    """A4e: schedule_rtlock() does not tell the pool; a mutex does, unless its owner runs and it spins.

    Here the owner sleeps with a mutex, and is preempted with a spinlock_t.
    """
    at: dict[str, int] = {}

    async def script(k: Kernel) -> None:
        spin, mutex, rw, taken = k.spinlock("q_spin"), k.mutex("q_mutex"), k.rwlock("q_rw"), k.completion("taken")
        take: Any = {"spin": k.spin_lock, "mutex": k.mutex_lock, "write": k.write_lock}[kind]
        give: Any = {"spin": k.spin_unlock, "mutex": k.mutex_unlock, "write": k.write_unlock}[kind]
        lock = {"spin": spin, "mutex": mutex, "write": rw}[kind]

        async def holder() -> None:
            await take(lock)
            await k.complete(taken)
            await (k.msleep(30) if kind == "mutex" else k.udelay(30_000))
            await give(lock)

        async def first() -> None:
            await take(lock)
            await give(lock)
            at["first"] = k.now

        async def second() -> None:
            at["second"] = k.now

        await k.kthread_run(holder, cpu=1)
        await k.wait_for_completion(taken)
        await k.queue_work_on(0, k.system_wq, k.work(first))
        await k.msleep(4)
        await k.queue_work_on(0, k.system_wq, k.work(second))
        await k.msleep(100)

    assert run(scenario()(script), OPTIONS, PREEMPT_RT=rt).clean
    assert (at["second"] > at["first"]) is waits


def starts(wq: str, how: str) -> list[tuple[int, int, int]]:
    """Question `word`: six works of one queue at once: (number, when in ms, CPU) in the order of their starts."""
    started: list[tuple[int, int, int]] = []

    async def script(k: Kernel) -> None:
        queues = {"own": lambda: k.alloc_workqueue("q_wq"), "ord": lambda: k.alloc_ordered_workqueue("q_wqo")}
        more = {"hi": lambda: k.system_highpri_wq, "unb": lambda: k.system_unbound_wq}
        more["two"] = lambda: k.alloc_workqueue("q_two", max_active=2)
        queue = (queues | more)[wq]()

        def numbered(number: int) -> Any:
            async def w_ord() -> None:
                started.append((number, (k.now - began) // 1_000_000, k.raw_smp_processor_id()))
                await (k.msleep(20) if how == "sleep" else k.udelay(20_000))

            return k.work(w_ord)

        began = k.now
        for number in range(6):
            await k.queue_work_on(1, queue, numbered(number))
        await k.msleep(300)

    assert run(scenario()(script), OPTIONS).clean
    return started


def test_an_ordered_queue_runs_one_at_a_time() -> None:
    found = starts("ord", "sleep")
    assert [number for number, _, _ in found] == list(range(6))
    assert all(later - earlier >= 20 for (_, earlier, _), (_, later, _) in itertools.pairwise(found))


def test_works_that_sleep_run_side_by_side_and_works_that_spin_do_not() -> None:
    assert max(ms for _, ms, _ in starts("own", "sleep")) < 20
    found = starts("own", "spin")
    assert [ms // 20 for _, ms, _ in found] == list(range(6))
    assert {cpu for _, _, cpu in found} == {1}


def test_max_active_keeps_the_others_back() -> None:
    found = starts("two", "sleep")
    assert [ms < 20 for _, ms, _ in found] == [True, True, False, False, False, False]


def test_unbound_works_do_not_wait_for_one_that_spins() -> None:
    found = starts("unb", "spin")
    assert len({cpu for _, _, cpu in found}) == 2


@pytest.mark.parametrize("how", ["busy", "sleep"])
def test_queued_on_another_cpu_while_it_runs_it_runs_again_on_the_first(how: str) -> None:
    """W-noreent."""
    cpus: list[int] = []

    async def script(k: Kernel) -> None:
        async def w_where() -> None:
            cpus.append(k.raw_smp_processor_id())
            await (k.msleep(50) if how == "sleep" else k.udelay(50_000))

        work = k.work(w_where)
        assert await k.queue_work_on(1, k.system_wq, work)
        await k.msleep(10)
        assert await k.queue_work_on(0, k.system_wq, work)
        assert not await k.queue_work_on(1, k.system_wq, work)
        await k.msleep(200)

    assert run(scenario()(script), OPTIONS).clean
    assert cpus == [1, 1]


@pytest.mark.parametrize("wrong", [-1, 513, True, 1.0, "3", None])
def test_how_many_works_may_be_active_is_a_number_that_the_kernel_takes(wrong: Any) -> None:
    """alloc_workqueue(): WQ_MAX_ACTIVE is 512; 0 is the default."""

    async def script(k: Kernel) -> None:
        make = k.machine.workqueues.alloc_workqueue
        assert [make("wq", max_active=number).max_active for number in (0, 1, 512)] == [256, 1, 512]
        with pytest.raises(BadInput, match=r"^alloc_workqueue\(max_active=.*needs a whole number from 0 to 512$"):
            make("wq", max_active=wrong)

    assert run(scenario()(script), OPTIONS).clean


async def work_for_a_cpu_that_goes(k: Kernel) -> None:
    """It is the first of that CPU's high-priority pool."""

    async def nothing() -> None:
        pass

    async def user() -> None:
        await k.usleep_range(20_000, 20_000)
        work = k.work(nothing)
        await k.queue_work_on(1, k.system_highpri_wq, work)
        await k.flush_work(work)

    async with k.open_nursery() as nursery:
        await nursery.start_soon(user, cpu=0)
        await k.cpu_down(1)
    await k.cpu_up(1)


def test_a_pool_is_bound_to_no_cpu_that_is_going() -> None:
    """POOL_DISASSOCIATED, though the CPU counts as online yet: its worker may run anywhere, and is bound later on."""
    moment = Moment("cpuhp/1", 1, 30_000_000)
    schedules = list(held_up_anywhere(work_for_a_cpu_that_goes, "v7.3", moment, nr_cpus="2"))
    assert len(schedules) > 5
    assert all(schedule.result.clean for schedule in schedules)
