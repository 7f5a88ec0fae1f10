"""kernel/locking/: who spins, who sleeps, who is next, and what happens meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from rcuactors import Kernel, ViolationKind, run, scenario
from rcuactors.context.violation import Deadlock
from rcuactors.testing import RcuLab

HOLD_US = 200


def test_a_contended_raw_lock_spins_while_a_third_cpu_goes_on(rcu_lab: RcuLab) -> None:
    times: dict[str, int] = {}
    progress: list[int] = []

    async def script(k: Kernel) -> None:
        lock = k.raw_spinlock("lock")

        async def holder() -> None:
            await k.raw_spin_lock(lock)
            times["held"] = k.now
            await k.udelay(HOLD_US)
            times["let go"] = k.now
            await k.raw_spin_unlock(lock)

        async def spinner() -> None:
            await k.udelay(20)
            times["wants"] = k.now
            await k.raw_spin_lock(lock)
            times["got"] = k.now
            await k.raw_spin_unlock(lock)

        async def third() -> None:
            for _ in range(10):
                await k.udelay(20)
                progress.append(k.now)

        async with k.open_nursery() as nursery:
            for cpu, function in enumerate((holder, spinner, third)):
                await nursery.start_soon(function, cpu=cpu + 1)

    run = rcu_lab.prepare(script, nr_cpus=4)
    assert run.run().clean
    costs = run.machine.system.costs
    assert times["held"] < times["wants"] < times["let go"]
    assert times["let go"] - times["held"] == HOLD_US * 1000
    assert times["got"] - times["let go"] == costs.lock_handover_ns + costs.lock_ns
    assert sum(times["wants"] < now < times["let go"] for now in progress) >= 8


def test_a_spinner_does_not_give_up_its_cpu(rcu_lab: RcuLab) -> None:
    times: dict[str, int] = {}

    async def script(k: Kernel) -> None:
        lock = k.raw_spinlock("lock")

        async def holder() -> None:
            await k.raw_spin_lock(lock)
            await k.udelay(HOLD_US)
            times["let go"] = k.now
            await k.raw_spin_unlock(lock)

        async def spinner() -> None:
            await k.udelay(20)
            await k.raw_spin_lock(lock)
            await k.udelay(5)
            await k.raw_spin_unlock(lock)

        async def urgent() -> None:
            times["urgent ran"] = k.now

        async with k.open_nursery() as nursery:
            await nursery.start_soon(holder, cpu=1)
            await nursery.start_soon(spinner, cpu=2)
            await k.udelay(60)
            await nursery.start_soon(urgent, cpu=2, urgent=True)

    assert rcu_lab.run(script, nr_cpus=3).clean
    assert times["urgent ran"] >= times["let go"] + 5000


def test_waiters_get_the_lock_in_the_order_in_which_they_came(rcu_lab: RcuLab) -> None:
    for kind in ("raw_spinlock", "spinlock", "mutex"):
        order: list[int] = []

        async def script(k: Kernel, kind: str = kind, order: Any = order) -> None:
            lock = getattr(k, kind)("lock")
            take, give = {
                "raw_spinlock": (k.raw_spin_lock, k.raw_spin_unlock),
                "spinlock": (k.spin_lock, k.spin_unlock),
                "mutex": (k.mutex_lock, k.mutex_unlock),
            }[kind]

            async def waiter(number: int) -> None:
                await k.udelay(10 * number)
                await take(lock)
                order.append(number)
                await k.udelay(HOLD_US)
                await give(lock)

            async with k.open_nursery() as nursery:
                for number in (3, 1, 4, 2, 5):
                    await nursery.start_soon(waiter, number, cpu=number, name=f"w{number}")

        scripted: Any = wrapped(script)
        assert rcu_lab.run(scripted, nr_cpus=6).clean
        assert order == [1, 2, 3, 4, 5], kind


def wrapped(script: Any) -> Any:
    """The script without its bound arguments, which would count as parameters."""

    async def takes_only_the_kernel(k: Kernel) -> None:
        await script(k)

    return takes_only_the_kernel


@pytest.mark.parametrize("irqs_on", [True, False])
def test_interrupts_are_served_while_spinning_if_they_are_on(rcu_lab: RcuLab, irqs_on: bool) -> None:
    times: dict[str, int] = {}

    async def script(k: Kernel) -> None:
        lock = k.raw_spinlock("lock")

        async def holder() -> None:
            flags = await k.raw_spin_lock_irqsave(lock)
            await k.udelay(HOLD_US)
            times["let go"] = k.now
            await k.raw_spin_unlock_irqrestore(lock, flags)

        async def spinner() -> None:
            await k.udelay(20)
            if irqs_on:
                await k.raw_spin_lock(lock)
                await k.raw_spin_unlock(lock)
            else:
                flags = await k.raw_spin_lock_irqsave(lock)
                await k.udelay(3)
                times["irqs on"] = k.now
                await k.raw_spin_unlock_irqrestore(lock, flags)

        async def irq() -> None:
            times["irq"] = k.now

        async with k.open_nursery() as nursery:
            await nursery.start_soon(holder, cpu=1)
            await nursery.start_soon(spinner, cpu=2)
            await k.udelay(60)
            times["raised"] = k.now
            await k.raise_irq(irq, cpu=2)

    assert rcu_lab.run(script, nr_cpus=3).clean
    if irqs_on:
        assert times["raised"] < times["irq"] < times["let go"]
    else:
        assert times["irq"] >= times["irqs on"]


def contended_spinlock(rcu_lab: RcuLab, **settings: object) -> tuple[dict[str, int], list[str]]:
    """A spinlock_t of which CPU 1 is the holder and a thread of CPU 2 the waiter, beside another thread of CPU 2."""
    times: dict[str, int] = {}
    seen: list[str] = []

    async def script(k: Kernel) -> None:
        lock = k.spinlock("lock")

        async def holder() -> None:
            await k.spin_lock(lock)
            await k.udelay(HOLD_US)
            times["let go"] = k.now
            await k.spin_unlock(lock)

        async def waiter() -> None:
            await k.udelay(20)
            await k.spin_lock(lock)
            seen.append(f"preempt_count {k.preempt_count()}, preemptible {k.preemptible()}")
            times["got"] = k.now
            await k.spin_unlock(lock)

        async def neighbour() -> None:
            times["neighbour"] = k.now

        async with k.open_nursery() as nursery:
            await nursery.start_soon(holder, cpu=1)
            await nursery.start_soon(waiter, cpu=2)
            await k.udelay(60)
            await nursery.start_soon(neighbour, cpu=2)

    assert rcu_lab.run(script, nr_cpus=3, **settings).clean
    return times, seen


def test_a_spinlock_spins(rcu_lab: RcuLab) -> None:
    times, seen = contended_spinlock(rcu_lab)
    assert times["neighbour"] > times["got"] > times["let go"]
    assert seen == ["preempt_count 1, preemptible False"]


def test_on_preempt_rt_a_contended_spinlock_sleeps_and_its_cpu_runs_others(rcu_lab: RcuLab) -> None:
    times, seen = contended_spinlock(rcu_lab, PREEMPT_RT=True)
    assert times["neighbour"] < times["let go"] < times["got"]
    assert seen == ["preempt_count 0, preemptible True"]


def test_on_preempt_rt_a_spinlock_pins_and_leaves_interrupts_on(rcu_lab: RcuLab) -> None:
    flags: list[str] = []

    async def script(k: Kernel) -> None:
        lock = k.spinlock("lock")
        saved = await k.spin_lock_irqsave(lock)
        flags.append(run.machine.system.cpu(0).ctx.flags())
        await k.spin_unlock_irqrestore(lock, saved)
        flags.append(run.machine.system.cpu(0).ctx.flags())

    run = rcu_lab.prepare(script, PREEMPT_RT=True)
    assert run.run().clean
    run = rcu_lab.prepare(script)
    assert run.run().clean
    assert flags == ["....1", ".....", "d..1.", "....."]


def test_a_mutex_sleeps(rcu_lab: RcuLab) -> None:
    log: list[str] = []

    async def script(k: Kernel) -> None:
        lock = k.mutex("m")

        async def waiter() -> None:
            await k.mutex_lock(lock)
            log.append("got")
            await k.mutex_unlock(lock)

        await k.mutex_lock(lock)
        assert k.preempt_count() == 0
        async with k.open_nursery() as nursery:
            await nursery.start_soon(waiter)
            await k.msleep(1)
            log.append("let go")
            await k.mutex_unlock(lock)

    assert rcu_lab.run(script, DEBUG_ATOMIC_SLEEP=True).clean
    assert log == ["let go", "got"]


@pytest.mark.parametrize("rt", [False, True])
@pytest.mark.parametrize(("kind", "count", "rt_count"), [("raw_spinlock", 1, 1), ("spinlock", 1, 0), ("mutex", 0, 0)])
def test_a_trylock_takes_what_is_free_and_never_waits(
    rcu_lab: RcuLab, rt: bool, kind: str, count: int, rt_count: int
) -> None:
    async def script(k: Kernel) -> None:
        lock = getattr(k, kind)("lock")
        stem = kind.removesuffix("lock") if kind != "mutex" else kind
        trylock, unlock = getattr(k, f"{stem}_trylock"), getattr(k, f"{stem}_unlock")

        async def other() -> None:
            began = k.now
            assert not trylock(lock)
            assert k.preempt_count() == 0
            assert k.now - began < 1000
            tried.append(True)

        tried: list[bool] = []
        assert trylock(lock)
        assert not trylock(lock)
        assert k.preempt_count() == (rt_count if rt else count)
        await k.kthread_run(other, cpu=1)
        await k.udelay(100)
        assert tried
        await unlock(lock)
        assert k.preempt_count() == 0
        assert trylock(lock)
        await unlock(lock)

    assert rcu_lab.run(script, PREEMPT_RT=rt).clean


@pytest.mark.parametrize("outer_irqs_off", [False, True])
def test_irqsave_forms_restore_what_was(rcu_lab: RcuLab, outer_irqs_off: bool) -> None:
    async def script(k: Kernel) -> None:
        if outer_irqs_off:
            k.local_irq_disable()
        raw, spin = k.raw_spinlock("r"), k.spinlock("s")
        flags = await k.raw_spin_lock_irqsave(raw)
        assert k.irqs_disabled()
        await k.raw_spin_unlock_irqrestore(raw, flags)
        assert k.irqs_disabled() is outer_irqs_off
        flags = await k.spin_lock_irqsave(spin)
        assert k.irqs_disabled()
        await k.spin_unlock_irqrestore(spin, flags)
        assert k.irqs_disabled() is outer_irqs_off
        await k.raw_spin_lock_irq(raw)
        assert k.irqs_disabled()
        await k.raw_spin_unlock_irq(raw)
        assert not k.irqs_disabled()

    assert rcu_lab.run(script).clean


def test_a_local_lock_is_preempt_off_or_a_sleeping_lock(rcu_lab: RcuLab) -> None:
    counts: list[int] = []

    async def script(k: Kernel) -> None:
        lock = k.local_lock_t("l")
        await k.local_lock(lock)
        counts.append(k.preempt_count())
        await k.local_unlock(lock)
        counts.append(k.preempt_count())

    assert rcu_lab.run(script).clean
    assert rcu_lab.run(script, PREEMPT_RT=True).clean
    assert counts == [1, 0, 0, 0]


def abba(*, irqs_off: bool = False) -> Any:
    async def script(k: Kernel) -> None:
        a, b = k.raw_spinlock("a_lock"), k.raw_spinlock("b_lock")

        async def takes(first: Any, second: Any) -> None:
            if irqs_off:
                k.local_irq_disable()
            await k.raw_spin_lock(first)
            await k.udelay(50)
            await k.raw_spin_lock(second)

        async def bystander() -> None:
            await k.msleep(10_000)

        async with k.open_nursery() as nursery:
            await nursery.start_soon(takes, a, b, cpu=1, name="ab")
            await nursery.start_soon(takes, b, a, cpu=2, name="ba")
            await nursery.start_soon(bystander, cpu=0)

    return script


@pytest.mark.parametrize("irqs_off", [False, True])
def test_an_abba_deadlock_is_reported_when_its_cycle_closes(rcu_lab: RcuLab, irqs_off: bool) -> None:
    """With a bystander that would keep the machine alive for another ten seconds."""
    result = rcu_lab.run(abba(irqs_off=irqs_off), nr_cpus=3, PROVE_LOCKING=False)
    assert result.outcome() == "deadlock"
    assert result.end_ns < 1_000_000
    (violation,) = result.violations
    title, one, other = violation.text.splitlines()[:3]
    assert title.startswith("DEADLOCK: ")
    assert {one, other} == {
        " ab/21 on CPU 1 spins on b_lock, held by ba/22 on CPU 2",
        " ba/22 on CPU 2 spins on a_lock, held by ab/21 on CPU 1",
    }


def test_lockdep_sees_it_coming(rcu_lab: RcuLab) -> None:
    assert rcu_lab.run(abba(), nr_cpus=3).outcome() == "circular-locking, deadlock"


def test_an_abba_deadlock_under_panic_on_warn(rcu_lab: RcuLab) -> None:
    with pytest.raises(Deadlock, match="waits for ever for"):
        rcu_lab.run(abba(), nr_cpus=3, panic_on_warn=True, PROVE_LOCKING=False)


def test_taking_a_raw_lock_twice_is_a_deadlock_with_oneself(rcu_lab: RcuLab) -> None:
    async def script(k: Kernel) -> None:
        lock = k.raw_spinlock("lock")
        await k.raw_spin_lock(lock)
        await k.raw_spin_lock(lock)

    result = rcu_lab.run(script, PROVE_LOCKING=False)
    assert result.outcome() == "deadlock"
    assert "spins on lock, held by itself" in result.violations[0].text


def test_a_mutex_cycle_of_three(rcu_lab: RcuLab) -> None:
    async def script(k: Kernel) -> None:
        locks = [k.mutex(f"m{number}") for number in range(3)]

        async def philosopher(number: int) -> None:
            await k.mutex_lock(locks[number])
            await k.msleep(1)
            await k.mutex_lock(locks[(number + 1) % 3])

        async with k.open_nursery() as nursery:
            for number in range(3):
                await nursery.start_soon(philosopher, number, cpu=number, name=f"p{number}")

    result = rcu_lab.run(script, nr_cpus=3, PROVE_LOCKING=False)
    assert result.kinds == {ViolationKind.DEADLOCK}
    edges = [line for line in result.violations[0].text.splitlines() if " on m" in line and "held by p" in line]
    assert len(edges) == 3


def test_a_spinner_that_never_gets_its_lock_is_a_soft_lockup(rcu_lab: RcuLab) -> None:
    """The holder is gone; the spinner's ticks would keep the machine busy for ever."""

    async def script(k: Kernel) -> None:
        lock = k.raw_spinlock("lock")

        async def holder() -> None:
            await k.raw_spin_lock(lock)

        async def spinner() -> None:
            await k.msleep(1)
            await k.raw_spin_lock(lock)

        async with k.open_nursery() as nursery:
            await nursery.start_soon(holder, cpu=0)
            await nursery.start_soon(spinner, cpu=1)

    result = rcu_lab.run(script, PROVE_LOCKING=False, SOFTLOCKUP_DETECTOR=True, kernel="v5.11")
    assert result.outcome() == "bad-context, soft-lockup, deadlock"
    assert result.violations[1].title == "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [spinner:22]"
    assert result.violations[-1].title == "DEADLOCK: CPU#1 stuck for 29s on lock! [spinner:22]"


WRONG_WAYS = [
    ("rwlock", "write_lock", "read_unlock"),
    ("rwlock", "read_lock", "write_unlock"),
    ("rwsem", "down_write", "up_read"),
    ("rwsem", "down_read", "up_write"),
]


@pytest.mark.parametrize("settings", [{}, {"PROVE_LOCKING": "n"}, {"PREEMPT_RT": "y", "PROVE_LOCKING": "n"}])
@pytest.mark.parametrize(("kind", "take", "leave"), WRONG_WAYS)
def test_what_is_held_in_one_way_is_not_let_go_in_the_other(
    kind: str, take: str, leave: str, settings: dict[str, str]
) -> None:
    """No kernel here says so: lockdep compares classes only, and the lock's word is wrong from then on."""

    async def script(k: Kernel) -> None:
        lock = getattr(k, kind)("lock")
        await getattr(k, take)(lock)
        await getattr(k, leave)(lock)

    result = run(scenario()(script), **settings)
    assert result.outcome() == "bad-unlock"
    assert result.violations[0].by == "oracle"
    assert result.violations[0].line.startswith("test_operations.py:")
