"""The locks of PREEMPT_RT: what complains first, what is held meanwhile, and the names in traces.

Orders and held lists are those of a recorded 6.1.192-rt.
"""

from __future__ import annotations

import pytest

from rcuactors import Kernel, RunOptions, Violation, run, scenario

RT = {"PREEMPT_RT": "y", "DEBUG_ATOMIC_SLEEP": "y", "PROVE_RAW_LOCK_NESTING": "y"}


def reports(script, **settings: str) -> tuple[Violation, ...]:
    return run(scenario()(script), RunOptions(kernel="v6.1-stable", settings={**RT, **settings})).violations


def kinds(script, **settings: str) -> list[str]:
    return [violation.kind.value for violation in reports(script, **settings)]


def held_in(text: str) -> list[str]:
    """The names of the locks in a report's list, outermost first."""
    lines = [line.split("(", 1)[1] for line in text.splitlines() if line.startswith(" #")]
    return [line[: line.index("){")] for line in lines]


def with_each(take: str, let_go: str, kind: str):
    async def script(k: Kernel) -> None:
        raw, lock = k.raw_spinlock("raw"), getattr(k, kind)("lock")
        await k.raw_spin_lock(raw)
        await getattr(k, take)(lock)
        await getattr(k, let_go)(lock)
        await k.raw_spin_unlock(raw)

    return script


def test_lockdep_hears_of_a_spinlock_before_might_sleep_looks() -> None:
    script = with_each("spin_lock", "spin_unlock", "spinlock")
    assert kinds(script) == ["invalid-wait-context", "sleeping-function"]
    assert kinds(script, PROVE_LOCKING="n", PROVE_RAW_LOCK_NESTING="n") == ["sleeping-function"]


def test_a_local_lock_is_a_spinlock_of_the_cpu() -> None:
    async def script(k: Kernel) -> None:
        raw, lock = k.raw_spinlock("raw"), k.local_lock_t("lock")
        await k.raw_spin_lock(raw)
        await k.local_lock(lock)
        await k.local_unlock(lock)
        await k.raw_spin_unlock(raw)

    assert kinds(script) == ["invalid-wait-context", "sleeping-function"]


@pytest.mark.parametrize(("take", "let_go"), [("read_lock", "read_unlock"), ("write_lock", "write_unlock")])
def test_with_rwlocks_it_is_the_other_way_round(take: str, let_go: str) -> None:
    assert kinds(with_each(take, let_go, "rwlock")) == ["sleeping-function", "invalid-wait-context"]


def test_the_spinlock_that_is_being_taken_is_among_those_held() -> None:
    async def script(k: Kernel) -> None:
        lock = k.spinlock("css_set_lock")
        k.preempt_disable()
        await k.spin_lock(lock)
        await k.spin_unlock(lock)
        await k.preempt_enable()

    (report,) = reports(script)
    assert report.kind.value == "sleeping-function"
    assert held_in(report.text) == ["css_set_lock"]


def test_a_rwlock_that_is_being_taken_is_not() -> None:
    async def script(k: Kernel) -> None:
        lock = k.rwlock("tasklist_lock")
        k.preempt_disable()
        await k.read_lock(lock)
        await k.read_unlock(lock)
        await k.preempt_enable()

    (report,) = reports(script)
    assert "no locks held by script" in report.text


def test_whoever_has_one_is_in_a_reader_that_began_in_rt_spin_lock() -> None:
    async def script(k: Kernel) -> None:
        lock, rw = k.spinlock("lock"), k.rwlock("rw")
        await k.spin_lock(lock)
        await k.write_lock(rw)
        k.preempt_disable()
        k.might_sleep()
        await k.preempt_enable()
        await k.write_unlock(rw)
        await k.spin_unlock(lock)

    (report,) = reports(script)
    assert held_in(report.text) == ["lock", "rcu_read_lock", "rw", "rcu_read_lock"]
    assert "(rcu_read_lock){....}-{1:3}, at: rt_spin_lock" in report.text
    assert "(rcu_read_lock){....}-{1:3}, at: rt_write_lock" in report.text


@pytest.mark.parametrize(
    ("take", "let_go", "kind", "name"),
    [
        ("spin_lock", "spin_unlock", "spinlock", "spin_lock"),
        ("read_lock", "read_unlock", "rwlock", "read_lock"),
        ("write_lock", "write_unlock", "rwlock", "write_lock"),
    ],
)
def test_traces_name_the_kernels_function(take: str, let_go: str, kind: str, name: str) -> None:
    """include/linux/spinlock_rt.h: spin_lock() is inline, rt_spin_lock() is called."""
    script = with_each(take, let_go, kind)
    assert all(report.trace[0] == f"rt_{name}" for report in reports(script))
    plain = reports(script, PREEMPT_RT="n")
    assert [report.trace[0] for report in plain] == [name]


def test_so_does_that_of_an_unlock() -> None:
    async def script(k: Kernel) -> None:
        await k.spin_unlock(k.spinlock("lock"))

    assert reports(script)[0].trace[0] == "rt_spin_unlock"


@pytest.mark.parametrize(("let_go", "kind"), [("spin_unlock", "spinlock"), ("read_unlock", "rwlock")])
def test_an_unlock_too_many_takes_back_more_than_the_lock(let_go: str, kind: str) -> None:
    """rt_spin_unlock() of 6.1.192 (m v=spinunbal): lockdep, migrate_enable(), __rcu_read_unlock(), in its order."""

    async def script(k: Kernel) -> None:
        async def unbalanced() -> None:
            await getattr(k, let_go)(getattr(k, kind)("lock"))

        await k.kthread_join(await k.kthread_run(unbalanced, cpu=1))

    titles = [report.title.rpartition(" at ")[0] or report.title for report in reports(script, DEBUG_ATOMIC_SLEEP="y")]
    assert titles == [
        "WARNING: bad unlock balance detected: lock",
        "WARNING: WARN_ON(!p->migration_disabled)",
        "WARNING: WARN_ON(rrln < 0)",
        "BUG: sleeping function called from invalid context",
    ]
