"""timer_delete_sync(), try_to_del_timer_sync(), hrtimer_cancel() (rcuactors/kernel/time/)."""

from __future__ import annotations

from typing import Any

import pytest

from rcuactors import Kernel, RunOptions, run, scenario

OPTIONS = RunOptions(kernel="v6.1-stable")


@pytest.mark.parametrize("rt", ["n", "y"])
@pytest.mark.parametrize("kind", ["timer", "hrtimer", "hard", "soft"])
def test_it_waits_for_the_handler(kind: str, rt: str) -> None:
    """-1 while it runs on another CPU; the synchronous one comes back after its end."""

    async def script(k: Kernel) -> None:
        began, ended = list[int](), list[int]()

        async def handler() -> None:
            began.append(k.now)
            await k.udelay(500)
            ended.append(k.now)

        if kind == "timer":
            timer: Any = k.timer_setup(handler)
            try_it: Any = k.try_to_del_timer_sync
            cancel: Any = k.timer_delete_sync
        else:
            timer = k.hrtimer(handler, hard=kind == "hard", soft=kind == "soft")
            try_it, cancel = k.hrtimer_try_to_cancel, k.hrtimer_cancel

        async def arm() -> None:
            await (k.mod_timer(timer, 1) if kind == "timer" else k.hrtimer_start(timer, 1_000_000))
            await k.udelay(12_000)

        assert await try_it(timer) == 0
        thread = await k.kthread_run(arm, cpu=1)
        while not began:
            await k.udelay(20)
        assert await try_it(timer) == -1
        assert not ended
        assert not await cancel(timer)
        assert ended
        await k.kthread_join(thread)
        await (k.mod_timer(timer, 100) if kind == "timer" else k.hrtimer_start(timer, 400_000_000))
        assert await try_it(timer) == 1
        await k.msleep(500)
        assert len(ended) == 1

    assert run(scenario()(script), OPTIONS, PREEMPT_RT=rt).outcome() == "clean"


def test_a_timer_that_deletes_itself_waits_for_ever() -> None:
    """M-dts-self: recursive locking, then the CPU spins."""

    async def script(k: Kernel) -> None:
        async def handler() -> None:
            await k.timer_delete_sync(timer)

        timer = k.timer_setup(handler, name="m_t")
        await k.mod_timer(timer, 1)
        await k.msleep(50)

    found = run(scenario()(script), OPTIONS)
    assert found.violations[0].kind.value == "recursive-locking"
    assert found.outcome() != "recursive-locking"


def test_a_timer_that_is_cancelled_does_not_run() -> None:
    async def script(k: Kernel) -> None:
        async def handler() -> None:
            raise AssertionError

        timer, hrtimer = k.timer_setup(handler), k.hrtimer(handler)
        await k.mod_timer(timer, 5)
        await k.hrtimer_start(hrtimer, 5_000_000)
        assert await k.timer_delete_sync(timer)
        assert await k.hrtimer_cancel(hrtimer)
        await k.msleep(100)

    assert run(scenario()(script), OPTIONS).clean


@pytest.mark.parametrize(
    ("where", "rt", "expected"),
    [("irq", "n", "bad-context"), ("preempt", "y", "bad-context"), ("preempt", "n", "clean")],
)
def test_where_it_may_not_be_waited_for(where: str, rt: str, expected: str) -> None:
    """M-dts-irq: WARN_ON(in_hardirq()); PREEMPT_RT has to be able to sleep."""

    async def script(k: Kernel) -> None:
        async def nothing() -> None:
            pass

        timer = k.timer_setup(nothing)

        async def delete() -> None:
            await k.timer_delete_sync(timer)

        if where == "irq":
            await k.raise_irq(delete)
            await k.msleep(10)
        else:
            k.preempt_disable()
            await delete()
            await k.preempt_enable()

    assert run(scenario()(script), OPTIONS, PREEMPT_RT=rt).outcome() == expected
