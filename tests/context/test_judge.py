"""context/judge.py and context/violation.py: which checks there are, how often they speak, what is raised."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import attrs
import pytest

from rcuactors import BadInput, Kernel, KernelBug, Violation, ViolationKind
from rcuactors.context.violation import (
    Deadlock,
    InvalidWaitContext,
    Reporter,
    SchedulingWhileAtomic,
    SleepingFunction,
    UseAfterFree,
    exception_for,
)
from rcuactors.testing import RcuLab


async def sleeps_in_atomic(k: Kernel) -> None:
    k.preempt_disable()
    k.might_sleep()
    await k.preempt_enable()


def test_might_sleep_says_nothing_without_debug_atomic_sleep(rcu_lab: RcuLab) -> None:
    assert rcu_lab.run(sleeps_in_atomic).clean
    assert rcu_lab.run(sleeps_in_atomic, DEBUG_ATOMIC_SLEEP=True).outcome() == "sleeping-function"


def test_might_sleep_is_silent_where_sleeping_is_legal(rcu_lab: RcuLab) -> None:
    async def script(k: Kernel) -> None:
        k.might_sleep()
        lock = k.mutex("m")
        await k.mutex_lock(lock)
        k.might_sleep()
        await k.mutex_unlock(lock)

    assert rcu_lab.run(script, DEBUG_ATOMIC_SLEEP=True).clean


def test_sleeping_function_is_reported_at_most_once_a_second(rcu_lab: RcuLab) -> None:
    async def script(k: Kernel) -> None:
        for _ in range(25):
            k.preempt_disable()
            k.might_sleep()
            await k.preempt_enable()
            await k.msleep(100)

    result = rcu_lab.run(script, DEBUG_ATOMIC_SLEEP=True)
    times = [violation.time_ns for violation in result.violations]
    assert len(times) == 3
    assert all(later - earlier >= 1_000_000_000 for earlier, later in pairwise(times))


@pytest.mark.parametrize(("preempt", "atomic"), [(True, 0), (False, 1)])
def test_a_reader_must_not_sleep(rcu_lab: RcuLab, preempt: bool, atomic: int) -> None:
    """PREEMPT_RCU counts its readers; without it rcu_read_lock() is preempt_disable(), if that leaves a trace."""

    async def script(k: Kernel) -> None:
        with k.rcu_reader():
            k.might_sleep()

    violation = rcu_lab.run(script, DEBUG_ATOMIC_SLEEP=True, PREEMPT=preempt, PROVE_LOCKING=False).violations[0]
    assert f"in_atomic(): {atomic}," in violation.text
    assert ("RCU nest depth: 1, expected: 0" in violation.text) is preempt


Step = Callable[[Kernel], Awaitable[None]]


async def rcu_enter(k: Kernel) -> None:
    k.rcu_read_lock()


async def sched_enter(k: Kernel) -> None:
    k.rcu_read_lock_sched()


@pytest.mark.parametrize(
    ("enter", "flavour", "settings"),
    [
        (rcu_enter, "RCU", {"PREEMPT": False}),
        (rcu_enter, "", {}),
        (Kernel.rcu_read_lock_bh, "RCU-bh", {}),
        (Kernel.rcu_read_lock_bh, "", {"PREEMPT_RT": True}),
        (sched_enter, "RCU-sched", {}),
        (sched_enter, "RCU-sched", {"PREEMPT_RT": True}),
    ],
)
def test_readers_that_must_not_be_switched_out_are_rcus_to_report(
    rcu_lab: RcuLab, enter: Step, flavour: str, settings: dict[str, Any]
) -> None:
    """rcu_sleep_check(), of might_sleep() and of schedule(): once for each of the two, while lockdep is on."""

    async def script(k: Kernel) -> None:
        await enter(k)
        for _ in range(3):
            k.might_sleep()
            await k.usleep_range(10, 20)

    def suspicious(**more: Any) -> list[str]:
        result = rcu_lab.run(script, **settings, **more)
        return [found.title for found in result.violations if found.kind is ViolationKind.SUSPICIOUS_RCU]

    said = f"WARNING: suspicious RCU usage: Illegal context switch in {flavour} read-side critical section"
    assert suspicious(DEBUG_ATOMIC_SLEEP=True) == ([said, said] if flavour else [])
    assert suspicious(DEBUG_ATOMIC_SLEEP=True, PROVE_LOCKING=False) == []
    if settings.get("PREEMPT", True):
        assert suspicious() == ([said] if flavour else [])


def test_an_nmi_is_no_place_for_rcus_warnings(rcu_lab: RcuLab) -> None:
    """nmi_enter() has lockdep off."""

    async def script(k: Kernel) -> None:
        p = await k.kmalloc(64)

        async def nmi() -> None:
            k.rcu_dereference(p)

        await k.raise_nmi(nmi)
        await k.kfree(p)

    assert rcu_lab.run(script).clean


def test_an_rt_spinlock_may_be_taken_by_a_reader_but_not_under_a_raw_lock(rcu_lab: RcuLab) -> None:
    """rtlock_might_resched() tolerates RCU readers."""

    async def reader(k: Kernel) -> None:
        lock = k.spinlock("s")
        with k.rcu_reader():
            await k.spin_lock(lock)
            await k.spin_unlock(lock)

    async def raw(k: Kernel) -> None:
        outer, inner = k.raw_spinlock("r"), k.spinlock("s")
        await k.raw_spin_lock(outer)
        await k.spin_lock(inner)
        await k.spin_unlock(inner)
        await k.raw_spin_unlock(outer)

    settings: dict[str, Any] = {"PREEMPT_RT": True, "DEBUG_ATOMIC_SLEEP": True}
    assert rcu_lab.run(reader, **settings).clean
    assert rcu_lab.run(raw, **settings).outcome() == "sleeping-function"
    assert rcu_lab.run(raw, PREEMPT_RT=True).clean


def raw_then(inner: str) -> Any:
    async def script(k: Kernel) -> None:
        await k.raw_spin_lock(k.raw_spinlock("r"))
        if inner == "spin":
            await k.spin_lock(k.spinlock("s"))
        elif inner == "might_sleep":
            k.might_sleep()
        elif inner == "msleep":
            await k.msleep(1)
        else:
            await k.raw_spin_lock(k.raw_spinlock("r"))

    return script


@pytest.mark.parametrize(
    ("inner", "error", "kind"),
    [
        ("spin", InvalidWaitContext, ViolationKind.INVALID_WAIT_CONTEXT),
        ("might_sleep", SleepingFunction, ViolationKind.SLEEPING_FUNCTION),
        ("msleep", SchedulingWhileAtomic, ViolationKind.SCHEDULING_WHILE_ATOMIC),
        ("raw", KernelBug, ViolationKind.RECURSIVE_LOCKING),
    ],
)
def test_panic_on_warn_raises_the_first_report_as_its_class(
    rcu_lab: RcuLab, inner: str, error: type[KernelBug], kind: ViolationKind
) -> None:
    with pytest.raises(KernelBug) as caught:
        rcu_lab.run(
            raw_then(inner),
            panic_on_warn=True,
            PROVE_RAW_LOCK_NESTING=True,
            DEBUG_ATOMIC_SLEEP=inner == "might_sleep",
        )
    assert type(caught.value) is error
    violation = caught.value.violation
    assert violation.kind is kind
    assert str(caught.value) == violation.text
    assert (violation.cpu, violation.context) == (0, "preempt_off")
    assert violation.time_ns > 0


def violation(kind: ViolationKind) -> Violation:
    return Violation(kind=kind, title="t", time_ns=1, cpu=0, context="process", text="the splat")


@pytest.mark.parametrize("kind", ViolationKind)
def test_every_kind_has_an_exception(kind: ViolationKind) -> None:
    special = {
        ViolationKind.DEADLOCK: Deadlock,
        ViolationKind.INVALID_WAIT_CONTEXT: InvalidWaitContext,
        ViolationKind.SCHEDULING_WHILE_ATOMIC: SchedulingWhileAtomic,
        ViolationKind.SLEEPING_FUNCTION: SleepingFunction,
        ViolationKind.USE_AFTER_FREE: UseAfterFree,
    }
    error = exception_for(violation(kind))
    assert type(error) is special.get(kind, KernelBug)
    assert error.violation.kind is kind


def test_a_reporter_counts_all_and_keeps_some() -> None:
    heard: list[Violation] = []
    reporter = Reporter(limit=2)
    reporter.reported.listen(heard.append)
    for number in range(5):
        reporter.report(attrs.evolve(violation(ViolationKind.LEAK), time_ns=number))
    assert [kept.time_ns for kept in reporter.violations] == [0, 1]
    assert reporter.count == len(heard) == 5
    reporter.closed = True
    reporter.report(violation(ViolationKind.LEAK))
    assert reporter.count == 5


def test_a_reporter_that_panics_still_remembers() -> None:
    reporter = Reporter(panic_on_warn=True)
    error = reporter.note(violation(ViolationKind.DEADLOCK))
    assert isinstance(error, Deadlock)
    with pytest.raises(Deadlock):
        reporter.report(violation(ViolationKind.DEADLOCK))
    assert reporter.count == 2


@pytest.mark.parametrize("wrong", ["x", None, 7])
def test_a_bug_is_made_of_a_violation(wrong: Any) -> None:
    with pytest.raises(BadInput, match=r"^KernelBug\(.*\): needs a Violation: the kernel's own report$"):
        KernelBug(wrong)
