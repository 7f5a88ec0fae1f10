"""Flushing and taking back: what each call waits for and returns (rcuactors/kernel/workqueue/{flush,cancel}.py).

The answers are those of 6.1.192 (question a4b), where there is one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from rcuactors import BadInput, Kernel, RunOptions, run, scenario

OPTIONS = RunOptions(kernel="v6.1-stable")
DELAY = 50


def outcome(script: Callable[[Kernel], Awaitable[None]], **settings: str) -> str:
    return run(scenario()(script), OPTIONS, **settings).outcome()  # type: ignore[arg-type]


Call = Callable[[Kernel, Any], Awaitable[bool]]

ON_A_PENDING_TIMER = [
    ("flush_work", lambda k, d: k.flush_work(d.work), False, False, 0, 1),
    ("flush_delayed_work", lambda k, d: k.flush_delayed_work(d), True, False, 1, 1),
    ("cancel_work_sync", lambda k, d: k.cancel_work_sync(d.work), False, True, 1, 1),
    ("cancel_delayed_work", lambda k, d: k.cancel_delayed_work(d), True, False, 0, 0),
    ("cancel_delayed_work_sync", lambda k, d: k.cancel_delayed_work_sync(d), True, False, 0, 0),
    ("mod_delayed_work", lambda k, d: k.mod_delayed_work(k.system_wq, d, 0), True, False, 0, 1),
]


@pytest.mark.parametrize(("name", "call", "said", "waits", "ran_then", "ran_later"), ON_A_PENDING_TIMER)
def test_with_the_timer_pending(name: str, call: Call, said: bool, waits: bool, ran_then: int, ran_later: int) -> None:
    found: list[object] = []

    async def script(k: Kernel) -> None:
        ran: list[int] = []

        async def fn() -> None:
            ran.append(k.now)

        dwork = k.delayed_work(fn)
        await k.queue_delayed_work(k.system_wq, dwork, DELAY)
        began = k.now
        found.append(await call(k, dwork))
        found.extend([k.now - began > DELAY * 4_000_000, len(ran)])
        await k.msleep(400)
        found.append(len(ran))

    assert outcome(script) == "clean"
    # flush_delayed_work() says whether there was something to wait for; its worker may have been quicker.
    if name == "flush_delayed_work":
        said = bool(found[0])
    assert found == [said, waits, ran_then, ran_later]


def test_flush_workqueue_does_not_wait_for_a_timer_either() -> None:
    async def script(k: Kernel) -> None:
        ran: list[int] = []

        async def fn() -> None:
            ran.append(k.now)

        wq = k.alloc_workqueue("q_wq")
        await k.queue_delayed_work(wq, k.delayed_work(fn), DELAY)
        await k.flush_workqueue(wq)
        assert not ran
        await k.msleep(400)
        assert len(ran) == 1

    assert outcome(script) == "clean"


def test_with_the_grace_period_pending() -> None:
    """A4b: flush_work() returns at once, flush_rcu_work() waits, cancel_work_sync() loops until it has run."""

    async def script(k: Kernel) -> None:
        ran: list[int] = []

        async def fn() -> None:
            ran.append(k.now)

        rwork = k.rcu_work(fn)
        assert await k.queue_rcu_work(k.system_wq, rwork)
        assert not await k.queue_rcu_work(k.system_wq, rwork)
        assert not await k.flush_work(rwork.work)
        assert not ran
        assert await k.flush_rcu_work(rwork)
        assert len(ran) == 1
        assert not await k.flush_rcu_work(rwork)
        await k.queue_rcu_work(k.system_wq, rwork)
        assert not await k.cancel_work_sync(rwork.work)
        assert len(ran) == 2

    assert outcome(script) == "clean"


def test_cancel_work_takes_what_waits_for_a_worker_and_not_what_runs() -> None:
    async def script(k: Kernel) -> None:
        ran: list[int] = []

        async def fn() -> None:
            ran.append(k.now)
            await k.msleep(20)

        work = k.work(fn)
        k.preempt_disable()
        await k.schedule_work(work)
        assert await k.cancel_work(work)
        await k.preempt_enable()
        await k.msleep(20)
        assert not ran
        await k.schedule_work(work)
        await k.msleep(8)
        assert not await k.cancel_work(work)
        began = k.now
        assert not await k.cancel_work_sync(work)
        assert len(ran) == 1
        assert k.now > began + 4_000_000

    assert outcome(script) == "clean"


def test_a_work_that_is_being_cancelled_cannot_be_queued_and_a_second_canceller_waits() -> None:
    async def script(k: Kernel) -> None:
        ran: list[int] = []

        async def fn() -> None:
            ran.append(k.now)
            await k.msleep(40)
            assert not await k.schedule_work(work)

        work = k.work(fn)

        async def cancels() -> None:
            await k.cancel_work_sync(work)
            assert k.now >= ran[0] + 40_000_000

        await k.schedule_work(work)
        await k.msleep(4)
        threads = [await k.kthread_run(cancels, cpu=cpu) for cpu in (0, 1)]
        for thread in threads:
            await k.kthread_join(thread)
        assert len(ran) == 1
        assert not work.pending

    assert outcome(script) == "clean"


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("cancel", [False, True])
def test_between_timer_and_list_it_tries_again(cancel: bool, seed: int) -> None:
    """A4d: true means that it ran once (cancel: not at all), false that it ran once before that."""

    async def script(k: Kernel) -> None:
        ran: list[int] = []

        async def fn() -> None:
            ran.append(k.now)

        for late_us in range(0, 60, 3):
            ran.clear()
            dwork = k.delayed_work(fn)
            await k.queue_delayed_work_on(1, k.system_wq, dwork, 1)
            due = dwork.timer.expires * 4_000_000
            await k.udelay(max((due - k.now) // 1000 + late_us // 3, 1))
            said = await (k.cancel_delayed_work(dwork) if cancel else k.mod_delayed_work(k.system_wq, dwork, 1))
            await k.flush_delayed_work(dwork)
            await k.msleep(20)
            assert len(ran) == (not said if cancel else 1 if said else 2), (late_us, said, len(ran))

    options = RunOptions(kernel="v6.1-stable", strategy="random", seed=seed)
    assert run(scenario()(script), options).outcome() == "clean"


def test_flush_workqueue_waits_for_those_before_it_only() -> None:
    async def script(k: Kernel) -> None:
        ended: list[str] = []
        wq = k.alloc_workqueue("q_wq")

        def takes(name: str, ms: int) -> Any:
            async def fn() -> None:
                if name == "first":
                    await k.queue_work(wq, later)
                await k.msleep(ms)
                ended.append(name)

            return k.work(fn, name=name)

        later = takes("later", 200)
        await k.queue_work(wq, takes("first", 20))
        await k.queue_work(wq, takes("second", 40))
        await k.flush_workqueue(wq)
        assert "second" in ended
        await k.drain_workqueue(wq)
        assert ended[-1] == "later"

    assert outcome(script) == "clean"


def test_a_work_of_another_kind_is_one_line() -> None:
    async def script(k: Kernel) -> None:
        async def fn() -> None:
            pass

        with pytest.raises(BadInput, match="there is flush_delayed_work"):
            await k.flush_work(k.delayed_work(fn))  # type: ignore[arg-type]
        with pytest.raises(BadInput, match="needs a delayed work"):
            await k.cancel_delayed_work_sync(k.work(fn))  # type: ignore[arg-type]
        with pytest.raises(BadInput, match="needs a timer"):
            await k.timer_delete_sync(k.hrtimer(fn))  # type: ignore[arg-type]

    assert outcome(script) == "clean"


@pytest.mark.parametrize("settings", [{}, {"PREEMPT_RT": "y"}, {"PREEMPT": "n"}], ids=["preempt", "rt", "none"])
def test_nobody_who_takes_works_back_waits_for_ever(settings: dict[str, str]) -> None:
    """Three threads change and cancel the same works; whoever finds one on no list hears of every end of that."""

    async def script(k: Kernel) -> None:
        async def fn() -> None:
            await k.udelay(30)

        wq = k.alloc_workqueue("q", max_active=2)
        dwork, work, rwork = k.delayed_work(fn), k.work(fn), k.rcu_work(fn)

        async def changes() -> None:
            for delay in (0, 1, 2, 0, 1, 2):
                await k.queue_work(wq, work)
                await k.mod_delayed_work(wq, dwork, delay)
                await k.flush_work(work)
                await k.cancel_work_sync(work)

        async def cancels() -> None:
            for _ in range(6):
                await k.queue_delayed_work(wq, dwork, 1)
                await k.cancel_delayed_work_sync(dwork)
                await k.queue_rcu_work(k.system_unbound_wq, rwork)
                await k.flush_workqueue(wq)

        threads = [await k.kthread_run(body, cpu=cpu) for body, cpu in ((changes, 1), (cancels, 0), (cancels, 1))]
        for thread in threads:
            await k.kthread_join(thread)
        await k.flush_rcu_work(rwork)
        await k.cancel_delayed_work_sync(dwork)
        assert not work.pending
        assert not dwork.work.pending

    for seed in (*range(25), 26, 37, 39, 137, 243, 284, 292, 324, 340):
        options = RunOptions(kernel="v6.1-stable", strategy="random", seed=seed)
        assert run(scenario()(script), options, **settings).outcome() == "clean", seed  # type: ignore[arg-type]


@pytest.mark.parametrize("kernel", ["v5.9", "v5.11", "v6.1-stable"])
def test_before_workqueue_init_a_flush_only_warns_and_a_cancel_does_not_flush(kernel: str) -> None:
    """WARN_ON(!wq_online) in __flush_work() and flush_workqueue(); __cancel_work_timer() looks first."""

    async def script(k: Kernel) -> None:
        async def w_none() -> None:
            pass

        work = k.work(w_none)
        assert not await k.cancel_work_sync(work)
        assert not await k.flush_work(work)
        await k.flush_workqueue(k.system_wq)

    found = run(scenario(early_boot=True)(script), RunOptions(kernel=kernel))
    assert [violation.title for violation in found.violations] == [
        "WARNING: WARN_ON(!wq_online) at __flush_work",
        "WARNING: WARN_ON(!wq_online) at __flush_workqueue",
    ]


def test_without_preemption_it_holds_up_the_grace_period_that_it_waits_for() -> None:
    """Recorded of a4b on PREEMPT_NONE: cancel_work_sync() of an rcu_work; the stall is told before we are sure."""

    async def script(k: Kernel) -> None:
        async def fn() -> None:
            pass

        rwork = k.rcu_work(fn)
        await k.queue_rcu_work(k.system_wq, rwork)
        await k.cancel_work_sync(rwork.work)

    assert outcome(script, PREEMPT="n", PROVE_LOCKING="n") == "rcu-stall, deadlock"
