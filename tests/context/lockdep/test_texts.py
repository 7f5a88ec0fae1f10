"""context/lockdep/texts.py: what the layout of the irq reports depends on."""

from __future__ import annotations

import pytest

from rcuactors import Kernel, ViolationKind
from rcuactors.testing import RcuLab


async def tasklet_reads(k: Kernel, name: str) -> None:
    """rwlock `name` is read in a softirq."""
    lock = k.rwlock(name)

    async def tasklet() -> None:
        await k.read_lock(lock)
        await k.read_unlock(lock)

    await k.tasklet_schedule(tasklet)
    await k.msleep(8)


async def safe_write_then_unsafe(k: Kernel) -> None:
    """R is read in softirqs, U is taken with softirqs on, and U is taken under R."""
    r, u = k.rwlock("R"), k.spinlock("U")
    await tasklet_reads(k, "R")
    await k.spin_lock(u)
    await k.spin_unlock(u)
    await k.local_bh_disable()
    await k.write_lock(r)
    await k.spin_lock(u)
    await k.spin_unlock(u)
    await k.write_unlock(r)
    await k.local_bh_enable()


def test_a_safe_reader_is_named_so_on_both_sides(rcu_lab: RcuLab) -> None:
    """print_bad_irq_dependency() has one irqclass, state_name() of the safe lock's bit."""
    (violation,) = rcu_lab.run(safe_write_then_unsafe).violations
    assert violation.kind is ViolationKind.UNSAFE_LOCK_ORDER
    lines = violation.text.splitlines()
    title = "WARNING: SOFTIRQ-READ-safe -> SOFTIRQ-READ-unsafe lock order detected"
    assert lines[2] == title
    assert violation.title == f"{title}: U"
    for said in (
        "but this new dependency connects a SOFTIRQ-READ-irq-safe lock:",
        "... which became SOFTIRQ-READ-irq-safe at:",
        "to a SOFTIRQ-READ-irq-unsafe lock:",
        "the dependencies between SOFTIRQ-READ-irq-safe lock and the holding lock:",
        "the dependencies between the lock to be acquired and SOFTIRQ-READ-irq-unsafe lock:",
    ):
        assert said in lines
    unsafe = lines.index("... which became SOFTIRQ-READ-irq-unsafe at:")
    assert lines[unsafe + 1] == "..."
    assert lines[unsafe + 2].startswith("  spin_lock")
    info = lines.index("other info that might help us debug this:")
    assert lines[info + 1 : info + 3] == ["", " Possible interrupt unsafe locking scenario:"]


async def unsafe_reader_below(k: Kernel) -> None:
    """U is read with softirqs on, taken under A with them off; then A is taken in a softirq."""
    u, a = k.rwlock("U"), k.spinlock("A")
    await k.read_lock(u)
    await k.read_unlock(u)
    await k.local_bh_disable()
    await k.spin_lock(a)
    await k.write_lock(u)
    await k.write_unlock(u)
    await k.spin_unlock(a)
    await k.local_bh_enable()

    async def tasklet() -> None:
        await k.spin_lock(a)
        await k.spin_unlock(a)

    await k.tasklet_schedule(tasklet)
    await k.msleep(8)


async def safe_reader_above(k: Kernel) -> None:
    """R is read in softirqs; A, B and C are taken under it with them off; then C is taken with them on."""
    locks = [k.spinlock(name) for name in "ABC"]
    r = k.rwlock("R")
    await tasklet_reads(k, "R")
    await k.local_bh_disable()
    await k.write_lock(r)
    for lock in locks:
        await k.spin_lock(lock)
    for lock in reversed(locks):
        await k.spin_unlock(lock)
    await k.write_unlock(r)
    await k.local_bh_enable()
    await k.spin_lock(locks[2])
    await k.spin_unlock(locks[2])


@pytest.mark.parametrize(
    ("script", "said", "chain"),
    [
        (unsafe_reader_below, "but this lock took another, SOFTIRQ-READ-unsafe lock in the past:", ""),
        (
            safe_reader_above,
            "but this lock was taken by another, SOFTIRQ-READ-safe lock in the past:",
            # The middle lock is the one next to the lock that changed (print_irq_inversion_bug()).
            "  R --> B --> C",
        ),
    ],
)
def test_an_inversion_says_whether_the_other_lock_was_read(
    rcu_lab: RcuLab, script: object, said: str, chain: str
) -> None:
    (violation,) = rcu_lab.run(script).violations  # type: ignore[arg-type]
    assert violation.kind is ViolationKind.IRQ_LOCK_INVERSION
    lines = violation.text.splitlines()
    assert said in lines
    info = lines.index("other info that might help us debug this:")
    start = ["Chain exists of:", chain, ""] if chain else []
    assert lines[info + 1 : info + 2 + len(start)] == [*start, " Possible interrupt unsafe locking scenario:"]


def test_a_reader_that_can_block_against_itself(rcu_lab: RcuLab) -> None:
    """down_read() in a softirq, once also with softirqs on: the class itself is the lock "in the past"."""

    async def script(k: Kernel) -> None:
        sem = k.rwsem("S")
        await k.down_read(sem)
        await k.up_read(sem)

        async def tasklet() -> None:
            await k.down_read(sem)
            await k.up_read(sem)

        await k.tasklet_schedule(tasklet)
        await k.msleep(8)

    # It is no context for a semaphore either, so that this is the second report.
    kinds = [
        violation.kind for violation in rcu_lab.run(script, kernel="v6.1-stable", lockdep_keep_going=True).violations
    ]
    assert kinds == [ViolationKind.INVALID_WAIT_CONTEXT, ViolationKind.IRQ_LOCK_INVERSION]


def test_softirqs_that_are_off_on_preempt_rt_are_told(rcu_lab: RcuLab) -> None:
    """SE is current->softirqs_enabled, which preempt_count does not show there."""

    async def script(k: Kernel) -> None:
        lock = k.raw_spinlock("A")

        async def handler() -> None:
            await k.raw_spin_lock(lock)
            await k.raw_spin_unlock(lock)

        await k.raise_irq(handler)
        await k.udelay(10)
        await k.local_bh_disable()
        await k.raw_spin_lock(lock)
        await k.raw_spin_unlock(lock)
        await k.local_bh_enable()

    (violation,) = rcu_lab.run(script, PREEMPT_RT=True).violations
    assert " [HC0[0]:SC0[0]:HE1:SE0] takes:\n" in violation.text


@pytest.mark.parametrize(("take", "let_go"), [("write_lock", "write_unlock"), ("down_write", "up_write")])
def test_a_writer_is_shown_where_the_scenario_takes_it(rcu_lab: RcuLab, take: str, let_go: str) -> None:
    async def script(k: Kernel) -> None:
        lock = k.rwlock("A") if take == "write_lock" else k.rwsem("A")
        await getattr(k, take)(lock)
        k.might_sleep()
        await getattr(k, let_go)(lock)
        await getattr(k, let_go)(lock)

    found = rcu_lab.run(script, DEBUG_ATOMIC_SLEEP=True).violations
    unlock = next(violation for violation in found if violation.kind is ViolationKind.BAD_UNLOCK)
    place = f"script (test_texts.py:{script.__code__.co_firstlineno + 2})"
    if take == "write_lock":
        assert found[0].held == (f"A (rwlock_t) taken at {place}",)
        assert found[0].preempt_disabled_at == place
    assert f") at:\nscript (test_texts.py:{script.__code__.co_firstlineno + 5})\nbut there are no more" in unlock.text


def test_a_trylocks_reader_has_disabled_preemption_where_it_stands(rcu_lab: RcuLab) -> None:
    async def script(k: Kernel) -> None:
        lock = k.rwlock("A")
        assert k.read_trylock(lock)
        k.might_sleep()
        await k.read_unlock(lock)

    (violation,) = rcu_lab.run(script, DEBUG_ATOMIC_SLEEP=True).violations
    assert violation.preempt_disabled_at == f"script (test_texts.py:{script.__code__.co_firstlineno + 2})"
