"""local_lock_t: each CPU's own, and no lock at all without PREEMPT_RT, though lockdep sees one (tests/recorded.py)."""

from __future__ import annotations

import pytest

from rcuactors import Kernel, RunOptions, run, scenario
from rcuactors.context.locks import Lock
from tests.recorded import A, N, R, asked, kinds


@pytest.mark.parametrize("kernel", [A, R, N], ids="ARN")
def test_nobody_waits_for_another_cpus(kernel: dict[str, str]) -> None:
    waited: list[int] = []

    async def script(k: Kernel) -> None:
        lock = k.local_lock_t("lock")

        async def user() -> None:
            asked_at = k.now
            await k.local_lock(lock)
            waited.append(k.now - asked_at)
            await k.udelay(50_000)
            await k.local_unlock(lock)

        async with k.open_nursery() as nursery:
            await nursery.start_soon(user, cpu=0)
            await nursery.start_soon(user, cpu=1)

    assert kinds(script, kernel) == []
    assert len(waited) == 2
    assert max(waited) < 1000


def test_two_cpus_have_two_locks_of_one_class() -> None:
    found: list[Lock] = []

    async def script(k: Kernel) -> None:
        lock = k.local_lock_t("lock")

        async def user() -> None:
            await k.local_lock(lock)
            found.append(k.machine.this_cpu.ctx.held[-1].lock)
            await k.local_unlock(lock)

        for cpu in (0, 1):
            await k.kthread_join(await k.kthread_run(user, cpu=cpu))

    assert asked(script, A).clean
    first, second = found
    assert first is not second
    assert first.lock_class is second.lock_class


async def _takes(k: Kernel, lock) -> None:
    await k.local_lock(lock)
    await k.local_unlock(lock)


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("context", ["hardirq", "softirq"])
def test_an_interrupt_of_the_same_cpu_does_not_wait_either(context: str, inside: bool) -> None:
    """Context and usage are judged as for any lock; nobody spins."""
    took: list[str] = []

    async def script(k: Kernel) -> None:
        lock = k.local_lock_t("lock")

        async def handler() -> None:
            await _takes(k, lock)
            took.append(context)

        async def interrupt() -> None:
            if context == "hardirq":
                await k.irq_work_queue(k.irq_work(handler, hard=True))
            else:
                await k.tasklet_schedule(handler)

        await k.local_lock(lock)
        if inside:
            await k.local_bh_disable()
            await interrupt()
            await k.local_bh_enable()
        await k.local_unlock(lock)
        if not inside:
            await interrupt()
            await k.msleep(2)

    assert kinds(script, A) == ["invalid-wait-context" if context == "hardirq" else "inconsistent-lock-state"]
    assert took == [context]
    assert kinds(script, N) == []


def test_recursion_is_reported_and_goes_on() -> None:
    async def script(k: Kernel) -> None:
        lock = k.local_lock_t("lock")
        await k.local_lock(lock)
        await _takes(k, lock)
        await k.local_unlock(lock)

    assert kinds(script, A) == ["recursive-locking"]
    assert kinds(script, R)[0] == "recursive-locking"
    assert kinds(script, {"PROVE_LOCKING": "n"}) == []


def test_order_is_reported_as_for_one_lock() -> None:
    async def script(k: Kernel) -> None:
        local, spin = k.local_lock_t("local"), k.spinlock("spin")

        async def one_way() -> None:
            await k.local_lock(local)
            await k.spin_lock(spin)
            await k.spin_unlock(spin)
            await k.local_unlock(local)

        await k.kthread_join(await k.kthread_run(one_way, cpu=1))
        await k.spin_lock(spin)
        await _takes(k, local)
        await k.spin_unlock(spin)

    assert kinds(script, A) == ["circular-locking"]


def test_under_a_raw_lock() -> None:
    async def script(k: Kernel) -> None:
        raw, lock = k.raw_spinlock("raw"), k.local_lock_t("lock")
        await k.raw_spin_lock(raw)
        await _takes(k, lock)
        await k.raw_spin_unlock(raw)

    assert kinds(script, A) == ["invalid-wait-context"]
    assert kinds(script, R) == ["invalid-wait-context", "sleeping-function"]


def test_on_rt_a_second_thread_of_the_cpu_waits() -> None:
    times: list[int] = []

    async def script(k: Kernel) -> None:
        lock = k.local_lock_t("lock")

        async def first() -> None:
            await k.local_lock(lock)
            await k.udelay(300)
            await k.local_unlock(lock)

        async def second() -> None:
            began = k.now
            await _takes(k, lock)
            times.append(k.now - began)

        async with k.open_nursery() as nursery:
            await nursery.start_soon(first, cpu=1)
            await k.udelay(100)
            await nursery.start_soon(second, cpu=1, urgent=True)

    assert kinds(script, R) == []
    assert times[0] > 100_000


def test_irqsave() -> None:
    seen: list[tuple[bool, bool]] = []

    async def script(k: Kernel) -> None:
        lock = k.local_lock_t("lock")
        flags = await k.local_lock_irqsave(lock)
        inside = k.irqs_disabled()
        await k.local_unlock_irqrestore(lock, flags)
        await k.local_lock_irq(lock)
        assert k.irqs_disabled() is inside
        await k.local_unlock_irq(lock)
        seen.append((inside, k.irqs_disabled()))

    assert kinds(script, A) == kinds(script, R) == kinds(script, N) == []
    assert seen == [(True, False), (False, False), (True, False)]


@pytest.mark.parametrize("kernel", ["v5.9", "v6.1-stable"])
def test_who_sleeps_under_it_leaves_it_to_the_next_one_of_his_cpu(kernel: str) -> None:
    """Without PREEMPT_RT there is nothing to wait for; a kernel with lockdep knows an owner (local_lock_acquire())."""

    @scenario()
    async def script(k: Kernel) -> None:
        lock = k.local_lock_t("lock")

        async def sleeps() -> None:
            await k.local_lock(lock)
            await k.msleep(5)
            await k.local_unlock(lock)

        async def finds_it() -> None:
            await k.msleep(1)
            await k.local_lock(lock)
            await k.local_unlock(lock)

        async with k.open_nursery() as nursery:
            await nursery.start_soon(sleeps, cpu=1)
            await nursery.start_soon(finds_it, cpu=1)

    result = run(script, RunOptions(kernel=kernel))
    assert result.outcome() == "scheduling-while-atomic, bad-context"
    assert result.violations[1].title == "WARNING: DEBUG_LOCKS_WARN_ON(l->owner)"
    assert run(script, RunOptions(kernel=kernel), PROVE_LOCKING="n").outcome() == "scheduling-while-atomic"
