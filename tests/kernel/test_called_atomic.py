"""schedule() where it must not be called: what is reported, and what is off afterwards.

As recorded 6.1.192 kernels have it (tests/recorded.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from rcuactors import Kernel, RunOptions, run, scenario
from tests.recorded import A, N, R, asked, kinds

Act = Callable[[Kernel], Awaitable[None]]


async def _schedule(k: Kernel) -> None:
    await k.schedule()


async def _msleep(k: Kernel) -> None:
    await k.msleep(5)


async def _cond_resched(k: Kernel) -> None:
    await k.cond_resched()


async def _mutex(k: Kernel) -> None:
    lock = k.mutex("lock")
    await k.mutex_lock(lock)
    await k.mutex_unlock(lock)


async def _completion(k: Kernel) -> None:
    done = k.completion()
    await k.complete(done)
    await k.wait_for_completion(done)


@pytest.mark.parametrize("kernel", [A, R, N], ids="ARN")
@pytest.mark.parametrize("act", [_schedule, _msleep])
def test_with_interrupts_off_it_is_silent_and_comes_back_with_them_on(act: Act, kernel: dict[str, str]) -> None:
    seen: list[bool] = []

    async def script(k: Kernel) -> None:
        k.local_irq_disable()
        await act(k)
        seen.append(k.irqs_disabled())
        await k.local_irq_enable()

    assert kinds(script, kernel) == []
    assert seen == [False]


@pytest.mark.parametrize("kernel", [A, R], ids="AR")
@pytest.mark.parametrize("act", [_cond_resched, _mutex])
def test_what_may_sleep_says_so_and_leaves_them_off(act: Act, kernel: dict[str, str]) -> None:
    seen: list[bool] = []

    async def script(k: Kernel) -> None:
        k.local_irq_disable()
        await act(k)
        seen.append(k.irqs_disabled())
        await k.local_irq_enable()

    assert kinds(script, kernel) == ["sleeping-function"]
    assert seen == [True]


def test_a_completion_is_waited_for_under_spin_lock_irq() -> None:
    """wait_for_common() (kernel/sched/completion.c)."""
    seen: list[bool] = []

    async def script(k: Kernel) -> None:
        k.local_irq_disable()
        await _completion(k)
        seen.append(k.irqs_disabled())

    assert kinds(script, A) == ["sleeping-function"]
    assert seen == [False]


def test_flags_that_are_restored_then_are_bogus() -> None:
    async def script(k: Kernel) -> None:
        flags = k.local_irq_save()
        await k.msleep(5)
        await k.local_irq_restore(flags)

    assert kinds(script, A) == kinds(script, R) == ["bad-context"]
    assert kinds(script, A, DEBUG_IRQFLAGS="n") == []


def test_kernels_before_5_12_do_not_look() -> None:
    async def script(k: Kernel) -> None:
        flags = k.local_irq_save()
        await k.msleep(5)
        await k.local_irq_restore(flags)

    assert run(scenario()(script), RunOptions(kernel="v5.11", settings=A)).clean


def test_lockdep_sees_what_is_held_when_it_comes_back() -> None:
    """What an interrupt takes must not be held with interrupts on, which it is then."""

    async def script(k: Kernel) -> None:
        lock = k.raw_spinlock("lock")

        async def handler() -> None:
            await k.raw_spin_lock(lock)
            await k.raw_spin_unlock(lock)

        await k.raise_irq(handler)
        flags = await k.raw_spin_lock_irqsave(lock)
        await k.schedule()
        await k.raw_spin_unlock_irqrestore(lock, flags)

    assert kinds(script, A)[:2] == ["scheduling-while-atomic", "inconsistent-lock-state"]


# -- a preempt_count ---------------------------------------------------------------------------------------


async def _sleeps_under_preempt_disable(k: Kernel) -> None:
    k.preempt_disable()
    k.preempt_disable()
    await k.msleep(5)
    assert k.preempt_count() == 0
    await k.preempt_enable()
    await k.preempt_enable()
    assert k.preempt_count() == 0


def test_the_count_is_gone_and_the_enable_that_belongs_to_it_one_too_many() -> None:
    assert kinds(_sleeps_under_preempt_disable, A) == ["scheduling-while-atomic", "bad-context"]
    assert kinds(_sleeps_under_preempt_disable, R) == ["scheduling-while-atomic", "bad-context"]


def test_without_debug_preempt_nobody_looks_at_that_again() -> None:
    result = asked(_sleeps_under_preempt_disable, A, DEBUG_PREEMPT="n")
    assert result.outcome() == "scheduling-while-atomic"
    assert kinds(_sleeps_under_preempt_disable, N) == []


def test_it_is_the_same_with_a_lock() -> None:
    async def script(k: Kernel) -> None:
        lock = k.spinlock("lock")
        await k.spin_lock(lock)
        await k.msleep(5)
        await k.spin_unlock(lock)

    assert kinds(script, A) == ["scheduling-while-atomic", "bad-context"]
    assert kinds(script, R) == ["voluntary-switch-in-reader"]


def test_a_reader_of_a_kernel_without_preemption_has_a_count_to_lose() -> None:
    async def script(k: Kernel) -> None:
        k.rcu_read_lock()
        await k.msleep(5)
        k.rcu_read_unlock()
        assert k.preempt_count() == 0

    assert "scheduling-while-atomic" in kinds(script, {"PREEMPT": "n"})


# -- handlers ----------------------------------------------------------------------------------------------


def test_a_softirq_that_sleeps_is_a_softirq_to_lockdep_all_the_same() -> None:
    """Its own record of being in one is not lost with the count, so that its locks are used in a softirq only."""

    async def script(k: Kernel) -> None:
        lock = k.spinlock("lock")

        async def sleeps() -> None:
            await k.msleep(2)
            await k.spin_lock(lock)
            await k.spin_unlock(lock)

        await k.spin_lock_bh(lock)
        await k.spin_unlock_bh(lock)
        await k.tasklet_schedule(sleeps)
        await k.msleep(20)

    assert kinds(script, A, DEBUG_LOCKDEP="n") == ["scheduling-while-atomic", "bad-context"]
    assert kinds(script, A) == ["scheduling-while-atomic", "bad-context"]


@pytest.mark.parametrize("busy", [True, False], ids=["thread", "idle"])
def test_an_interrupt_that_sleeps_leaves_a_count_that_the_next_can_be_served_with(busy: bool) -> None:
    served: list[int] = []

    async def script(k: Kernel) -> None:
        async def sleeps() -> None:
            await k.usleep_range(50, 50)

        async def plain() -> None:
            served.append(k.preempt_count())

        async def spins() -> None:
            await k.udelay(500)

        if busy:
            await k.kthread_run(spins, cpu=1)
            await k.udelay(20)
        await k.raise_irq(sleeps, cpu=1)
        await k.udelay(200)
        await k.raise_irq(plain, cpu=1)
        await k.udelay(500)

    assert "scheduling-while-atomic" in kinds(script, A)
    assert served == [0x10000 if busy else 0x10001]


def test_msleep_goes_on_when_somebody_else_wakes_it() -> None:
    """msleep(): `while (timeout) timeout = schedule_timeout_uninterruptible(timeout)`."""
    slept: list[int] = []

    async def script(k: Kernel) -> None:
        async def sleeper() -> None:
            began = k.now
            await k.msleep(20)
            slept.append(k.now - began)

        task = await k.kthread_run(sleeper, cpu=1)
        await k.msleep(4)
        assert await k.wake_up_process(task)
        await k.kthread_join(task)

    assert kinds(script, A) == []
    assert slept[0] >= 20_000_000


@pytest.mark.parametrize("hard", [False, True])
def test_who_sleeps_in_a_hardirq_handler_loses_its_stack(hard: bool) -> None:
    """Recorded of msleep() in an irq_work, with lockdep: a warning of the next thread's, and the machine hangs.

    On PREEMPT_RT softirqs have no stack of their own, and it comes back.
    """

    async def script(k: Kernel) -> None:
        async def handler() -> None:
            await k.msleep(2)

        await k.irq_work_queue(k.irq_work(handler, hard=hard))
        k.pr_info("back")

    found = asked(script, A).violations
    assert [violation.title.split(": ")[1].split("/")[0] for violation in found] == [
        "scheduling while atomic",
        "DEBUG_LOCKS_WARN_ON(lockdep_hardirq_context())",
        "script",
    ]
    assert [violation.by for violation in found] == ["kernel", "kernel", "oracle"]
    assert found[-1].title.endswith("slept in a hardirq handler, and softirqs have used its stack since")
    if hard:
        assert kinds(script, R) == ["scheduling-while-atomic", "bad-context"]
