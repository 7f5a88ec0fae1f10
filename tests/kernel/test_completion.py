"""Completions and the reports of waits that never end (rcuactors/kernel/completion.py, waiting.py)."""

from __future__ import annotations

import pytest

from rcuactors import Kernel, run, scenario
from tests.recorded import A, R, kinds


def test_complete_before_and_after_the_wait() -> None:
    async def script(k: Kernel) -> None:
        done = k.completion()
        await k.complete(done)
        await k.wait_for_completion(done)

        async def later() -> None:
            await k.udelay(100)
            await k.complete(done)

        await k.kthread_run(later, cpu=1)
        began = k.now
        await k.wait_for_completion(done)
        assert k.now - began >= 90_000

    assert run(scenario()(script)).clean


def test_complete_wakes_one_waiter_in_the_order_of_their_coming() -> None:
    order: list[int] = []

    async def script(k: Kernel) -> None:
        done = k.completion()

        async def waiter(number: int) -> None:
            await k.wait_for_completion(done)
            order.append(number)

        async with k.open_nursery() as nursery:
            for number in range(3):
                await nursery.start_soon(waiter, number)
                await k.usleep_range(10, 10)
            for count in range(3):
                assert order == list(range(count))
                await k.complete(done)
                await k.usleep_range(10, 10)

    assert run(scenario()(script)).clean
    assert order == [0, 1, 2]


def test_complete_all_lets_everybody_through() -> None:
    async def script(k: Kernel) -> None:
        done = k.completion()

        async def waiter() -> None:
            await k.wait_for_completion(done)

        async with k.open_nursery() as nursery:
            for cpu in (0, 1, 1):
                await nursery.start_soon(waiter, cpu=cpu)
            await k.usleep_range(10, 10)
            await k.complete_all(done)
            await k.complete(done)
        await k.wait_for_completion(done)
        await k.wait_for_completion(done)

    assert run(scenario()(script)).clean


def test_two_threads_may_join_the_same_one() -> None:
    joined: list[str] = []

    async def script(k: Kernel) -> None:
        async def worker() -> None:
            await k.usleep_range(100, 100)

        task = await k.kthread_run(worker)

        async def joiner(name: str) -> None:
            await k.kthread_join(task)
            joined.append(name)

        async with k.open_nursery() as nursery:
            await nursery.start_soon(joiner, "a")
            await nursery.start_soon(joiner, "b", cpu=1)
        await k.kthread_join(task)

    assert run(scenario()(script)).clean
    assert sorted(joined) == ["a", "b"]


def test_complete_in_an_interrupt() -> None:
    async def script(k: Kernel) -> None:
        done = k.completion()

        async def handler() -> None:
            await k.complete(done)

        await k.raise_irq(handler, cpu=1)
        await k.wait_for_completion(done)

    assert run(scenario()(script), PROVE_RAW_LOCK_NESTING="y").clean


def test_a_wait_that_nobody_ends_is_named() -> None:
    async def script(k: Kernel) -> None:
        await k.wait_for_completion(k.completion("the answer"))

    result = run(scenario()(script))
    assert result.outcome() == "deadlock"
    assert "waits for the answer" in result.violations[0].text


def test_two_mutexes_in_two_orders() -> None:
    async def script(k: Kernel) -> None:
        a, b = k.mutex("A"), k.mutex("B")

        async def one(first, second) -> None:
            await k.mutex_lock(first)
            await k.usleep_range(100, 100)
            await k.mutex_lock(second)

        await k.kthread_run(one, a, b, cpu=0, name="ab")
        await k.kthread_run(one, b, a, cpu=1, name="ba")

    assert run(scenario()(script)).outcome() == "circular-locking, deadlock"
    for settings, waits in (({}, "spins"), ({"PREEMPT_RT": "y"}, "sleeps")):
        result = run(scenario()(script), PROVE_LOCKING="n", **settings)
        assert result.outcome() == "deadlock"
        text = result.violations[0].text
        # The first of them found the owner asleep, the second one the owner off its CPU, or not.
        assert "sleeps on B" in text
        assert f"{waits} on A" in text
        assert "ab/" in text
        assert "ba/" in text


@pytest.mark.parametrize("rt", ["n", "y"])
def test_a_wait_that_is_limited(rt: str) -> None:
    """What is returned is 0, or the jiffies that were left; who has given up is no waiter any more."""

    async def script(k: Kernel) -> None:
        done = k.completion()
        began = k.jiffies
        assert await k.wait_for_completion_timeout(done, 5) == 0
        assert 5 <= k.jiffies - began <= 7

        async def later() -> None:
            await k.msleep(20)
            await k.complete(done)

        await k.kthread_run(later, cpu=1)
        left = await k.wait_for_completion_timeout(done, 100)
        assert 80 < left < 100
        # Nobody else has had what was completed, and nobody waits.
        assert await k.wait_for_completion_timeout(done, 1) == 0
        await k.complete(done)
        assert await k.wait_for_completion_timeout(done, 0) == 1
        await k.complete_all(done)
        assert await k.wait_for_completion_timeout(done, 3) == 3
        await k.wait_for_completion(done)

    assert run(scenario()(script), HZ="250", PREEMPT_RT=rt).clean


def test_it_says_that_it_might_sleep_and_leaves_interrupts_on() -> None:
    """Recorded of m v=waitirq on 6.1.192."""

    async def script(k: Kernel) -> None:
        k.local_irq_disable()
        assert await k.wait_for_completion_timeout(k.completion(), 2) == 0
        assert not k.irqs_disabled()

    assert kinds(script, A) == kinds(script, R) == ["sleeping-function"]
