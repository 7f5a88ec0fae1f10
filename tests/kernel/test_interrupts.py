"""Interrupts: nesting, pending while off, NMIs, the values that handlers see (rcuactors/kernel/cpu.py)."""

from __future__ import annotations

import pytest

from rcuactors import Kernel, Run, RunOptions, run, scenario

HARDIRQ, SOFTIRQ, BH_OFF, NMI = 0x10000, 0x100, 0x200, 0x110000


def test_nmi_over_hardirq_over_softirq_over_thread() -> None:
    seen: list[tuple[str, int, bool]] = []

    async def script(k: Kernel) -> None:
        def note(what: str) -> None:
            seen.append((what, k.preempt_count(), k.irqs_disabled()))

        async def nmi() -> None:
            assert k.in_nmi()
            assert k.in_interrupt()
            note("nmi")

        async def hardirq() -> None:
            assert k.in_hardirq()
            note("hardirq in")
            await k.raise_nmi(nmi)
            note("hardirq out")

        async def tasklet() -> None:
            assert k.in_serving_softirq()
            assert not k.in_hardirq()
            note("softirq in")
            await k.raise_irq(hardirq)
            note("softirq out")

        async def irq() -> None:
            await k.tasklet_schedule(tasklet)
            note("irq")

        note("thread")
        await k.raise_irq(irq)
        note("thread")

    assert run(scenario()(script)).clean
    assert seen == [
        ("thread", 0, False),
        ("irq", HARDIRQ, True),
        ("softirq in", SOFTIRQ, False),
        ("hardirq in", SOFTIRQ + HARDIRQ, True),
        ("nmi", SOFTIRQ + HARDIRQ + NMI, True),
        ("hardirq out", SOFTIRQ + HARDIRQ, True),
        ("softirq out", SOFTIRQ, False),
        ("thread", 0, False),
    ]


def test_an_interrupt_waits_until_they_are_on() -> None:
    order: list[str] = []

    async def script(k: Kernel) -> None:
        async def handler() -> None:
            order.append("irq")

        flags = k.local_irq_save()
        inner = k.local_irq_save()
        await k.raise_irq(handler)
        await k.udelay(50)
        await k.local_irq_restore(inner)
        order.append("inner restored")
        await k.local_irq_restore(flags)
        order.append("on")

    assert run(scenario()(script)).clean
    assert order == ["inner restored", "irq", "on"]


def test_an_interrupt_is_served_with_preemption_off() -> None:
    order: list[str] = []

    async def script(k: Kernel) -> None:
        async def handler() -> None:
            order.append("irq")

        k.preempt_disable()
        await k.raise_irq(handler)
        order.append("still off")
        await k.preempt_enable()

    assert run(scenario()(script)).clean
    assert order == ["irq", "still off"]


def test_an_nmi_does_not_wait() -> None:
    order: list[str] = []

    async def script(k: Kernel) -> None:
        async def nmi() -> None:
            order.append("nmi")

        flags = k.local_irq_save()
        await k.raise_nmi(nmi)
        order.append("off")
        await k.local_irq_restore(flags)

    assert run(scenario()(script)).clean
    assert order == ["nmi", "off"]


def test_nmis_do_not_nest() -> None:
    order: list[str] = []

    async def script(k: Kernel) -> None:
        async def inner() -> None:
            assert k.preempt_count() == NMI
            order.append("inner")

        async def outer() -> None:
            await k.raise_nmi(inner)
            await k.udelay(5)
            order.append("outer")

        await k.raise_nmi(outer)

    assert run(scenario()(script)).clean
    assert order == ["outer", "inner"]


def test_an_nmi_reaches_a_cpu_that_spins_with_interrupts_off() -> None:
    times: dict[str, int] = {}

    async def script(k: Kernel) -> None:
        lock = k.raw_spinlock("L")

        async def spinner() -> None:
            flags = await k.raw_spin_lock_irqsave(lock)
            times["got the lock"] = k.now
            await k.raw_spin_unlock_irqrestore(lock, flags)

        async def nmi() -> None:
            times["nmi"] = k.now

        await k.raw_spin_lock(lock)
        task = await k.kthread_run(spinner, cpu=1)
        await k.udelay(50)
        await k.raise_nmi(nmi, cpu=1)
        await k.udelay(50)
        await k.raw_spin_unlock(lock)
        await k.kthread_join(task)

    assert run(scenario()(script)).clean
    assert times["nmi"] < times["got the lock"]


def test_an_nmi_reaches_a_cpu_that_is_busy_with_interrupts_off_and_does_not_shorten_its_delay() -> None:
    times: dict[str, int] = {}

    async def script(k: Kernel) -> None:
        async def busy() -> None:
            k.local_irq_disable()
            began = k.now
            await k.udelay(500)
            times["end"] = k.now
            assert k.now - began >= 500_000
            await k.local_irq_enable()

        async def nmi() -> None:
            times["nmi"] = k.now

        task = await k.kthread_run(busy, cpu=1)
        await k.udelay(100)
        times["sent"] = k.now
        await k.raise_nmi(nmi, cpu=1)
        await k.kthread_join(task)

    assert run(scenario()(script)).clean
    assert times["nmi"] - times["sent"] < 5_000
    assert times["end"] > 500_000


def test_a_handler_of_a_spinning_cpu_closes_no_cycle() -> None:
    """CPU 1 spins on A and serves an interrupt whose handler takes B; CPU 0 holds A and waits for B: no deadlock."""

    async def script(k: Kernel) -> None:
        a, b = k.raw_spinlock("A"), k.raw_spinlock("B")

        async def handler() -> None:
            await k.raw_spin_lock(b)
            await k.udelay(100)
            await k.raw_spin_unlock(b)

        async def spinner() -> None:
            await k.raw_spin_lock(a)
            await k.raw_spin_unlock(a)

        await k.raw_spin_lock(a)
        task = await k.kthread_run(spinner, cpu=1)
        await k.udelay(50)
        await k.raise_irq(handler, cpu=1)
        await k.udelay(20)
        flags = await k.raw_spin_lock_irqsave(b)
        await k.raw_spin_unlock_irqrestore(b, flags)
        await k.raw_spin_unlock(a)
        await k.kthread_join(task)

    assert run(scenario()(script)).clean


def test_a_cycle_that_closed_while_the_spinner_served_an_interrupt_is_found_afterwards() -> None:
    async def script(k: Kernel) -> None:
        a, c = k.raw_spinlock("A"), k.raw_spinlock("C")

        async def handler() -> None:
            await k.udelay(100)

        async def spinner() -> None:
            await k.raw_spin_lock(c)
            await k.raw_spin_lock(a)

        await k.raw_spin_lock(a)
        await k.kthread_run(spinner, cpu=1)
        await k.udelay(50)
        await k.raise_irq(handler, cpu=1)
        await k.udelay(20)
        await k.raw_spin_lock(c)

    assert run(scenario()(script)).outcome() == "circular-locking, deadlock"
    result = run(scenario()(script), PROVE_LOCKING="n")
    assert result.outcome() == "deadlock"
    assert "spins on A" in result.violations[0].text
    assert "spins on C" in result.violations[0].text


def test_interrupts_reach_a_cpu_that_spins_with_them_on() -> None:
    times: dict[str, int] = {}

    async def script(k: Kernel) -> None:
        lock = k.raw_spinlock("L")

        async def spinner() -> None:
            await k.raw_spin_lock(lock)
            times["got the lock"] = k.now
            await k.raw_spin_unlock(lock)

        async def handler() -> None:
            times["irq"] = k.now

        await k.raw_spin_lock(lock)
        task = await k.kthread_run(spinner, cpu=1)
        await k.udelay(50)
        await k.raise_irq(handler, cpu=1)
        await k.udelay(50)
        await k.raw_spin_unlock(lock)
        await k.kthread_join(task)

    assert run(scenario()(script)).clean
    assert times["irq"] < times["got the lock"]


def test_a_threadable_handler_may_take_a_spinlock_on_every_kernel() -> None:
    """On PREEMPT_RT it runs in the line's thread, preemptible; elsewhere in hardirq, where lockdep lets it pass."""
    seen: list[tuple[bool, bool]] = []

    async def script(k: Kernel) -> None:
        lock = k.spinlock("S")

        async def holder() -> None:
            flags = await k.spin_lock_irqsave(lock)
            await k.udelay(200)
            await k.spin_unlock_irqrestore(lock, flags)

        async def handler() -> None:
            await k.spin_lock(lock)
            seen.append((k.in_hardirq(), k.irqs_disabled()))
            await k.spin_unlock(lock)

        task = await k.kthread_run(holder, cpu=1)
        await k.udelay(50)
        await k.raise_irq(handler, threadable=True, line="42-nvme")
        await k.kthread_join(task)

    for settings, expected in (
        ({"PROVE_RAW_LOCK_NESTING": "y"}, (True, True)),
        ({"PREEMPT_RT": "y", "PROVE_RAW_LOCK_NESTING": "y", "DEBUG_ATOMIC_SLEEP": "y"}, (False, False)),
    ):
        seen.clear()
        assert run(scenario()(script), RunOptions(settings=settings)).clean
        assert seen == [expected]


def test_the_thread_of_a_line_serves_one_interrupt_after_the_other() -> None:
    order: list[str] = []

    async def script(k: Kernel) -> None:
        def handler(name: str):
            async def handle() -> None:
                order.append(f"{name} in")
                await k.udelay(50)
                order.append(f"{name} out")

            return handle

        await k.raise_irq(handler("a"), threadable=True)
        await k.raise_irq(handler("b"), threadable=True)
        await k.msleep(1)

    assert run(scenario()(script), PREEMPT_RT="y").clean
    assert order == ["a in", "a out", "b in", "b out"]


@pytest.mark.parametrize("threadable", [False, True])
def test_a_hard_handler_with_a_spinlock_is_reported_where_nesting_is_proved(threadable: bool) -> None:
    async def script(k: Kernel) -> None:
        lock = k.spinlock("S")

        async def handler() -> None:
            await k.spin_lock(lock)
            await k.spin_unlock(lock)

        await k.raise_irq(handler, threadable=threadable)

    expected = "clean" if threadable else "invalid-wait-context"
    assert run(scenario()(script), kernel="v6.1-stable", PROVE_RAW_LOCK_NESTING="y").outcome() == expected
    assert run(scenario()(script)).clean


def test_an_interrupt_on_an_idle_cpu_brings_it_into_being() -> None:
    ran: list[int] = []

    async def script(k: Kernel) -> None:
        async def handler() -> None:
            ran.append(k.smp_processor_id())

        await k.raise_irq(handler, cpu=7)
        await k.udelay(100)

    one = Run(scenario()(script), RunOptions(settings={"nr_cpus": "8"}))
    assert one.run().clean
    assert ran == [7]
    assert sorted(one.machine.system.cpus) == [0, 7]


def test_the_thread_that_a_handler_woke_takes_over_on_the_way_out() -> None:
    order: list[str] = []

    async def script(k: Kernel) -> None:
        go = k.completion("go")

        async def urgent() -> None:
            await k.wait_for_completion(go)
            order.append("urgent")

        async def handler() -> None:
            await k.complete(go)
            order.append("handler")

        task = await k.kthread_run(urgent, urgent=True)
        await k.raise_irq(handler)
        order.append("thread")
        await k.kthread_join(task)

    assert run(scenario()(script)).clean
    assert order == ["handler", "urgent", "thread"]
