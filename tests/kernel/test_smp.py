"""Calls to another CPU (rcuactors/kernel/smp.py)."""

from __future__ import annotations

import pytest

from rcuactors import BadInput, Kernel, RunOptions, run, scenario

HARDIRQ = 0x10000


@pytest.mark.parametrize("wait", [True, False])
def test_it_runs_in_hardirq_over_there(wait: bool) -> None:
    seen: list[tuple[int, int, bool]] = []

    async def script(k: Kernel) -> None:
        async def busy() -> None:
            await k.udelay(300)

        async def fn() -> None:
            await k.udelay(50)
            seen.append((k.smp_processor_id(), k.preempt_count(), k.irqs_disabled()))

        await k.kthread_run(busy, cpu=1)
        await k.udelay(20)
        began = k.now
        await k.smp_call_function_single(1, fn, wait=wait)
        assert bool(seen) is wait
        assert k.now - began > 50_000 if wait else k.now - began < 10_000
        assert k.now - began < 60_000
        assert k.preempt_count() == 0

    assert run(scenario()(script)).clean
    assert seen == [(1, HARDIRQ, True)]


def test_on_this_cpu_it_is_a_call_with_interrupts_off() -> None:
    seen: list[tuple[int, bool]] = []

    async def script(k: Kernel) -> None:
        async def fn() -> None:
            seen.append((k.preempt_count(), k.irqs_disabled()))

        await k.smp_call_function_single(0, fn)
        assert not k.irqs_disabled()

    assert run(scenario()(script)).clean
    assert seen == [(1, True)]


def test_the_caller_keeps_its_cpu_and_serves_interrupts_meanwhile() -> None:
    order: list[str] = []

    async def script(k: Kernel) -> None:
        async def urgent() -> None:
            order.append("urgent thread")

        async def irq() -> None:
            order.append("irq")

        async def far() -> None:
            await k.raise_irq(irq, cpu=0)
            await k.kthread_run(urgent, cpu=0, urgent=True)
            await k.udelay(100)
            order.append("returns")

        await k.smp_call_function_single(1, far)
        order.append("goes on")

    assert run(scenario()(script)).clean
    assert order == ["irq", "returns", "urgent thread", "goes on"]


def test_a_spinlock_in_it_is_reported() -> None:
    async def script(k: Kernel) -> None:
        lock = k.spinlock("S")

        async def fn() -> None:
            await k.spin_lock(lock)
            await k.spin_unlock(lock)

        await k.smp_call_function_single(1, fn)

    result = run(scenario()(script), kernel="v6.1-stable", PROVE_RAW_LOCK_NESTING="y")
    assert result.outcome() == "invalid-wait-context"


def test_a_call_that_is_never_served_is_a_lockup() -> None:
    async def script(k: Kernel) -> None:
        async def spinner() -> None:
            k.local_irq_disable()
            await k.smp_call_function_single(0, k.cpu_relax)

        await k.kthread_run(spinner, cpu=1)
        k.local_irq_disable()
        await k.udelay(50)
        await k.smp_call_function_single(1, k.cpu_relax)

    result = run(scenario()(script), RunOptions(settings={"PROVE_LOCKING": "n", "HARDLOCKUP_DETECTOR": "y"}))
    assert result.outcome() == "hard-lockup, deadlock"
    assert "smp_call_function_single() on CPU 1" in result.violations[-1].text
    assert "smp_call_function_single() on CPU 0" in result.violations[-1].text


def test_no_such_cpu() -> None:
    async def script(k: Kernel) -> None:
        await k.smp_call_function_single(9, k.cpu_relax)

    with pytest.raises(BadInput, match="cpu=9"):
        run(scenario()(script))
