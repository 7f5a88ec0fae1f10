"""Forms of locks: what is off while they are held and afterwards, on either kind of kernel."""

from __future__ import annotations

import pytest

from rcuactors import Kernel
from tests.recorded import A, R, asked, kinds

IRQ = [
    ("raw_spinlock", "raw_spin_lock_irq", "raw_spin_unlock_irq", True),
    ("spinlock", "spin_lock_irq", "spin_unlock_irq", False),
    ("rwlock", "read_lock_irq", "read_unlock_irq", False),
    ("rwlock", "write_lock_irq", "write_unlock_irq", False),
]
BH = [
    ("raw_spinlock", "raw_spin_lock_bh", "raw_spin_unlock_bh"),
    ("spinlock", "spin_lock_bh", "spin_unlock_bh"),
    ("rwlock", "read_lock_bh", "read_unlock_bh"),
    ("rwlock", "write_lock_bh", "write_unlock_bh"),
]


@pytest.mark.parametrize(("kind", "take", "let_go", "on_rt"), IRQ)
@pytest.mark.parametrize("kernel", [A, R], ids="AR")
def test_irq_turns_them_off_and_on(kind: str, take: str, let_go: str, on_rt: bool, kernel: dict[str, str]) -> None:
    seen: list[bool] = []

    async def script(k: Kernel) -> None:
        lock = getattr(k, kind)("lock")
        await getattr(k, take)(lock)
        assert k.lockdep_is_held(lock)
        seen.append(k.irqs_disabled())
        await getattr(k, let_go)(lock)
        assert not k.lockdep_is_held(lock)
        seen.append(k.irqs_disabled())

    assert kinds(script, kernel) == []
    assert seen == [on_rt or kernel is A, False]


@pytest.mark.parametrize(("kind", "take", "let_go", "on_rt"), IRQ)
def test_unlock_irq_turns_them_on_whatever_they_were(kind: str, take: str, let_go: str, on_rt: bool) -> None:
    """The usual bug: a function that takes a lock in this way is called with interrupts off."""

    async def script(k: Kernel) -> None:
        lock = getattr(k, kind)("lock")
        flags = k.local_irq_save()
        await getattr(k, take)(lock)
        await getattr(k, let_go)(lock)
        assert not k.irqs_disabled()
        await k.local_irq_restore(flags)

    (report,) = asked(script, A).violations
    assert report.title == "WARNING: raw_local_irq_restore() called with IRQs enabled"


@pytest.mark.parametrize(("kind", "take", "let_go"), BH)
@pytest.mark.parametrize("kernel", [A, R], ids="AR")
def test_bh_turns_them_off_and_on(kind: str, take: str, let_go: str, kernel: dict[str, str]) -> None:
    ran: list[str] = []

    async def script(k: Kernel) -> None:
        lock = getattr(k, kind)("lock")

        async def tasklet() -> None:
            ran.append("tasklet")

        await getattr(k, take)(lock)
        assert k.in_softirq()
        assert k.in_interrupt()
        assert k.in_task()
        await k.tasklet_schedule(tasklet)
        assert not ran
        await getattr(k, let_go)(lock)
        assert not k.in_softirq()

    assert kinds(script, kernel) == []
    assert ran == ["tasklet"]


@pytest.mark.parametrize("kind", ["spinlock", "raw_spinlock"])
@pytest.mark.parametrize("kernel", [A, R], ids="AR")
def test_trylock_irqsave(kind: str, kernel: dict[str, str]) -> None:
    async def script(k: Kernel) -> None:
        lock = getattr(k, kind)("lock")
        word = "raw_spin" if kind == "raw_spinlock" else "spin"
        flags = await getattr(k, f"{word}_trylock_irqsave")(lock)
        assert flags is False
        off = k.irqs_disabled()
        assert off is (kind == "raw_spinlock" or kernel is A)

        async def other() -> None:
            assert await getattr(k, f"{word}_trylock_irqsave")(lock) is None
            assert not k.irqs_disabled()

        task = await k.kthread_run(other, cpu=1)
        await k.udelay(100)
        await getattr(k, f"{word}_unlock_irqrestore")(lock, flags)
        assert not k.irqs_disabled()
        await k.kthread_join(task)

    assert kinds(script, kernel) == []


@pytest.mark.parametrize("kernel", [A, R], ids="AR")
def test_trylocks_that_fail_leave_all_on(kernel: dict[str, str]) -> None:
    async def script(k: Kernel) -> None:
        lock = k.spinlock("lock")

        async def other() -> None:
            assert not await k.spin_trylock_irq(lock)
            assert not k.irqs_disabled()
            assert not await k.spin_trylock_bh(lock)
            assert not k.in_softirq()

        await k.spin_lock(lock)
        task = await k.kthread_run(other, cpu=1)
        await k.udelay(100)
        await k.spin_unlock(lock)
        await k.kthread_join(task)
        assert await k.spin_trylock_irq(lock)
        await k.spin_unlock_irq(lock)
        assert await k.spin_trylock_bh(lock)
        assert k.in_softirq()
        await k.spin_unlock_bh(lock)

    assert kinds(script, kernel) == []


def test_get_cpu_and_put_cpu() -> None:
    async def script(k: Kernel) -> None:
        assert k.get_cpu() == 0
        assert not k.preemptible()
        await k.put_cpu()
        assert k.preemptible()

    assert kinds(script, A) == []


def test_what_context_this_is() -> None:
    seen: dict[str, tuple[bool, bool, bool, int]] = {}

    async def script(k: Kernel) -> None:
        def note(name: str):
            async def body() -> None:
                seen[name] = (k.in_task(), k.in_softirq(), k.in_interrupt(), k.irq_count())

            return body

        await note("task")()
        await k.irq_work_queue(k.irq_work(note("hardirq"), hard=True))
        await k.tasklet_schedule(note("softirq"))
        await k.raise_nmi(note("nmi"))
        await k.msleep(1)
        await k.local_bh_disable()
        await note("bh")()
        await k.local_bh_enable()

    assert kinds(script, A) == []
    assert seen == {
        "task": (True, False, False, 0),
        "hardirq": (False, False, True, 0x10000),
        "softirq": (False, True, True, 0x100),
        "nmi": (False, False, True, 0x110000),
        "bh": (True, True, True, 0x200),
    }
    assert kinds(script, R) == []
    assert seen["softirq"][:3] == (False, True, True)
    assert seen["bh"] == (True, True, True, 0x200)


# -- demands -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "take", "let_go"),
    [
        ("raw_spinlock", "raw_spin_lock", "raw_spin_unlock"),
        ("spinlock", "spin_lock", "spin_unlock"),
        ("mutex", "mutex_lock", "mutex_unlock"),
        ("local_lock_t", "local_lock", "local_unlock"),
        ("rwsem", "down_write", "up_write"),
    ],
)
def test_lockdep_assert_held(kind: str, take: str, let_go: str) -> None:
    async def script(k: Kernel) -> None:
        lock = getattr(k, kind)("lock")
        k.lockdep_assert_not_held(lock)
        await getattr(k, take)(lock)
        k.lockdep_assert_held(lock)
        await getattr(k, let_go)(lock)
        if kind == "mutex":
            k.lockdep_assert_held(lock)

    result = asked(script, A)
    if kind != "mutex":
        assert result.clean
        return
    (report,) = result.violations
    assert report.kind.value == "bad-context"
    assert report.title.startswith("WARNING: WARN_ON(debug_locks && !lockdep_is_held(l)) at script (test_lock_words")
    assert asked(script, {"PROVE_LOCKING": "n"}).clean


def test_it_is_whatever_runs_here_that_has_to_hold_it() -> None:
    async def script(k: Kernel) -> None:
        lock = k.mutex("lock")

        async def other() -> None:
            assert k.mutex_is_locked(lock)
            k.lockdep_assert_not_held(lock)
            k.lockdep_assert_held(lock)

        await k.mutex_lock(lock)
        k.lockdep_assert_held(lock)
        await k.kthread_join(await k.kthread_run(other, cpu=1))
        await k.mutex_unlock(lock)
        assert not k.mutex_is_locked(lock)

    (report,) = asked(script, A).violations
    assert "at other (test_lock_words" in report.title


def test_shared_or_exclusively() -> None:
    async def script(k: Kernel) -> None:
        lock = k.rwlock("lock")
        await k.read_lock(lock)
        k.lockdep_assert_held(lock)
        k.lockdep_assert_held_read(lock)
        k.lockdep_assert_held_write(lock)
        await k.read_unlock(lock)
        await k.write_lock(lock)
        k.lockdep_assert_held_write(lock)
        k.lockdep_assert_held_read(lock)
        await k.write_unlock(lock)

    first, second = asked(script, A).violations
    assert "!lockdep_is_held_type(l, 0)" in first.title
    assert "!lockdep_is_held_type(l, 1)" in second.title


def test_not_held() -> None:
    async def script(k: Kernel) -> None:
        lock = k.spinlock("lock")
        await k.spin_lock(lock)
        assert k.spin_is_locked(lock)
        k.lockdep_assert_not_held(lock)
        await k.spin_unlock(lock)
        assert not k.spin_is_locked(lock)

    (report,) = asked(script, A).violations
    assert "LOCK_STATE_HELD" in report.title


def test_demands_about_the_context() -> None:
    async def script(k: Kernel) -> None:
        k.lockdep_assert_irqs_enabled()
        k.lockdep_assert_preemption_enabled()
        k.lockdep_assert_irqs_disabled()
        k.lockdep_assert_preemption_disabled()
        flags = k.local_irq_save()
        k.lockdep_assert_irqs_disabled()
        k.lockdep_assert_preemption_disabled()
        k.lockdep_assert_irqs_enabled()
        k.lockdep_assert_preemption_enabled()
        await k.local_irq_restore(flags)

    found = [report.title.partition(" at ")[0] for report in asked(script, A).violations]
    assert found == [
        "WARNING: WARN_ON(debug_locks && hardirqs_enabled)",
        "WARNING: WARN_ON(debug_locks && preemptible())",
        "WARNING: WARN_ON(debug_locks && !hardirqs_enabled)",
        "WARNING: WARN_ON(debug_locks && !preemptible())",
    ]
    assert asked(script, {"PROVE_LOCKING": "n"}).clean
