"""Bottom halves enabled where one may not: with interrupts off, in hardirq, or more often than disabled.

Reports, their order, and what is off afterwards are those of recorded 6.1.192 kernels (tests/recorded.py).
"""

from __future__ import annotations

import pytest

from rcuactors import Kernel, KernelBug
from tests.recorded import A, N, R, asked, kinds

ENABLE = "WARNING: WARN_ON({}) at __local_bh_enable_ip"
IRQS_OFF = ENABLE.format("debug_locks && !hardirqs_enabled")


def titles(script, kernel: dict[str, str], **settings: str) -> list[str]:
    return [violation.title for violation in asked(script, kernel, **settings).violations]


@pytest.mark.parametrize(("kernel", "off"), [(A, False), (R, True), (N, True)], ids="ARN")
def test_with_interrupts_off(kernel: dict[str, str], off: bool) -> None:
    """Where they are traced the warning also turns them on; on PREEMPT_RT and without lockdep they stay off."""
    seen: list[bool] = []

    async def script(k: Kernel) -> None:
        k.local_irq_disable()
        await k.local_bh_disable()
        await k.local_bh_enable()
        seen.append(k.irqs_disabled())
        await k.local_irq_enable()

    assert titles(script, kernel) == ([] if kernel is N else [IRQS_OFF])
    assert seen == [off]


def test_it_is_said_once() -> None:
    async def script(k: Kernel) -> None:
        for _ in range(2):
            k.local_irq_disable()
            await k.local_bh_disable()
            await k.local_bh_enable()
            await k.local_irq_enable()

    assert titles(script, A) == titles(script, R) == [IRQS_OFF]


def test_nobody_says_so_once_lockdep_is_off() -> None:
    async def script(k: Kernel) -> None:
        await k.preempt_enable()
        k.local_irq_disable()
        await k.local_bh_disable()
        await k.local_bh_enable()
        assert not k.irqs_disabled()

    assert titles(script, A) == ["WARNING: DEBUG_LOCKS_WARN_ON(val > preempt_count())"]


def test_a_lock_taken_with_interrupts_off_is_given_back_with_them_on() -> None:
    async def script(k: Kernel) -> None:
        raw = k.raw_spinlock("raw")
        flags = await k.raw_spin_lock_irqsave(raw)
        await k.local_bh_disable()
        await k.local_bh_enable()
        await k.raw_spin_unlock_irqrestore(raw, flags)

    bogus = "WARNING: raw_local_irq_restore() called with IRQs enabled"
    assert titles(script, A) == [IRQS_OFF, bogus]
    assert titles(script, A, DEBUG_IRQFLAGS="n") == [IRQS_OFF]
    assert titles(script, R) == [IRQS_OFF]


def test_lockdep_sees_what_is_held_when_they_go_on() -> None:
    async def script(k: Kernel) -> None:
        lock = k.raw_spinlock("lock")

        async def handler() -> None:
            await k.raw_spin_lock(lock)
            await k.raw_spin_unlock(lock)

        await k.raise_irq(handler)
        k.local_irq_disable()
        await k.raw_spin_lock(lock)
        await k.local_bh_disable()
        await k.local_bh_enable()
        await k.raw_spin_unlock(lock)
        await k.local_irq_enable()

    assert kinds(script, A) == ["bad-context", "inconsistent-lock-state"]


@pytest.mark.parametrize("kernel", [A, R], ids="AR")
def test_in_hardirq_disabling_is_wrong_already(kernel: dict[str, str]) -> None:
    async def script(k: Kernel) -> None:
        async def handler() -> None:
            await k.local_bh_disable()
            await k.local_bh_enable()

        await k.hrtimer_start(k.hrtimer(handler, hard=True), 1000)
        await k.msleep(1)

    found = titles(script, kernel)
    disable = "WARNING: WARN_ON(in_hardirq()) at __local_bh_disable_ip"
    assert found[:3] == [disable, ENABLE.format("in_hardirq()"), IRQS_OFF]
    # Turning them on in a handler is something that lockdep does not survive.
    assert found[3:] == ([] if kernel is R else ["WARNING: DEBUG_LOCKS_WARN_ON(lockdep_hardirq_context())"])


def test_an_irq_work_that_enables_interrupts_is_the_end() -> None:
    """Recorded of a6 v=hardirq: irq_work_run() looks at its second list with interrupts on. PREEMPT_RT does not ask."""

    async def script(k: Kernel) -> None:
        async def handler() -> None:
            await k.local_bh_disable()
            await k.local_bh_enable()

        await k.irq_work_queue(k.irq_work(handler, hard=True))

    with pytest.raises(KernelBug, match=r"^-+\[ cut here \]-+\nkernel BUG at irq_work_run_list!\n"):
        asked(script, A)
    assert titles(script, R)[-1] == IRQS_OFF


def test_without_lockdep_enabling_is() -> None:
    """local_bh_disable() is an addition there (include/linux/bottom_half.h)."""

    async def script(k: Kernel) -> None:
        async def handler() -> None:
            await k.local_bh_disable()
            await k.local_bh_enable()

        await k.irq_work_queue(k.irq_work(handler, hard=True))

    assert titles(script, N) == [ENABLE.format("in_hardirq()")]


def test_the_warning_is_worded_as_the_kernels() -> None:
    async def script(k: Kernel) -> None:
        k.local_irq_disable()
        await k.local_bh_disable()
        await k.local_bh_enable()
        await k.local_irq_enable()

    (report,) = asked(script, A).violations
    lines = report.text.splitlines()
    assert lines[0] == "------------[ cut here ]------------"
    assert lines[1].startswith("WARNING: CPU: 0 PID: 20 at __local_bh_enable_ip")
    assert report.trace[0] == "__local_bh_enable_ip"


def test_spin_lock_bh_in_a_hard_timer() -> None:
    async def script(k: Kernel) -> None:
        lock = k.spinlock("lock")

        async def handler() -> None:
            await k.spin_lock_bh(lock)
            await k.spin_unlock_bh(lock)

        await k.hrtimer_start(k.hrtimer(handler, hard=True), 1000)
        await k.msleep(5)

    assert kinds(script, A) == ["bad-context", "invalid-wait-context"]


# -- PREEMPT_RT: both ends have to see the same preemptible() ----------------------------------------------


def test_on_rt_a_lock_is_left_behind() -> None:
    async def script(k: Kernel) -> None:
        async def leaves() -> None:
            await k.local_bh_disable()
            k.local_irq_disable()
            await k.local_bh_enable()
            await k.local_irq_enable()

        await k.kthread_join(await k.kthread_run(leaves, cpu=1))

    assert kinds(script, R) == ["bad-context", "sleeping-function", "invalid-wait-context"]
    assert kinds(script, A) == ["bad-context"]


def test_on_rt_a_lock_is_let_go_of_that_was_never_taken() -> None:
    async def script(k: Kernel) -> None:
        k.local_irq_disable()
        await k.local_bh_disable()
        await k.local_irq_enable()
        await k.local_bh_enable()

    assert kinds(script, R) == ["bad-unlock", "bad-context", "sleeping-function"]
    assert titles(script, R)[:3] == [
        "WARNING: WARN_ON(rrln < 0) at __rcu_read_unlock",
        "WARNING: bad unlock balance detected: rcu_read_lock",
        "WARNING: WARN_ON(!p->migration_disabled) at migrate_enable",
    ]
    assert kinds(script, A) == []


@pytest.mark.parametrize("kernel", [A, R], ids="AR")
def test_with_preemption_off_both_are_silent(kernel: dict[str, str]) -> None:
    async def script(k: Kernel) -> None:
        k.preempt_disable()
        await k.local_bh_disable()
        await k.local_bh_enable()
        await k.preempt_enable()

    assert kinds(script, kernel) == []


async def _preempts_somebody_with_them_off(k: Kernel, off, on) -> None:
    async def low() -> None:
        await k.local_bh_disable()
        await k.udelay(500)
        await k.local_bh_enable()

    async def high() -> None:
        await off(k)
        await k.local_bh_disable()
        await on(k)
        await k.local_bh_enable()

    async with k.open_nursery() as nursery:
        await nursery.start_soon(low, cpu=1)
        await k.udelay(100)
        await nursery.start_soon(high, cpu=1, urgent=True)


async def _irqs_off(k: Kernel) -> None:
    k.local_irq_disable()


async def _irqs_on(k: Kernel) -> None:
    await k.local_irq_enable()


async def _preempt_off(k: Kernel) -> None:
    k.preempt_disable()


async def _preempt_on(k: Kernel) -> None:
    await k.preempt_enable()


async def _nothing(_k: Kernel) -> None:
    pass


@pytest.mark.parametrize(("off", "on"), [(_preempt_off, _preempt_on), (_irqs_off, _irqs_on)], ids=["preempt", "irq"])
def test_on_rt_who_cannot_wait_finds_them_off(off, on) -> None:
    async def script(k: Kernel) -> None:
        await _preempts_somebody_with_them_off(k, off, on)

    assert titles(script, R) == ["WARNING: DEBUG_LOCKS_WARN_ON(this_cpu_read(softirq_ctrl.cnt))"]
    assert asked(script, R).outcome() == "bad-context"
    assert kinds(script, A) == []


def test_on_rt_who_can_wait_waits() -> None:
    async def script(k: Kernel) -> None:
        await _preempts_somebody_with_them_off(k, _nothing, _nothing)

    assert kinds(script, R) == kinds(script, A) == []


# -- enabled more often than disabled ----------------------------------------------------------------------


def test_one_too_many_counts_as_off_from_then_on() -> None:
    async def script(k: Kernel) -> None:
        async def unbalanced() -> None:
            await k.local_bh_enable()
            assert k.preempt_count() == 0x7FFFFE00
            await k.udelay(10_000)
            assert k.in_softirq()
            assert not k.preemptible()
            counts.append(k.preempt_count())

        await k.kthread_join(await k.kthread_run(unbalanced, cpu=1))

    # The tick carries the count over, and takes nothing off where the kernel looks (DEBUG_PREEMPT).
    counts: list[int] = []
    assert kinds(script, A) == ["bad-context", "sleeping-function", "scheduling-while-atomic"]
    assert titles(script, A)[0] == "WARNING: DEBUG_LOCKS_WARN_ON(current->softirqs_enabled)"
    assert titles(script, A)[-1].endswith("/0x0000fe01")
    assert set(counts) == {0xFE00}


def test_without_checks_only_the_thread_s_end_tells() -> None:
    async def script(k: Kernel) -> None:
        async def unbalanced() -> None:
            await k.local_bh_enable()
            await k.udelay(10_000)
            assert k.preempt_count() == 0x7FFFFE00

        await k.kthread_join(await k.kthread_run(unbalanced, cpu=1))

    found = asked(script, N).violations
    assert [violation.by for violation in found] == ["oracle", "kernel"]
    assert found[1].title.startswith("BUG: scheduling while atomic: unbalanced/")
    assert found[1].title.endswith("/0x7ffffe00")


def test_on_rt_lockdep_says_so_and_who_takes_the_lock_next_stays_in_a_reader() -> None:
    """Recorded of a6 v=unbal: rcuc/N takes the CPU's lock, and counts up to 0 at its end."""

    async def script(k: Kernel) -> None:
        async def callback() -> None:
            pass

        async def unbalanced() -> None:
            await k.local_bh_enable()

        await k.kthread_join(await k.kthread_run(unbalanced, cpu=0))
        await k.call_rcu(callback)
        await k.usleep_range(20_000, 20_000)

    found = titles(script, R)
    assert found[0] == "WARNING: bad unlock balance detected: local_bh"
    assert kinds(script, R)[:2] == ["bad-unlock", "voluntary-switch-in-reader"]
