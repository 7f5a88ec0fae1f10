"""What newer versions do otherwise in kernel/workqueue.c, each beside the version before."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from rcuactors import GFP_ATOMIC, Kernel, Result, RunOptions, run, scenario
from rcuactors.engine.events import ListSink
from rcuactors.kapi.workqueues import WQ_MEM_RECLAIM, WQ_UNBOUND


def result(script: Callable[[Kernel], Awaitable[None]], kernel: str, **settings: Any) -> Result:
    return run(scenario()(script), RunOptions(kernel=kernel), **settings)


@pytest.mark.parametrize(
    ("kernel", "told"), [("v6.1-stable", False), ("v6.6", True), ("v6.12.0", True), ("v6.12", True)]
)
def test_who_queues_on_a_workqueue_that_was_destroyed_is_told(kernel: str, told: bool) -> None:
    """Commit 33e3f0a3358b: __WQ_DESTROYING. The timer of a delayed work was not waited for; the work is dropped."""
    ran: list[int] = []

    async def script(k: Kernel) -> None:
        async def w_late() -> None:
            ran.append(k.now)

        wq = k.alloc_workqueue("wq")
        await k.queue_delayed_work(wq, k.delayed_work(w_late), 5)
        await k.destroy_workqueue(wq)
        await k.msleep(60)

    titles = [violation.title for violation in result(script, kernel).violations]
    assert any("use-after-free" in title for title in titles)
    assert any("__queue_work" in title for title in titles) is told
    assert not ran


@pytest.mark.parametrize(("kernel", "name"), [("v6.1-stable", "q_wq"), ("v6.6", "kworker/R-q_wq")])
def test_what_a_rescuer_is_called(kernel: str, name: str) -> None:
    """Commit b6a46f7263bd."""

    async def script(k: Kernel) -> None:
        wq, never = k.alloc_workqueue("q_wq", WQ_MEM_RECLAIM), k.completion("never")

        async def w_waits() -> None:
            await k.wait_for_completion(never)

        # To below the watermark under which a new worker's thread finds no memory, without reclaim for each.
        pool: list[int] = []
        while (page := await k.get_free_page(GFP_ATOMIC)) is not None:
            pool.append(page)
        for _ in range(3):
            await k.queue_work(wq, k.work(w_waits))
        await k.msleep(20)
        for page in pool:
            await k.free_page(page)
        await k.complete_all(never)
        await k.flush_workqueue(wq)
        assert name in {thread.comm for thread in k.machine.system.threads}

    result(script, kernel, mem="4M", nr_cpus=1, rcu_min_cached_objs=0)


@pytest.mark.parametrize(
    ("kernel", "titles"),
    [
        ("v6.6", ["BUG: workqueue leaked lock or atomic: kworker/0:1/0x00000000/21"] * 2),
        ("v6.12.0", ["BUG: workqueue leaked atomic, lock or RCU: kworker/0:1[21]"]),
    ],
)
def test_what_a_work_has_left_behind_is_compared(kernel: str, titles: list[str]) -> None:
    """Commit c35aea39d1e1. Recorded of F6-leakmutex-work: 6.12 says it once, and what was there before."""

    async def script(k: Kernel) -> None:
        mutex = k.mutex("q_mutex")

        async def c_work() -> None:
            await k.mutex_lock(mutex)

        async def free_work() -> None:
            pass

        for queue, work in ((k.alloc_workqueue("q_wq"), k.work(c_work)), (k.system_wq, k.work(free_work))):
            await k.queue_work(queue, work)
            await k.flush_work(work)

    found = [violation for violation in result(script, kernel).violations if "leaked" in violation.title]
    assert [violation.title for violation in found] == titles
    if len(titles) == 1:
        assert found[0].text.splitlines()[1] == "     preempt=0x00000000 lock=0->1 RCU=0->0 workfn=c_work"


@pytest.mark.parametrize(("kernel", "told"), [("v6.6", True), ("v6.12.0", True), ("v6.12", False), ("v6.18", False)])
def test_whether_a_cancel_is_told_as_a_flush_is(kernel: str, told: bool) -> None:
    """Commit de35994ecd2d: a work with WQ_MEM_RECLAIM may cancel one without."""

    async def script(k: Kernel) -> None:
        async def w_long() -> None:
            await k.msleep(20)

        long = k.work(w_long)

        async def w_reclaims() -> None:
            await k.cancel_work_sync(long)

        await k.schedule_work(long)
        await k.msleep(5)
        work = k.work(w_reclaims)
        await k.queue_work(k.alloc_workqueue("reclaim", WQ_MEM_RECLAIM), work)
        await k.flush_work(work)

    assert (result(script, kernel).violations != ()) is told


@pytest.mark.parametrize(("kernel", "number"), [("v6.1-stable", 4), ("v6.6", 4), ("v6.12.0", 8), ("v6.12", 8)])
def test_numbers_of_unbound_workers_come_after_those_of_all_pools_of_cpus(kernel: str, number: int) -> None:
    """Commit 4cb1ef64609f: each CPU has two more, for BH workqueues. Recorded: kworker/u12:0 with three CPUs."""
    names: list[str] = []

    async def script(k: Kernel) -> None:
        async def w_where() -> None:
            names.append(k.machine.current.comm)

        work = k.work(w_where)
        await k.queue_work(k.alloc_workqueue("reclaim", WQ_UNBOUND | WQ_MEM_RECLAIM), work)
        await k.flush_work(work)

    assert result(script, kernel, nr_cpus=2).clean
    assert names == [f"kworker/u{number}:1"]


@pytest.mark.parametrize(("kernel", "name"), [("v6.12.0", "events"), ("v6.12", "events#2"), ("v6.18", "events")])
def test_two_workqueues_of_one_name_are_two_to_lockdep(kernel: str, name: str) -> None:
    """Commit 128ea9f6ccfb. Recorded of f5 v=syswork op=dump on 6.12.117; on 6.18 schedule_work() uses the new one."""
    held: list[str] = []

    async def script(k: Kernel) -> None:
        async def c_work() -> None:
            held.extend(one.lock.name for one in k.machine.current.ctx.held)

        work = k.work(c_work)
        await k.schedule_work(work)
        await k.flush_work(work)

    assert result(script, kernel).clean
    assert held[0] == f"(wq_completion){name}"


@pytest.mark.parametrize(("kernel", "beside"), [("v6.1-stable", False), ("v6.12", True)])
def test_a_work_that_hogs_its_cpu_under_a_spinlock_lets_the_next_one_go_first(kernel: str, beside: bool) -> None:
    """Commit 616db8779b1e. Recorded of a4e v=spin: the second work begins when the first has let go of the lock."""
    order: list[str] = []
    sink = ListSink()

    async def script(k: Kernel) -> None:
        lock = k.spinlock("q_spin")

        async def w_spins() -> None:
            await k.spin_lock(lock)
            await k.udelay(40_000)
            await k.spin_unlock(lock)
            order.append("first")

        async def w_next() -> None:
            order.append("second")

        for function in (w_spins, w_next):
            await k.queue_work_on(1, k.system_wq, k.work(function))
        await k.msleep(200)

    assert run(scenario()(script), RunOptions(kernel=kernel, sinks=(sink,)), nr_cpus=2).clean
    assert order == (["second", "first"] if beside else ["first", "second"])


@pytest.mark.parametrize(
    ("kernel", "pwq", "backtraces", "task"),
    [
        ("v6.1-stable", "active=2/256 refcnt=3", False, "pid:21    ppid:2"),
        ("v6.6", "active=2/256 refcnt=3", True, "pid:21    ppid:2"),
        ("v6.12.0", "active=2 refcnt=3", True, "pid:21    tgid:21    ppid:2"),
        ("v6.18", "active=2 refcnt=3", True, "pid:21    tgid:21    ppid:2      task_flags:0x4208060 flags:"),
    ],
)
def test_what_a_lockup_shows(kernel: str, pwq: str, backtraces: bool, task: str) -> None:
    """Recorded of a4c v=spin with cpu_intensive_thresh_us=0 on 6.12.117; commit cd2440d66fec."""

    async def script(k: Kernel) -> None:
        async def w_spin() -> None:
            await k.udelay(14_000_000)

        async def w_count() -> None:
            pass

        for work in (k.work(w_spin), k.work(w_count)):
            await k.queue_work_on(1, k.system_wq, work)
        await k.msleep(15_000)

    found = result(script, kernel, nr_cpus=2, watchdog_thresh=5, cpu_intensive_thresh_us=0)
    (text,) = {violation.text for violation in found.violations if "workqueue lockup" in violation.title}
    lines = text.splitlines()
    assert any(line.endswith(pwq) for line in lines)
    heading = "Showing backtraces of running workers in stalled CPU-bound worker pools:"
    assert (heading in lines) is backtraces
    if backtraces:
        shown = lines[lines.index(heading) + 1 :]
        assert task in shown[1]
        assert shown[2] == "Workqueue: events w_spin"
        assert any(line.startswith(" w_spin") for line in shown)


@pytest.mark.parametrize(("kernel", "told"), [("v5.9", False), ("v5.11", False), ("v6.1.0", True)])
def test_c0feea594e05_cancel_work_sync_tells_lockdep_of_the_work(kernel: str, told: bool) -> None:
    """The work takes the mutex that who cancels it holds: before, a flush was told of that, and a cancel was not."""

    async def script(k: Kernel) -> None:
        mutex = k.mutex("some_mutex")

        async def fn() -> None:
            await k.mutex_lock(mutex)
            await k.mutex_unlock(mutex)

        work = k.work(fn)
        await k.queue_work(k.system_wq, work)
        await k.msleep(10)
        await k.mutex_lock(mutex)
        await k.cancel_work_sync(work)
        await k.mutex_unlock(mutex)

    assert run(scenario()(script), RunOptions(kernel=kernel)).outcome() == ("circular-locking" if told else "clean")
