"""Workers that need memory, and rescuers (rcuactors/kernel/workqueue/manager.py, rescuer.py; kernel/kthread.py)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from rcuactors import Kernel, Result, RunOptions, run, scenario
from rcuactors.engine.events import ListSink
from rcuactors.kapi.workqueues import WQ_MEM_RECLAIM, WQ_UNBOUND
from rcuactors.kernel.workqueue.workqueue import NO_FLAGS, WqFlags

KERNELS = ["v5.9", "v5.11", "v6.1-stable"]
SHORT = {"nr_cpus": "2", "mem": "16M"}


def reclaim_by_a_work(
    flags: WqFlags, *, how: str = "flush", pool: WqFlags = NO_FLAGS, works: int = 1
) -> Callable[[Kernel], Awaitable[None]]:
    """Reclaim has a work give its memory back and waits for it, in a machine that has no memory for another worker.

    Or several works, of which one may be active at a time.
    """

    async def script(k: Kernel) -> None:
        writeback = k.alloc_workqueue("writeback", flags | pool, 0 if works == 1 else 1)
        plain = k.alloc_workqueue("plain", pool)
        cache = [await k.get_free_page() for _ in range(200)]
        taken: list[int | None] = []
        written = k.completion("written")

        async def w_write() -> None:
            for _ in range(min(64 // works, len(cache))):
                await k.free_page(cache.pop())
            await k.complete_all(written)

        async def w_hungry() -> None:
            taken.extend([await k.get_free_page() for _ in range(64)])

        writes, hungry = [k.work(w_write) for _ in range(works)], k.work(w_hungry)

        async def count() -> int:
            return len(cache)

        async def scan(_: int) -> int:
            before = len(cache)
            for write in writes:
                await k.queue_work(writeback, write)
            await (k.flush_work(writes[-1]) if how == "flush" else k.wait_for_completion(written))
            return before - len(cache)

        shrinker = await k.register_shrinker("writeback", count, scan)
        await k.user_process("hog", k.nr_free_pages() - k.min_wmark_pages())
        await k.queue_work_on(0, plain, hungry)
        await k.flush_work(hungry)
        await k.unregister_shrinker(shrinker)
        await k.flush_workqueue(writeback)
        while pages := taken or cache:
            await k.free_page(pages.pop())
        await k.user_exit("hog")
        await k.destroy_workqueue(writeback)

    return script


def result(script: Callable[[Kernel], Awaitable[None]], kernel: str = "v5.11", **settings: Any) -> Result:
    return run(scenario()(script), RunOptions(kernel=kernel, **settings.pop("options", {})), **(SHORT | settings))


@pytest.mark.one_in(2)
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("rt", ["n", "y"])
def test_reclaim_that_waits_for_a_work_needs_a_rescuer(kernel: str, rt: str) -> None:
    """The deadlock that WQ_MEM_RECLAIM is for, and that check_flush_dependency() warns of."""
    found = result(reclaim_by_a_work(NO_FLAGS), kernel, PREEMPT_RT=rt)
    assert found.outcome() == "flush-dependency, workqueue-lockup, deadlock, hung-task"
    titles = [violation.title for violation in found.violations]
    assert titles[0] == (
        "WARNING: workqueue: PF_MEMALLOC task 21(kswapd0) is flushing !WQ_MEM_RECLAIM writeback:w_write"
    )
    assert titles[1].startswith("BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for ")
    assert " manager: " in found.violations[1].text
    assert "    pending: w_write" in found.violations[1].text
    hung = [title for title in titles if title.startswith("INFO: task ")]
    assert [title.split(":")[1].split()[-1] for title in hung][:1] == ["kswapd0"]
    assert result(reclaim_by_a_work(WQ_MEM_RECLAIM), kernel, PREEMPT_RT=rt).clean


def test_without_a_flush_nobody_warns_of_it() -> None:
    assert result(reclaim_by_a_work(NO_FLAGS, how="completion")).outcome() == "workqueue-lockup, deadlock, hung-task"
    assert result(reclaim_by_a_work(WQ_MEM_RECLAIM, how="completion")).clean


def test_an_unbound_pool_has_managers_and_rescuers_too() -> None:
    assert "deadlock" in result(reclaim_by_a_work(NO_FLAGS, how="completion", pool=WQ_UNBOUND)).outcome()
    assert result(reclaim_by_a_work(WQ_MEM_RECLAIM, pool=WQ_UNBOUND)).clean


@pytest.mark.parametrize("kernel", KERNELS)
def test_works_that_become_active_while_a_rescuer_is_there_are_its_own_too(kernel: str) -> None:
    """It calls for itself again while its pool still cannot have a worker, and comes at once (rescuer_thread())."""
    events = ListSink()
    found = result(reclaim_by_a_work(WQ_MEM_RECLAIM, works=4), kernel, options={"sinks": (events,)})
    assert found.clean
    begun = [event for event in events.events if event.name == "workqueue_execute_start" and "w_write" in event.text]
    first = [event for event in begun if "writeback" in event.comm][:4]
    assert len(first) == 4
    assert first[-1].time_ns - first[0].time_ns < 1_000_000


def test_a_rescuer_has_the_name_of_its_workqueue_and_goes_to_the_pools_cpu() -> None:
    """Its help comes MAYDAY_INITIAL_TIMEOUT after the manager has begun: two jiffies at HZ=250, and up to one more."""
    events = ListSink()
    found = result(reclaim_by_a_work(WQ_MEM_RECLAIM), options={"sinks": (events,)})
    ran = [event for event in events.events if event.name == "workqueue_execute_start" and "w_write" in event.text]
    assert found.clean
    assert ran[0].comm == "writeback"
    assert {event.cpu for event in ran} == {0}
    assert 8_000_000 <= ran[0].time_ns <= 14_000_000


def blocked_works(k: Kernel, started: list[int], enough: Any) -> list[Any]:
    async def w_blocked() -> None:
        started.append(k.now)
        await k.wait_for_completion(enough)

    return [k.work(w_blocked, name=f"w_{number}") for number in range(4)]


def test_a_worker_that_cannot_be_made_is_tried_again_a_second_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """CREATE_COOLDOWN. The two workers of boot suffice for one work that blocks: the second is the manager."""
    from rcuactors.mm.kernel_memory import ThreadMemory

    tries: list[int] = []
    real = ThreadMemory.dup_task_struct

    async def fails_twice(self: ThreadMemory, thread: Any) -> bool:
        tries.append(thread.cpu.clock)
        return len(tries) > 2 and await real(self, thread)

    monkeypatch.setattr(ThreadMemory, "dup_task_struct", fails_twice)
    started: list[int] = []

    async def script(k: Kernel) -> None:
        enough = k.completion("enough")
        for work in blocked_works(k, started, enough)[:2]:
            await k.queue_work_on(1, k.system_wq, work)
        await k.msleep(5000)
        await k.complete_all(enough)

    assert result(script).clean
    assert len(tries) >= 3
    assert started[0] < 1_000_000
    # Each cooldown is a second, rounded up by the wheel.
    assert 2.0e9 <= started[1] <= 2.2e9
    assert 1.0e9 <= tries[1] - tries[0] <= 1.1e9


@pytest.mark.parametrize("percent", ["0", "100"])
def test_workers_go_through_the_page_allocator(percent: str) -> None:
    """fail_page_alloc=100: no third worker is ever had, so the works behind those of the first one wait."""
    started: list[int] = []

    async def script(k: Kernel) -> None:
        enough = k.completion("enough")
        for work in blocked_works(k, started, enough):
            await k.queue_work_on(1, k.system_wq, work)
        await k.msleep(3000)
        before = len(started)
        await k.complete_all(enough)
        await k.msleep(3000)
        assert before == (4 if percent == "0" else 1)
        assert len(started) == 4

    assert result(script, fail_page_alloc=percent).clean


def test_the_pool_does_nothing_while_its_manager_reclaims() -> None:
    """A work whose workqueue has no rescuer waits as long as the manager's reclaim takes; one that has does not."""
    at: dict[str, int] = {}

    async def script(k: Kernel) -> None:
        helped, plain = k.alloc_workqueue("helped", WQ_MEM_RECLAIM), k.alloc_workqueue("plain")
        cache = [await k.get_free_page() for _ in range(200)]
        never = k.completion("never")

        async def w_blocked() -> None:
            await k.wait_for_completion(never)

        async def w_helped() -> None:
            at["helped"] = k.now

        async def w_plain() -> None:
            at["plain"] = k.now

        async def count() -> int:
            return len(cache)

        async def scan(_: int) -> int:
            await k.msleep(500)
            before = len(cache)
            while cache:
                await k.free_page(cache.pop())
            return before

        await k.queue_work_on(1, plain, k.work(w_blocked))
        await k.msleep(20)
        await k.register_shrinker("slow", count, scan)
        await k.user_process("hog", k.nr_free_pages() - k.min_wmark_pages())
        await k.queue_work_on(1, plain, k.work(w_plain))
        await k.queue_work_on(1, helped, k.work(w_helped))
        await k.msleep(2000)
        await k.complete_all(never)
        await k.user_exit("hog")

    assert result(script).clean
    assert at["helped"] < 50_000_000
    assert at["plain"] > 500_000_000


def test_one_worker_of_a_bound_pool_runs_at_a_time() -> None:
    """keep_working(): who was woken because another slept goes to sleep when that one runs again."""
    at: list[str] = []

    async def script(k: Kernel) -> None:
        async def w_first() -> None:
            await k.msleep(2)
            at.append("first again")
            await k.udelay(8000)
            at.append("first done")

        async def w_second() -> None:
            await k.udelay(20_000)
            at.append("second done")

        async def w_third() -> None:
            at.append("third")

        for function in (w_first, w_second, w_third):
            await k.queue_work_on(1, k.system_wq, k.work(function))
        await k.msleep(100)

    assert result(script).clean
    assert at[0] == "first again"
    assert at[-1] == "third"
