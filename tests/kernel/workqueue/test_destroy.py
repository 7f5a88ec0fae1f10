"""The end of a workqueue (rcuactors/kernel/workqueue/destroy.py)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from rcuactors import Kernel, Result, RunOptions, run, scenario
from rcuactors.errors import BadInput
from rcuactors.kapi.workqueues import WQ_MEM_RECLAIM, WQ_UNBOUND

ALL = [0, WQ_UNBOUND, WQ_MEM_RECLAIM, WQ_UNBOUND | WQ_MEM_RECLAIM]


def result(script: Callable[[Kernel], Awaitable[None]], kernel: str = "v6.1-stable", **settings: Any) -> Result:
    return run(scenario()(script), RunOptions(kernel=kernel), **settings)


@pytest.mark.parametrize("flags", ALL)
def test_what_is_queued_is_done_first_and_chains_are_let_through(flags: Any) -> None:
    ran: list[int] = []

    async def script(k: Kernel) -> None:
        wq, works = k.alloc_workqueue("wq", flags), list[Any]()

        async def w_chain() -> None:
            ran.append(k.now)
            await k.msleep(2)
            if len(ran) < 5:
                await k.queue_work(wq, works[0])

        works.append(k.work(w_chain))
        await k.queue_work(wq, works[0])
        await k.destroy_workqueue(wq)
        assert len(ran) == 5

    assert result(script).clean


@pytest.mark.parametrize("kernel", ["v5.9", "v5.11", "v6.1-stable"])
def test_whoever_else_queues_while_it_drains_is_told_and_the_work_stays_pending(kernel: str) -> None:
    async def script(k: Kernel) -> None:
        wq, never = k.alloc_workqueue("wq"), k.completion("never")

        async def w_waits() -> None:
            await k.wait_for_completion(never)

        async def w_late() -> None:
            raise AssertionError

        async def drainer() -> None:
            await k.drain_workqueue(wq)

        await k.queue_work(wq, k.work(w_waits))
        late = k.work(w_late)
        async with k.open_nursery() as nursery:
            await nursery.start_soon(drainer, cpu=1)
            await k.msleep(20)
            assert await k.queue_work(wq, late)
            assert not await k.queue_work(wq, late)
            await k.complete_all(never)

    found = result(script, kernel)
    assert found.outcome() == "bad-context"
    assert found.violations[0].title == "WARNING: WARN_ON(!is_chained_work(wq)) at __queue_work"


def test_an_interrupt_on_a_workers_stack_is_none_of_its_works() -> None:
    """current_wq_worker() asks in_task()."""

    async def script(k: Kernel) -> None:
        wq = k.alloc_workqueue("wq")

        async def w_late() -> None:
            pass

        late = k.work(w_late)

        async def handler() -> None:
            await k.queue_work(wq, late)

        async def w_long() -> None:
            await k.udelay(3000)

        await k.queue_work_on(1, wq, k.work(w_long))
        async with k.open_nursery() as nursery:

            async def drainer() -> None:
                await k.drain_workqueue(wq)

            await nursery.start_soon(drainer, cpu=0)
            await k.usleep_range(1000, 1000)
            await k.raise_irq(handler, cpu=1)

    assert result(script).outcome() == "bad-context"


def test_a_work_that_queues_itself_keeps_it_from_ending() -> None:
    async def script(k: Kernel) -> None:
        wq, works = k.alloc_workqueue("wq"), list[Any]()

        async def w_again() -> None:
            await k.msleep(1)
            await k.queue_work(wq, works[0])

        works.append(k.work(w_again))
        await k.queue_work(wq, works[0])
        await k.destroy_workqueue(wq)

    found = result(script)
    assert found.outcome() == "workqueue-lockup, deadlock"
    tries = [violation.title for violation in found.violations[:-1]]
    assert tries == [
        f"workqueue wq: drain_workqueue() isn't complete after {count} tries" for count in (10, *range(100, 1001, 100))
    ]
    assert found.violations[-1].by == "oracle"


@pytest.mark.parametrize(("kernel", "word"), [("v5.9", "delayed"), ("v6.1-stable", "inactive")])
def test_what_is_queued_between_drain_and_look_is_shown(kernel: str, word: str) -> None:
    """WARN_ON(pwq_busy(pwq)): the workqueue stays, without its rescuer."""

    async def script(k: Kernel) -> None:
        wq, enough = k.alloc_workqueue("wq", WQ_MEM_RECLAIM, 1), k.completion("enough")
        lock, works = k.mutex("m"), list[Any]()

        async def w_waits() -> None:
            await k.wait_for_completion(enough)

        async def destroyer() -> None:
            await k.destroy_workqueue(wq)

        # Its last wait is for wq_pool_mutex, which this thread has.
        workqueues = k.machine.workqueues
        await k.mutex_lock(lock)
        await k.mutex_lock(workqueues.pool_mutex)
        async with k.open_nursery() as nursery:
            await nursery.start_soon(destroyer, cpu=1)
            await k.msleep(20)
            works += [k.work(w_waits, name=f"w_{number}") for number in range(3)]
            for work in works:
                await k.queue_work_on(0, wq, work)
            await k.msleep(20)
            await k.mutex_unlock(workqueues.pool_mutex)
        await k.mutex_unlock(lock)
        await k.complete_all(enough)
        await k.flush_workqueue(wq)
        assert workqueues.statistics().executed >= 3

    found = result(script, kernel)
    assert found.outcome() == "bad-context"
    assert found.violations[0].title == "WARNING: WARN_ON(pwq_busy(pwq)) at destroy_workqueue"
    text = found.violations[1].text.splitlines()
    assert text[0] == "destroy_workqueue: wq has the following busy pwq"
    assert text[1].startswith("  pwq 0: cpus=0 node=0 flags=0x0 nice=0 active=1/1 refcnt=4")
    assert text[2].startswith("    in-flight: ")
    assert text[3] == f"    {word}: w_1, w_2"
    assert "workqueue wq: flags=0x8" in text


@pytest.mark.parametrize("kasan", ["n", "y"])
@pytest.mark.parametrize("how", ["timer", "queue", "flush", "destroy"])
def test_a_workqueue_that_is_gone_is_not_to_be_used(how: str, kasan: str) -> None:
    """A timer that was pending is not looked for: when it fires it uses freed memory."""

    async def script(k: Kernel) -> None:
        wq = k.alloc_workqueue("wq")

        async def w_none() -> None:
            raise AssertionError

        dwork = k.delayed_work(w_none)
        if how == "timer":
            await k.queue_delayed_work(wq, dwork, 5)
        await k.destroy_workqueue(wq)
        if how == "queue":
            await k.queue_work(wq, k.work(w_none))
        elif how == "flush":
            await k.flush_workqueue(wq)
        elif how == "destroy":
            await k.destroy_workqueue(wq)
        await k.msleep(100)

    found = result(script, KASAN=kasan)
    assert found.outcome() == "use-after-free"
    first = found.violations[0]
    assert "destroyed by main" in first.text or "destroyed by script" in first.text
    assert first.title.startswith("BUG: KASAN: use-after-free in " if kasan == "y" else "BUG: use-after-free: use of ")


def test_a_rescuer_ends_with_its_workqueue() -> None:
    from .test_rescuers import reclaim_by_a_work

    names: list[str] = []

    async def script(k: Kernel) -> None:
        await reclaim_by_a_work(WQ_MEM_RECLAIM)(k)
        await k.msleep(10)
        names.extend(thread.comm for thread in k.machine.system.threads)

    assert result(script, nr_cpus="2", mem="16M").clean
    assert "kthreadd" in names
    assert "writeback" not in names


def test_the_systems_own_are_never_destroyed() -> None:
    async def script(k: Kernel) -> None:
        await k.destroy_workqueue(k.system_wq)

    with pytest.raises(BadInput, match="destroy_workqueue\\(events\\)"):
        result(script)
