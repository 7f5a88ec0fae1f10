"""The lockdep maps of works, workqueues and timers (process_one_work(), __flush_work(), __timer_delete_sync())."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from rcuactors import Kernel, RunOptions, run, scenario
from rcuactors.kernel.workqueue import WqFlags


def report(script: Callable[[Kernel], Awaitable[None]], kernel: str = "v6.1-stable", **settings: str) -> Any:
    return run(scenario()(script), RunOptions(kernel=kernel), **settings)  # type: ignore[arg-type]


async def _nothing(_k: Kernel, _work: Any, _wq: Any) -> None:
    pass


CALLS: dict[str, Callable[[Kernel, Any, Any], Awaitable[Any]]] = {
    "flush": lambda k, work, _wq: k.flush_work(work),
    "cancel": lambda k, work, _wq: k.cancel_work_sync(work),
    "flushwq": lambda k, _work, wq: k.flush_workqueue(wq),
    "drain": lambda k, _work, wq: k.drain_workqueue(wq),
    "nothing": _nothing,
}


@pytest.mark.parametrize(
    ("call", "kernel", "expected"),
    [
        ("flush", "v6.1-stable", "circular-locking"),
        ("flush", "v5.9", "circular-locking"),
        ("flushwq", "v6.1-stable", "circular-locking"),
        ("drain", "v5.11", "circular-locking"),
        # c0feea594e05: before, cancel_work_sync() left the map out.
        ("cancel", "v6.1-stable", "circular-locking"),
        ("cancel", "v5.11", "clean"),
        ("cancel", "v5.9", "clean"),
        ("nothing", "v6.1-stable", "clean"),
        # c35aea39d1e1: of an idle work there is nothing to wait for.
        ("flush", "v6.6", "circular-locking"),
        ("cancel", "v6.6", "circular-locking"),
        ("flush", "v6.12.0", "clean"),
        ("cancel", "v6.12", "clean"),
        ("flushwq", "v6.12", "circular-locking"),
        ("drain", "v6.12", "circular-locking"),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_under_a_mutex_that_the_idle_work_takes(call: str, kernel: str, expected: str, first: bool) -> None:
    """A4a; what has never run is not known to take it (flush-never-ran)."""

    async def script(k: Kernel) -> None:
        mutex, wq = k.mutex("q_mutex"), k.alloc_workqueue("q_wq")

        async def w_mutex() -> None:
            await k.mutex_lock(mutex)
            await k.mutex_unlock(mutex)

        work = k.declare_work(w_mutex, name="w_m")
        if first:
            await k.queue_work(wq, work)
            await k.flush_work(work)
        await k.mutex_lock(mutex)
        await CALLS[call](k, work, wq)
        await k.mutex_unlock(mutex)

    found = report(script, kernel)
    assert found.outcome() == (expected if first else "clean")
    if first and call == "flush" and expected != "clean":
        text = found.violations[0].text
        assert "(w_m){+.+.}-{0:0}, at: __flush_work" in text
        assert "-> #1 (q_mutex){+.+.}" in text
    if first and call == "flushwq":
        assert "(wq_completion)q_wq --> w_m --> q_mutex" in found.violations[0].text


def test_the_maps_are_held_while_it_runs() -> None:
    """F5-dump-work and -dwork."""
    shown: list[str] = []

    async def script(k: Kernel) -> None:
        async def c_work() -> None:
            shown.extend(f"{held.lock.name}, at: {held.site}" for held in k.machine.current.ctx.held)

        wq = k.alloc_workqueue("q_wq")
        await k.queue_work(wq, k.work(c_work, name="c_w"))
        await k.flush_workqueue(wq)
        await k.queue_delayed_work(wq, k.delayed_work(c_work, name="c_dw"), 2)
        await k.msleep(40)

    assert report(script).clean
    assert shown == [
        "(wq_completion)q_wq, at: process_one_work",
        "(work_completion)(&c_w), at: process_one_work",
        "(wq_completion)q_wq, at: process_one_work",
        "(work_completion)(&(&c_dw)->work), at: process_one_work",
    ]


def test_a_work_that_flushes_itself() -> None:
    """M-flush-self: lockdep sees it, and then it waits for ever."""

    async def script(k: Kernel) -> None:
        async def m_flush_self() -> None:
            await k.flush_work(work)

        work = k.work(m_flush_self, name="m_w")
        await k.schedule_work(work)
        await k.msleep(50)

    found = report(script)
    assert found.outcome() == "recursive-locking, hung-task"
    assert "lock((work_completion)(&m_w));" in found.violations[0].text


def test_two_works_of_one_name_are_two_classes() -> None:
    async def script(k: Kernel) -> None:
        async def fn() -> None:
            pass

        inner = k.work(fn)

        async def outer() -> None:
            await k.schedule_work(inner)
            await k.flush_work(inner)

        work = k.work(outer, name="fn")
        await k.schedule_work(work)
        await k.flush_work(work)

    assert report(script).clean


def test_flush_in_an_ordered_workqueue_takes_its_map() -> None:
    """start_flush_work(): of a queue of one at a time, or with a rescuer, a work of it must not flush another."""

    async def script(k: Kernel) -> None:
        wq = k.alloc_ordered_workqueue("q_wqo")

        async def inner() -> None:
            pass

        other = k.work(inner)

        async def outer() -> None:
            await k.queue_work(wq, other)
            await k.flush_work(other)

        await k.queue_work(wq, k.work(outer))
        await k.msleep(50)

    found = report(script)
    assert found.outcome() == "recursive-locking, hung-task"
    assert "lock((wq_completion)q_wqo);" in found.violations[0].text


def test_a_leaked_mutex_is_told_again_after_every_later_work() -> None:
    """F6-leakmutex-work."""

    async def script(k: Kernel) -> None:
        mutex = k.mutex("q_mutex")

        async def c_work() -> None:
            await k.mutex_lock(mutex)

        async def free_work() -> None:
            pass

        wq = k.alloc_workqueue("q_wq")
        for queue, work in ((wq, k.work(c_work)), (k.system_wq, k.work(free_work))):
            await k.queue_work(queue, work)
            await k.flush_work(work)

    found = report(script)
    assert [violation.title for violation in found.violations][:2] == [
        "BUG: workqueue leaked lock or atomic: kworker/0:1/0x00000000/21"
    ] * 2
    first, second = (violation.text.splitlines() for violation in found.violations[:2])
    assert first[1:3] == ["     last function: c_work", "1 lock held by kworker/0:1/21:"]
    assert "(q_mutex){+.+.}" in first[3]
    assert "at: c_work" in first[3]
    assert second[1] == "     last function: free_work"


@pytest.mark.parametrize("held", ["q_spin", "nothing"])
def test_timer_delete_sync_under_a_lock_that_the_timer_takes(held: str) -> None:
    """M-dts-lock: circular, though the timer is idle."""

    async def script(k: Kernel) -> None:
        lock = k.spinlock("q_spin")

        async def m_lock_t() -> None:
            await k.spin_lock(lock)
            await k.spin_unlock(lock)

        timer = k.timer_setup(m_lock_t, name="m_t")
        await k.mod_timer(timer, 1)
        await k.msleep(20)
        if held == "q_spin":
            await k.spin_lock_bh(lock)
        await k.timer_delete_sync(timer)
        if held == "q_spin":
            await k.spin_unlock_bh(lock)

    found = report(script)
    assert found.outcome() == ("circular-locking" if held == "q_spin" else "clean")
    if held == "q_spin":
        assert "((&m_t)){+.-.}-{0:0}, at: __timer_delete_sync" in found.violations[0].text


def test_mem_reclaim_must_not_flush_what_has_no_rescuer() -> None:
    """check_flush_dependency(): B15, commit dfd3df31c9db."""

    async def script(k: Kernel) -> None:
        nvme = k.alloc_workqueue("nvme-wq", WqFlags.MEM_RECLAIM)

        async def kfree_rcu_work() -> None:
            await k.msleep(8)

        other = k.work(kfree_rcu_work)

        async def nvme_scan_work() -> None:
            await k.queue_work(k.system_unbound_wq, other)
            await k.flush_work(other)

        await k.queue_work(nvme, k.work(nvme_scan_work))
        await k.flush_workqueue(nvme)

    found = report(script)
    assert [violation.title for violation in found.violations] == [
        (
            "WARNING: workqueue: WQ_MEM_RECLAIM nvme-wq:nvme_scan_work is flushing "
            "!WQ_MEM_RECLAIM events_unbound:kfree_rcu_work"
        )
    ]
