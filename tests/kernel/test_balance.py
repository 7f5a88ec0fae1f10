"""Leaks of context, each where the kernel looks (rcuactors/kernel/balance.py)."""

from __future__ import annotations

import pytest

from rcuactors import Kernel, KernelBug, Run, RunOptions, ViolationKind, run, scenario

OFF = {"PROVE_LOCKING": "n"}


def titles(script, **settings: str) -> list[str]:
    return [violation.title for violation in run(scenario()(script), **{"kernel": "v5.11", **settings}).violations]


# -- threads -----------------------------------------------------------------------------------------------


def test_a_thread_that_ends_with_preemption_off() -> None:
    async def script(k: Kernel) -> None:
        async def leaks() -> None:
            k.preempt_disable()
            k.preempt_disable()

        await k.kthread_join(await k.kthread_run(leaks, cpu=1))

    result = run(scenario()(script), kernel="v5.11")
    assert [violation.title for violation in result.violations] == ["note: leaks[21] exited with preempt_count 2"]
    assert result.outcome() == "bad-context"


def test_the_scenarios_own_thread_ends_like_any_other() -> None:
    async def script(k: Kernel) -> None:
        k.local_irq_disable()

    assert titles(script, DEBUG_ATOMIC_SLEEP="y") == [
        "BUG: sleeping function called from invalid context at exit_signals"
    ]
    one = Run(
        scenario()(script), RunOptions(settings={"panic_on_warn": "y", "DEBUG_ATOMIC_SLEEP": "y"}), kernel="v5.11"
    )
    with pytest.raises(KernelBug, match="called from invalid context at exit_signals"):
        one.run()


def test_a_thread_that_ends_with_a_lock() -> None:
    async def script(k: Kernel) -> None:
        await k.raw_spin_lock(k.raw_spinlock("L"))

    found = titles(script)
    assert found[0] == "note: script[20] exited with preempt_count 1"
    assert "still has locks held!" in found[1]
    assert titles(script, **OFF) == found[:1]
    assert titles(script, PREEMPT="n", **OFF) == []


@pytest.mark.parametrize("settings", [{}, {"PREEMPT_RT": "y"}])
def test_a_reader_ends_with_its_thread(settings: dict[str, str]) -> None:
    """exit_rcu(): grace periods do not wait for the dead."""

    async def script(k: Kernel) -> None:
        async def urgent() -> None:
            await k.udelay(100)

        async def dies() -> None:
            k.rcu_read_lock()
            k.rcu_read_lock()
            # Preempted in the reader, it is waited for by name.
            await k.kthread_run(urgent, urgent=True)
            await k.udelay(10_000)

        await k.kthread_run(dies, cpu=1)
        await k.usleep_range(50, 50)
        await k.synchronize_rcu()

    assert titles(script, **OFF, **settings) == []


# -- works, timers, softirqs, interrupts -------------------------------------------------------------------


def test_a_work_that_leaks() -> None:
    async def script(k: Kernel) -> None:
        lock = k.raw_spinlock("L")

        async def fn() -> None:
            await k.raw_spin_lock(lock)

        async def fine() -> None:
            pass

        for work in (k.work(fine), k.work(fn)):
            await k.schedule_work(work)
            await k.flush_work(work)

    found = titles(script)
    assert found[0] == "BUG: workqueue leaked lock or atomic: kworker/0:1/0x00000001/21"
    assert not any("fine" in title for title in found)


def test_a_work_that_held_a_lock_while_lockdep_went_off_has_leaked_nothing() -> None:
    async def script(k: Kernel) -> None:
        lock = k.raw_spinlock("L")

        async def fn() -> None:
            await k.raw_spin_lock(lock)
            await k.udelay(100)
            await k.raw_spin_unlock(lock)

        async def inverts() -> None:
            await k.udelay(50)
            raw, spin = k.raw_spinlock("R"), k.spinlock("S")
            await k.raw_spin_lock(raw)
            await k.spin_lock(spin)
            await k.spin_unlock(spin)
            await k.raw_spin_unlock(raw)

        await k.kthread_run(inverts, cpu=1)
        work = k.work(fn)
        await k.schedule_work(work)
        await k.flush_work(work)

    (found,) = titles(script, PROVE_RAW_LOCK_NESTING="y")
    assert found.startswith("BUG: Invalid wait context: S at inverts")


def test_a_timer_that_leaks() -> None:
    async def script(k: Kernel) -> None:
        async def fn() -> None:
            k.preempt_disable()

        await k.mod_timer(k.timer_setup(fn), 1)
        await k.msleep(20)
        assert k.preempt_count() == 0

    assert titles(script) == ["WARNING: timer: fn preempt leak: 00000101 -> 00000102"]


def test_a_tasklet_that_leaks() -> None:
    async def script(k: Kernel) -> None:
        async def fn() -> None:
            k.preempt_disable()

        async def irq() -> None:
            await k.tasklet_schedule(fn)

        await k.raise_irq(irq)
        assert k.preempt_count() == 0

    assert titles(script) == [
        "softirq: huh, entered softirq 6 TASKLET with preempt_count 00000100, exited with 00000101?"
    ]


def test_a_handler_that_enables_interrupts() -> None:
    async def script(k: Kernel) -> None:
        async def irq() -> None:
            await k.local_irq_enable()

        await k.raise_irq(irq, line="7-eth0")

    assert titles(script) == [
        "WARNING: DEBUG_LOCKS_WARN_ON(lockdep_hardirq_context())",
        "WARNING: irq 7-eth0 handler enabled interrupts",
    ]
    assert titles(script, **OFF) == ["WARNING: irq 7-eth0 handler enabled interrupts"]


def test_a_handler_that_leaves_a_lock_behind() -> None:
    """On the way out interrupts are enabled over it (lockdep_hardirqs_on_prepare()): the next one could wait for it."""

    async def script(k: Kernel) -> None:
        lock = k.raw_spinlock("L")

        async def irq() -> None:
            await k.raw_spin_lock(lock)

        async def innocent() -> None:
            pass

        await k.raise_irq(irq)
        await k.raise_irq(innocent)
        await k.raw_spin_unlock(lock)

    assert titles(script) == ["WARNING: inconsistent lock state: L"]


# -- counts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, OFF])
def test_a_count_does_not_go_below_zero(settings: dict[str, str]) -> None:
    async def script(k: Kernel) -> None:
        await k.preempt_enable()
        await k.preempt_enable()
        assert k.preempt_count() == 0

    # DEBUG_LOCKS_WARN_ON() switches itself off.
    assert titles(script, **settings) == ["WARNING: DEBUG_LOCKS_WARN_ON(val > preempt_count())"]


@pytest.mark.parametrize("settings", [{}, OFF])
def test_that_of_bottom_halves_does_and_shows_at_the_end(settings: dict[str, str]) -> None:
    """__local_bh_enable_ip() takes it off without a look: it is the oracle that tells, and then do_exit()."""

    async def script(k: Kernel) -> None:
        await k.local_bh_enable()
        assert k.preempt_count() == 0x7FFFFE00

    assert titles(script, **settings) == [
        "BUG: local_bh_enable() without local_bh_disable(): softirq_count() < SOFTIRQ_DISABLE_OFFSET",
        f"note: script[20] exited with preempt_count {0x7FFFFE00}",
    ]


def test_one_field_of_the_count_does_not_borrow_from_another() -> None:
    async def script(k: Kernel) -> None:
        await k.local_bh_disable()
        await k.preempt_enable()
        assert k.preempt_count() == 0x200
        await k.local_bh_enable()

    assert titles(script) == ["WARNING: DEBUG_LOCKS_WARN_ON(val > preempt_count())"]


def test_bottom_halves_enabled_once_too_often_on_rt() -> None:
    async def script(k: Kernel) -> None:
        await k.local_bh_disable()
        await k.local_bh_enable()
        await k.local_bh_enable()

    assert titles(script, PREEMPT_RT="y") == ["WARNING: bad unlock balance detected: local_bh"]


def test_lockdep_is_off_after_it_unless_it_keeps_going() -> None:
    async def script(k: Kernel) -> None:
        a, b = k.raw_spinlock("A"), k.raw_spinlock("A")
        await k.preempt_enable()
        await k.raw_spin_lock(a)
        await k.raw_spin_lock(b)
        await k.raw_spin_unlock(b)
        await k.raw_spin_unlock(a)

    assert run(scenario()(script)).kinds == {ViolationKind.BAD_CONTEXT}
    both = {ViolationKind.BAD_CONTEXT, ViolationKind.RECURSIVE_LOCKING}
    assert run(scenario()(script), lockdep_keep_going="y").kinds == both


def test_a_kernel_without_the_count_has_nothing_to_leak() -> None:
    async def script(k: Kernel) -> None:
        await k.preempt_enable()
        k.preempt_disable()

    assert titles(script, PREEMPT="n", **OFF) == []


@pytest.mark.parametrize(
    ("kernel", "said"),
    [
        ("v6.6", "BUG: workqueue leaked lock or atomic: kworker/0:1/0x00000001/21"),
        ("v6.12", "BUG: workqueue leaked atomic, lock or RCU: kworker/0:1[21]"),
    ],
)
def test_a_work_that_leaves_a_lock_and_interrupts_off(kernel: str, said: str) -> None:
    """process_one_work(): interrupts are on again with the pool's lock, and lockdep hears of that for what is held."""

    async def script(k: Kernel) -> None:
        lock = k.raw_spinlock("L")

        async def leaks() -> None:
            await k.raw_spin_lock_irqsave(lock)

        async def irq() -> None:
            await k.raw_spin_lock(lock)
            await k.raw_spin_unlock(lock)

        await k.raise_irq(irq)
        await k.udelay(10)
        work = k.work(leaks)
        await k.queue_work(k.system_wq, work)
        await k.flush_work(work)

    found = titles(script, kernel=kernel)
    assert found[0] == said
    assert "WARNING: inconsistent lock state: L" in found
