"""kernel/migration.py: where threads run, who may move them, and that nothing is lost on the way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from rcuactors import Kernel, ViolationKind
from rcuactors.engine.choice import Timed
from rcuactors.engine.decision import Decision
from rcuactors.errors import BadInput
from rcuactors.explore import Random
from rcuactors.kernel.migration import PULL, SELECT_CPU
from rcuactors.testing import RcuLab


class Mover(Random):
    """Obeys nothing: at each decision about a CPU the last option, which never is to stay; others by chance."""

    name = "mover"

    def choose(self, decision: Decision) -> int:
        if decision.kind in (SELECT_CPU, PULL):
            return decision.count - 1
        return super().choose(decision)


def moved(lab: RcuLab, script: Callable[[Kernel], Awaitable[None]], **options: Any) -> int:
    """Run it; how many times a thread was moved."""
    run = lab.prepare(script, **options)
    run.run()
    return run.machine.system.migration.moved


def test_a_thread_that_sleeps_wakes_where_it_was_put_and_goes_on(rcu_lab: RcuLab) -> None:
    seen: list[int] = []

    async def main(k: Kernel) -> None:
        for _ in range(4):
            seen.append(k.smp_processor_id())
            await k.msleep(1)
        seen.append(k.smp_processor_id())

    rcu_lab.run(main, strategy=Mover(), migrate="y", nr_cpus=2)
    # Woken to be started, then after each sleep.
    assert seen in ([1, 0, 1, 0, 1], [0, 1, 0, 1, 0])


def test_time_does_not_run_backwards_for_who_moves(rcu_lab: RcuLab) -> None:
    async def main(k: Kernel) -> None:
        before = k.now
        for turn in range(20):
            await k.udelay(turn * 10)
            await k.msleep(1)
            assert k.now > before
            before = k.now

    rcu_lab.run(main, strategy=Mover(), migrate="y", nr_cpus=3)


def test_a_thread_comes_back_from_a_wait_outside_on_another_cpu(rcu_lab: RcuLab) -> None:
    seen: list[int] = []

    async def main(k: Kernel) -> None:
        for _ in range(3):
            seen.append(k.smp_processor_id())
            await trio.sleep(0.001)
        await k.kvfree_rcu_mightsleep(await k.kmalloc(64))

    result = rcu_lab.run(main, strategy=Mover(), migrate="y", nr_cpus=2)
    assert len(set(seen)) == 2
    assert result.clean


def test_who_was_preempted_can_be_pulled_by_another_cpu(rcu_lab: RcuLab) -> None:
    seen: list[int] = []

    async def urgent(k: Kernel) -> None:
        for _ in range(20):
            await k.usleep_range(20, 30)

    async def main(k: Kernel) -> None:
        seen.append(k.smp_processor_id())
        await k.kthread_run(urgent, k, cpu=0, urgent=True)
        for _ in range(200):
            seen.append(k.smp_processor_id())
            await k.udelay(1)

    class Pull(Mover):
        def choose(self, decision: Decision) -> int:
            return 0 if decision.kind is SELECT_CPU else super().choose(decision)

    rcu_lab.run(main, strategy=Pull(), migrate="y", nr_cpus=2)
    assert set(seen) == {0, 1}


@pytest.mark.parametrize(("strategy", "migrate"), [("timed", "y"), ("random", "n")])
def test_nobody_moves_under_timed_nor_unless_the_run_asks_for_it(rcu_lab: RcuLab, strategy: str, migrate: str) -> None:
    async def main(k: Kernel) -> None:
        for _ in range(30):
            await k.msleep(1)

    chosen = Random() if strategy == "random" else Timed()
    assert moved(rcu_lab, main, strategy=chosen, migrate=migrate, nr_cpus=4) == 0


async def _irqs_off(k: Kernel, act: Callable[[], Awaitable[None]]) -> None:
    flags = k.local_irq_save()
    await act()
    await k.local_irq_restore(flags)


async def _preempt_off(k: Kernel, act: Callable[[], Awaitable[None]]) -> None:
    k.get_cpu()
    await act()
    await k.put_cpu()


async def _bh_off(k: Kernel, act: Callable[[], Awaitable[None]]) -> None:
    await k.local_bh_disable()
    await act()
    await k.local_bh_enable()


async def _migration_off(k: Kernel, act: Callable[[], Awaitable[None]]) -> None:
    k.migrate_disable()
    await act()
    await k.migrate_enable()


async def _spinlock(k: Kernel, act: Callable[[], Awaitable[None]]) -> None:
    lock = k.spinlock("lock")
    await k.spin_lock(lock)
    await act()
    await k.spin_unlock(lock)


async def _local_lock(k: Kernel, act: Callable[[], Awaitable[None]]) -> None:
    lock = k.local_lock_t("lock")
    await k.local_lock(lock)
    await act()
    await k.local_unlock(lock)


@pytest.mark.parametrize("rt", ["n", "y"])
@pytest.mark.parametrize("pinned", [_irqs_off, _preempt_off, _bh_off, _migration_off, _spinlock, _local_lock])
def test_who_is_pinned_stays(rcu_lab: RcuLab, pinned: Any, rt: str) -> None:
    async def main(k: Kernel) -> None:
        async def act() -> None:
            here = k.smp_processor_id()
            for _ in range(20):
                await k.udelay(5)
                await k.cpu_relax()
                assert k.smp_processor_id() == here

        async with k.open_nursery() as nursery:
            for cpu in (0, 1):
                await nursery.start_soon(k.udelay, 100, cpu=cpu, urgent=True)
            for _ in range(5):
                await pinned(k, act)
                await k.msleep(1)

    for seed in range(3):
        assert moved(rcu_lab, main, strategy=Mover(), seed=seed, migrate="y", PREEMPT_RT=rt, nr_cpus=2)


def test_who_has_slept_in_an_atomic_region_stays_until_its_end(rcu_lab: RcuLab) -> None:
    """schedule() has wiped out the count; the frames that are left all the same belong to the CPU."""
    seen: list[int] = []

    async def main(k: Kernel) -> None:
        lock = k.raw_spinlock("lock")
        await k.raw_spin_lock(lock)
        for _ in range(4):
            await k.msleep(1)
            seen.append(k.raw_smp_processor_id())
        await k.raw_spin_unlock(lock)
        for _ in range(2):
            await k.msleep(1)
            seen.append(k.raw_smp_processor_id())

    result = rcu_lab.run(main, strategy=Mover(), migrate="y", nr_cpus=2)
    assert result.violations[0].kind is ViolationKind.SCHEDULING_WHILE_ATOMIC
    before, behind = seen[:4], seen[4:]
    assert len(set(before)) == 1
    assert behind == [1 - before[0], before[0]]


def test_migration_off_lets_a_sleeper_wake_where_it_was(rcu_lab: RcuLab) -> None:
    async def main(k: Kernel) -> None:
        k.migrate_disable()
        here = k.smp_processor_id()
        for _ in range(5):
            await k.msleep(1)
            assert k.smp_processor_id() == here
        await k.migrate_enable()
        await k.msleep(1)
        assert k.smp_processor_id() != here

    rcu_lab.run(main, strategy=Mover(), migrate="y", nr_cpus=2)


def test_a_thread_started_on_a_cpu_is_bound_to_it(rcu_lab: RcuLab) -> None:
    async def stays(k: Kernel) -> None:
        for _ in range(5):
            assert k.smp_processor_id() == 1
            await k.msleep(1)
        with pytest.raises(BadInput, match="bound to CPU 1"):
            await k.set_cpus_allowed(None, {0})

    async def main(k: Kernel) -> None:
        async with k.open_nursery() as nursery:
            await nursery.start_soon(stays, k, cpu=1)

    rcu_lab.run(main, strategy=Mover(), migrate="y", nr_cpus=3)


# -- affinity ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preempt", ["y", "n"])
def test_who_must_not_run_here_any_more_moves_at_once(rcu_lab: RcuLab, preempt: str) -> None:
    async def main(k: Kernel) -> None:
        assert k.smp_processor_id() == 0
        await k.set_cpus_allowed(None, {2})
        assert k.smp_processor_id() == 2
        await k.msleep(1)
        assert k.smp_processor_id() == 2
        await k.set_cpus_allowed(None, range(3))
        assert k.smp_processor_id() == 2

    assert moved(rcu_lab, main, nr_cpus=3, PREEMPT=preempt) == 1


def test_another_thread_is_taken_away_where_it_runs_waits_or_sleeps(rcu_lab: RcuLab) -> None:
    ends: dict[str, int] = {}

    async def runs(k: Kernel) -> None:
        await k.udelay(500)
        ends["runs"] = k.smp_processor_id()

    async def sleeps(k: Kernel) -> None:
        await k.msleep(10)
        ends["sleeps"] = k.smp_processor_id()

    async def waits(k: Kernel) -> None:
        ends["waits"] = k.smp_processor_id()

    async def main(k: Kernel) -> None:
        async with k.open_nursery() as nursery:
            started = [await nursery.start_soon(function, k, name=function.__name__) for function in (runs, sleeps)]
            # They have been started on this CPU; they get it while this sleeps.
            await k.msleep(4)
            started.append(await nursery.start_soon(waits, k, name="waits"))
            for task in started:
                await k.set_cpus_allowed(task, {1})
                if task.name != "sleeps":
                    assert task.thread.cpu.cpu_id == 1 or task.name in ends

    rcu_lab.run(main, nr_cpus=2)
    assert ends["sleeps"] == ends["waits"] == 1


def test_one_that_runs_elsewhere_is_waited_for(rcu_lab: RcuLab) -> None:
    async def runs(k: Kernel) -> None:
        await k.set_cpus_allowed(None, {1})
        k.migrate_disable()
        await k.udelay(20_000)
        assert k.smp_processor_id() == 1
        await k.migrate_enable()
        assert k.smp_processor_id() == 2

    async def main(k: Kernel) -> None:
        async with k.open_nursery() as nursery:
            task = await nursery.start_soon(runs, k)
            await k.msleep(0)
            while task.thread.cpu.cpu_id != 1:
                await k.cpu_relax()
                await k.cond_resched()
            await k.udelay(10)
            began = k.now
            await k.set_cpus_allowed(task, {2})
            assert task.thread.cpu.cpu_id == 2
            assert k.now > began

    rcu_lab.run(main, nr_cpus=3)


@pytest.mark.parametrize("cpus", [(), (7,), (0, -1)])
def test_an_impossible_mask_is_refused(rcu_lab: RcuLab, cpus: tuple[int, ...]) -> None:
    async def main(k: Kernel) -> None:
        with pytest.raises(BadInput, match="needs one or more of CPUs 0 to 1"):
            await k.set_cpus_allowed(None, cpus)

    rcu_lab.run(main, nr_cpus=2)


def test_a_migrate_enable_too_many_is_reported(rcu_lab: RcuLab) -> None:
    async def main(k: Kernel) -> None:
        await k.migrate_enable()

    result = rcu_lab.run(main)
    assert [violation.kind for violation in result.violations] == [ViolationKind.BAD_CONTEXT]
    assert "migration_disabled" in result.violations[0].title
