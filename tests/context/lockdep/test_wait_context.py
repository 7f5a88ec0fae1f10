"""wait_context.py: the wait-context table of the kernel's own selftest, and what lockdep does not look at."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from rcuactors import Kernel, Result, ViolationKind
from rcuactors.context.waittype import WaitType
from rcuactors.testing import RcuLab

Step = Callable[[], Awaitable[None]]

# lib/locking-selftest.c, wait_context_tests(): what may be taken inside.
# X is legal without PROVE_RAW_LOCK_NESTING, x never.
TABLE = {
    # outer                  rcu  raw  spin mutex
    "hardirq (threadable)": ("o", "o", "o", "x"),
    "hardirq": ("o", "o", "X", "x"),
    "softirq": ("o", "o", "o", "x"),
    "rcu": ("o", "o", "o", "x"),
    "raw": ("o", "o", "X", "x"),
    "spin": ("o", "o", "o", "x"),
    "mutex": ("o", "o", "o", "o"),
}
COLUMNS = ("rcu", "raw", "spin", "mutex")


async def hold(k: Kernel, what: str, name: str, inside: Step) -> None:
    """Take a lock of a type, do something, let go."""
    if what == "rcu":
        with k.rcu_reader():
            await inside()
    elif what == "raw":
        raw = k.raw_spinlock(name)
        await k.raw_spin_lock(raw)
        await inside()
        await k.raw_spin_unlock(raw)
    elif what == "spin":
        spin = k.spinlock(name)
        await k.spin_lock(spin)
        await inside()
        await k.spin_unlock(spin)
    else:
        mutex = k.mutex(name)
        await k.mutex_lock(mutex)
        await inside()
        await k.mutex_unlock(mutex)


async def nothing() -> None:
    """Hold the lock, no more."""


def nested(rcu_lab: RcuLab, outer: str, inner: str, **settings: object) -> Result:
    async def script(k: Kernel) -> None:
        async def take_inner() -> None:
            await hold(k, inner, "inner", nothing)

        if outer.startswith("hardirq"):
            await k.raise_irq(take_inner, threadable=outer != "hardirq")
            await k.udelay(5)
        elif outer == "softirq":
            await k.tasklet_schedule(take_inner)
            await k.udelay(5)
        else:
            await hold(k, outer, "outer", take_inner)

    return rcu_lab.run(script, kernel="v6.1-stable", **settings)


@pytest.mark.parametrize("inner", COLUMNS)
@pytest.mark.parametrize("outer", TABLE)
def test_the_selftests_table_with_raw_lock_nesting_proved(rcu_lab: RcuLab, outer: str, inner: str) -> None:
    legal = TABLE[outer][COLUMNS.index(inner)] == "o"
    result = nested(rcu_lab, outer, inner, PROVE_RAW_LOCK_NESTING=True)
    assert result.outcome() == ("clean" if legal else "invalid-wait-context")


@pytest.mark.parametrize("inner", COLUMNS)
@pytest.mark.parametrize("outer", TABLE)
def test_the_table_without(rcu_lab: RcuLab, outer: str, inner: str) -> None:
    legal = TABLE[outer][COLUMNS.index(inner)] != "x"
    result = nested(rcu_lab, outer, inner)
    assert result.outcome() == ("clean" if legal else "invalid-wait-context")


@pytest.mark.parametrize("outer", TABLE)
def test_a_kernel_without_lockdep_says_nothing(rcu_lab: RcuLab, outer: str) -> None:
    assert nested(rcu_lab, outer, "mutex", PROVE_LOCKING=False).clean


@pytest.mark.parametrize(
    ("outer", "inner", "proved", "context", "outer_type", "inner_type"),
    [
        ("raw", "spin", True, "{5:5}", "{2:2}", "{3:3}"),
        ("raw", "mutex", True, "{5:5}", "{2:2}", "{4:4}"),
        ("raw", "mutex", False, "{4:4}", "{2:2}", "{3:3}"),
        ("spin", "mutex", True, "{5:5}", "{3:3}", "{4:4}"),
        ("spin", "mutex", False, "{4:4}", "{2:2}", "{3:3}"),
        ("rcu", "mutex", True, "{5:5}", "{1:3}", "{4:4}"),
        ("hardirq", "spin", True, "{2:2}", None, "{3:3}"),
        ("hardirq (threadable)", "mutex", True, "{3:3}", None, "{4:4}"),
        ("softirq", "mutex", True, "{3:3}", None, "{4:4}"),
        ("softirq", "mutex", False, "{2:2}", None, "{3:3}"),
    ],
)
def test_the_numbers_in_the_report(
    rcu_lab: RcuLab, outer: str, inner: str, proved: bool, context: str, outer_type: str | None, inner_type: str
) -> None:
    text = nested(rcu_lab, outer, inner, PROVE_RAW_LOCK_NESTING=proved).violations[0].text
    assert f"\ncontext-{context}\n" in text
    name = "rcu_read_lock" if outer == "rcu" else "outer"
    if outer_type is None:
        assert "\nno locks held by " in text
    else:
        assert f"}}-{outer_type}, at:" in next(line for line in text.splitlines() if f"({name})" in line)
    assert f"}}-{inner_type}, at:" in next(line for line in text.splitlines() if "(inner)" in line)


@pytest.mark.parametrize("inner", COLUMNS)
def test_bare_preempt_and_irqs_off_are_not_lockdeps_business(rcu_lab: RcuLab, inner: str) -> None:
    async def script(k: Kernel) -> None:
        k.preempt_disable()
        await hold(k, inner, "inner", nothing)
        await k.preempt_enable()
        flags = k.local_irq_save()
        await hold(k, inner, "inner", nothing)
        await k.local_irq_restore(flags)

    assert rcu_lab.run(script, PROVE_RAW_LOCK_NESTING=True).clean


def test_trylocks_are_not_checked_but_count_once_held(rcu_lab: RcuLab) -> None:
    async def script(k: Kernel) -> None:
        raw, spin, mutex = k.raw_spinlock("raw"), k.spinlock("spin"), k.mutex("mutex")
        await k.raw_spin_lock(raw)
        assert k.mutex_trylock(mutex)
        assert k.spin_trylock(spin)
        await k.spin_unlock(spin)
        await k.mutex_unlock(mutex)
        await k.raw_spin_unlock(raw)
        k.pr_info("so far so good")
        assert k.raw_spin_trylock(raw)
        await k.spin_lock(spin)
        await k.spin_unlock(spin)
        await k.raw_spin_unlock(raw)

    run = rcu_lab.prepare(script, PROVE_RAW_LOCK_NESTING=True)
    result = run.run()
    assert result.outcome() == "invalid-wait-context"
    (violation,) = result.violations
    assert violation.title.startswith("BUG: Invalid wait context: spin at ")
    assert " #0: " in violation.text
    assert "(raw)" in violation.text


def test_the_strictest_of_several_held_locks_is_the_limit(rcu_lab: RcuLab) -> None:
    """raw, then a mutex by trylock: the mutex's own type is no licence."""

    async def script(k: Kernel) -> None:
        raw, mutex, spin = k.raw_spinlock("raw"), k.mutex("mutex"), k.spinlock("spin")
        await k.raw_spin_lock(raw)
        assert k.mutex_trylock(mutex)
        await k.spin_lock(spin)
        await k.spin_unlock(spin)
        await k.mutex_unlock(mutex)
        await k.raw_spin_unlock(raw)

    assert rcu_lab.run(script, PROVE_RAW_LOCK_NESTING=True).outcome() == "invalid-wait-context"


def test_a_lock_let_go_out_of_order_limits_no_more(rcu_lab: RcuLab) -> None:
    async def script(k: Kernel) -> None:
        spin, raw = k.spinlock("spin"), k.raw_spinlock("raw")
        await k.spin_lock(spin)
        await k.raw_spin_lock(raw)
        await k.spin_unlock(spin)
        await k.raw_spin_unlock(raw)
        mutex = k.mutex("mutex")
        await k.mutex_lock(mutex)
        await k.raw_spin_lock(raw)
        await k.mutex_unlock(mutex)
        await k.raw_spin_unlock(raw)
        await k.spin_lock(spin)
        await k.spin_unlock(spin)

    assert rcu_lab.run(script, PROVE_RAW_LOCK_NESTING=True).clean


def test_an_interrupt_starts_afresh_with_what_it_may_take(rcu_lab: RcuLab) -> None:
    """Held locks of the interrupted context do not limit the handler: check_wait_context() looks at one."""

    async def script(k: Kernel) -> None:
        async def irq() -> None:
            await hold(k, "spin", "in_irq", nothing)

        raw = k.raw_spinlock("raw")
        await k.raw_spin_lock(raw)
        await k.raise_irq(irq, threadable=True)
        await k.udelay(5)
        await k.raw_spin_unlock(raw)

    assert rcu_lab.run(script, PROVE_RAW_LOCK_NESTING=True).clean


def test_an_hrtimer_that_is_not_hard_may_take_a_spinlock(rcu_lab: RcuLab) -> None:
    """lockdep_hrtimer_enter(): irq_config."""

    def script(hard: bool) -> Callable[[Kernel], Awaitable[None]]:
        async def starts_a_timer(k: Kernel) -> None:
            async def function() -> None:
                await hold(k, "spin", "in_timer", nothing)

            await k.hrtimer_start(k.hrtimer(function, hard=hard), 1000)
            await k.msleep(1)

        return starts_a_timer

    assert rcu_lab.run(script(hard=False), kernel="v6.1-stable", PROVE_RAW_LOCK_NESTING=True).clean
    assert (
        rcu_lab.run(script(hard=True), kernel="v6.1-stable", PROVE_RAW_LOCK_NESTING=True).outcome()
        == "invalid-wait-context"
    )


def test_the_same_mistake_is_reported_once_and_another_one_again(rcu_lab: RcuLab) -> None:
    async def script(k: Kernel) -> None:
        raw = k.raw_spinlock("raw")
        for name in ("spin", "spin", "other", "spin"):
            await k.raw_spin_lock(raw)
            await hold(k, "spin", name, nothing)
            await k.raw_spin_unlock(raw)

    result = rcu_lab.run(script, PROVE_RAW_LOCK_NESTING=True, lockdep_keep_going=True)
    assert [violation.title.split()[4] for violation in result.violations] == ["spin", "other"]
    assert len(rcu_lab.run(script, PROVE_RAW_LOCK_NESTING=True).violations) == 1


@pytest.mark.parametrize("what", ["raw", "spin", "mutex"])
def test_two_locks_of_one_class_are_recursion_and_readers_are_not(rcu_lab: RcuLab, what: str) -> None:
    async def script(k: Kernel) -> None:
        async def inner() -> None:
            await hold(k, what, "same", nothing)

        async def rcu_inner() -> None:
            await hold(k, "rcu", "", nothing)

        await hold(k, "rcu", "", rcu_inner)
        await hold(k, what, "same", inner)

    assert rcu_lab.run(script).kinds == {ViolationKind.RECURSIVE_LOCKING}
    assert rcu_lab.run(script, PROVE_LOCKING=False).clean


def test_letting_go_of_what_is_not_held(rcu_lab: RcuLab) -> None:
    async def script(k: Kernel) -> None:
        await k.mutex_unlock(k.mutex("never taken"))

    result = rcu_lab.run(script)
    assert result.outcome() == "bad-unlock"
    assert result.violations[0].title == "WARNING: bad unlock balance detected: never taken"


def test_a_wait_override_map_sets_the_limit_up_and_down(rcu_lab: RcuLab) -> None:
    """DEFINE_WAIT_OVERRIDE_MAP(): spinlock_t under a raw lock where the writer knows better, or nothing but raw."""

    async def script(k: Kernel, up: bool = True) -> None:
        system, cpu = k.machine.system, k.machine.this_cpu
        lockdep = system.lockdep
        override = system.lock_factory.make_override("override", inner=WaitType.CONFIG if up else WaitType.SPIN)
        outer = k.raw_spinlock("outer") if up else k.mutex("outer")
        await (k.raw_spin_lock if up else k.mutex_lock)(outer)
        lockdep.acquire(cpu, override, trylock=True)
        await hold(k, "spin", "inner", nothing)
        lockdep.release(cpu, override)
        await (k.raw_spin_unlock if up else k.mutex_unlock)(outer)

    assert rcu_lab.run(script, PROVE_RAW_LOCK_NESTING=True).clean
    assert rcu_lab.run(script, PROVE_RAW_LOCK_NESTING=True, up="n").outcome() == "invalid-wait-context"


def test_an_override_lifts_what_the_context_forbids_too(rcu_lab: RcuLab) -> None:
    async def script(k: Kernel, lifted: bool = True) -> None:
        async def irq() -> None:
            override = k.machine.system.lock_factory.make_override("override", inner=WaitType.CONFIG)
            if lifted:
                k.machine.system.lockdep.acquire(k.machine.this_cpu, override, trylock=True)
            await hold(k, "spin", "inner", nothing)
            if lifted:
                k.machine.system.lockdep.release(k.machine.this_cpu, override)

        await k.raise_irq(irq)
        await k.udelay(5)

    assert rcu_lab.run(script, kernel="v6.1-stable", PROVE_RAW_LOCK_NESTING=True).clean
    assert (
        rcu_lab.run(script, kernel="v6.1-stable", PROVE_RAW_LOCK_NESTING=True, lifted="n").outcome()
        == "invalid-wait-context"
    )


def test_an_override_holds_for_all_that_is_taken_under_it_and_for_nothing_after_it(rcu_lab: RcuLab) -> None:
    """Two spinlock_t in each other, in a hard interrupt: the second is under what the map says, too."""

    async def script(k: Kernel, after: bool = False) -> None:
        async def irq() -> None:
            lockdep, cpu = k.machine.system.lockdep, k.machine.this_cpu
            override = k.machine.system.lock_factory.make_override("override", inner=WaitType.CONFIG)

            async def second() -> None:
                await hold(k, "spin", "second", nothing)

            lockdep.acquire(cpu, override, trylock=True)
            await hold(k, "spin", "first", second)
            lockdep.release(cpu, override)
            if after:
                await hold(k, "spin", "third", nothing)

        await k.raise_irq(irq)
        await k.udelay(5)

    options = {"kernel": "v6.1-stable", "PROVE_RAW_LOCK_NESTING": True}
    assert rcu_lab.run(script, **options).clean
    late = rcu_lab.run(script, **options, after="y")
    assert late.outcome() == "invalid-wait-context"
    assert "third" in late.violations[0].text
