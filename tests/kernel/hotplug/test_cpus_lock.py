"""kernel/hotplug/: cpu_hotplug_lock, what lockdep makes of it, and callbacks in their order."""

from __future__ import annotations

import pytest

from rcuactors import BadInput, Kernel, ViolationKind
from rcuactors.eras import ERAS
from rcuactors.testing import RcuLab
from tests.schedules import Moment, held_up_anywhere


def test_who_reads_holds_cpu_down_up(rcu_lab: RcuLab) -> None:
    order: list[str] = []

    async def main(k: Kernel) -> None:
        async def reads(name: str, after_ms: int) -> None:
            await k.msleep(after_ms)
            async with k.cpus_read_locked():
                order.append(f"{name}: {k.num_online_cpus()}")
                await k.msleep(100)
                order.append(f"{name} ends: {k.num_online_cpus()}")

        async with k.open_nursery() as nursery:
            await nursery.start_soon(reads, "first", 0)
            # Behind the writer: it waits, though a reader is in.
            await nursery.start_soon(reads, "second", 60)
            await k.msleep(10)
            assert await k.cpu_down(1) == 0
            order.append("down")

    assert rcu_lab.run(main, nr_cpus=2).clean
    assert order[:2] == ["first: 2", "first ends: 2"]
    assert order[2:] in (["down", "second: 1", "second ends: 1"], ["second: 1", "down", "second ends: 1"])


def test_trylock_and_assertion(rcu_lab: RcuLab) -> None:
    async def main(k: Kernel) -> None:
        assert k.cpus_read_trylock()
        k.lockdep_assert_cpus_held()
        await k.cpus_read_unlock()
        k.lockdep_assert_cpus_held()

    (found,) = rcu_lab.run(main, nr_cpus=2).violations
    assert "percpu_is_read_locked(&cpu_hotplug_lock)" in found.title


def test_trylock_takes_it_where_no_writer_has_it_or_waits(rcu_lab: RcuLab) -> None:
    """It costs what a lock costs, never sleeps, and lockdep knows that it is held."""
    seen: list[tuple[bool, bool]] = []

    async def main(k: Kernel) -> None:
        lock, cost = k.machine.system.hotplug.cpus.lock, k.machine.system.costs.lock_ns
        thread = k.machine.current

        async def reads() -> None:
            await k.cpus_read_lock()
            while not lock.waiters:
                await k.usleep_range(5, 5)
            k.preempt_disable()
            seen.append((k.cpus_read_trylock(), k.lockdep_is_held(lock)))
            await k.preempt_enable()
            await k.cpus_read_unlock()

        k.preempt_disable()
        before = k.now
        assert k.cpus_read_trylock()
        assert k.now == before + cost
        assert lock.readers == [thread]
        assert k.lockdep_is_held(lock)
        await k.preempt_enable()
        await k.cpus_read_unlock()
        assert lock.readers == []
        assert not k.lockdep_is_held(lock)
        reader = await k.kthread_run(reads, cpu=0)
        await k.usleep_range(50, 50)
        assert await k.cpu_down(1) == 0
        await k.kthread_join(reader)
        lock.owner = thread
        before = k.now
        assert not k.cpus_read_trylock()
        assert k.now == before + cost
        lock.owner = None

    assert rcu_lab.run(main, nr_cpus=2).clean
    assert seen == [(False, True)]


@pytest.mark.parametrize("kernel", list(ERAS))
def test_cpu_down_below_cpus_read_lock(rcu_lab: RcuLab, kernel: str) -> None:
    """By itself: recursion. By a work elsewhere: nobody holds the lock twice, but who waits for that work has it."""

    async def main(k: Kernel) -> None:
        async with k.cpus_read_locked():
            await k.cpu_down(1)

    result = rcu_lab.run(main, kernel=kernel, nr_cpus=2)
    kinds = [found.kind for found in result.violations]
    elsewhere = ERAS[kernel].rules.kernel.cpu_down_runs_elsewhere
    assert kinds[0] is (ViolationKind.CIRCULAR_LOCKING if elsewhere else ViolationKind.RECURSIVE_LOCKING)
    assert ViolationKind.DEADLOCK in kinds


def test_reading_twice_is_recursion(rcu_lab: RcuLab) -> None:
    """It goes well unless a writer comes in between: lockdep knows."""

    async def main(k: Kernel) -> None:
        async with k.cpus_read_locked(), k.cpus_read_locked():
            pass

    (found,) = rcu_lab.run(main, nr_cpus=2).violations
    assert found.kind is ViolationKind.RECURSIVE_LOCKING
    assert "cpu_hotplug_lock" in found.text


def test_a_callback_that_takes_what_readers_hold_is_told(rcu_lab: RcuLab) -> None:
    """A mutex under cpus_read_lock() here, over it there: no CPU need go at the same time for lockdep to see it."""

    async def main(k: Kernel) -> None:
        mutex = k.mutex("driver_mutex")

        async def online(_cpu: int) -> None:
            await k.mutex_lock(mutex)
            await k.mutex_unlock(mutex)

        await k.cpuhp_setup_state_nocalls("CPUHP_AP_ONLINE_DYN", "driver:online", startup=online)
        assert await k.cpu_down(1) == 0
        assert await k.cpu_up(1) == 0
        await k.mutex_lock(mutex)
        async with k.cpus_read_locked():
            pass
        await k.mutex_unlock(mutex)

    (found,) = rcu_lab.run(main, nr_cpus=2).violations
    assert found.kind is ViolationKind.CIRCULAR_LOCKING
    assert "cpuhp_state-up" in found.text
    assert "cpuhp_thread_fun" in found.text


@pytest.mark.parametrize(("kernel", "caller"), [("v5.11", "main"), ("v6.12", "kworker/0:1")])
def test_callbacks_and_where_they_run(rcu_lab: RcuLab, kernel: str, caller: str) -> None:
    """cpu_down() is a work's elsewhere since commit 2b8272ff4a70; cpu_up() is its caller's."""
    seen: list[tuple[str, int, bool, str]] = []

    async def main(k: Kernel) -> None:
        def note(name: str) -> None:
            current = k.machine.current
            seen.append((name, current.cpu.cpu_id, current.ctx.irqs_disabled, current.comm))

        for state in ("CPUHP_BP_PREPARE_DYN", "CPUHP_AP_PERF_X86_STARTING", "CPUHP_AP_ONLINE_DYN"):

            async def startup(_cpu: int, name: str = state.removeprefix("CPUHP_")) -> None:
                note(f"{name} up")

            async def teardown(_cpu: int, name: str = state.removeprefix("CPUHP_")) -> None:
                note(f"{name} down")

            await k.cpuhp_setup_state_nocalls(state, "test", startup=startup, teardown=teardown)  # type: ignore[arg-type]
        assert await k.cpu_down(1) == 0
        assert await k.cpu_up(1) == 0
        with pytest.raises(BadInput, match=r"CPUHP_ONLINE: did you mean"):
            await k.cpuhp_setup_state_nocalls("CPUHP_ONLINE", "test")  # type: ignore[arg-type]

    assert rcu_lab.run(main, kernel=kernel, nr_cpus=2).clean
    assert seen == [
        ("AP_ONLINE_DYN down", 1, False, "cpuhp/1"),
        ("AP_PERF_X86_STARTING down", 1, True, "migration/1"),
        ("BP_PREPARE_DYN down", 0, False, caller),
        ("BP_PREPARE_DYN up", 0, False, "main"),
        ("AP_PERF_X86_STARTING up", 1, True, "swapper/1"),
        ("AP_ONLINE_DYN up", 1, False, "cpuhp/1"),
    ]


def test_a_teardown_that_fails_brings_the_cpu_back(rcu_lab: RcuLab) -> None:
    seen: list[str] = []

    async def main(k: Kernel) -> None:
        async def startup(_cpu: int) -> int:
            seen.append("up")
            return 0

        async def teardown(_cpu: int) -> int:
            seen.append("down")
            return 0

        async def fails(_cpu: int) -> int:
            return -16

        # Torn down in the other order.
        setup = await k.cpuhp_setup_state_nocalls("CPUHP_AP_ONLINE_DYN", "test:fails", teardown=fails)
        await k.cpuhp_setup_state_nocalls("CPUHP_AP_ONLINE_DYN", "test:works", startup=startup, teardown=teardown)
        assert await k.cpu_down(1) == -16
        assert (k.online_cpus(), seen) == ([0, 1], ["down", "up"])
        here: list[int] = []

        async def look() -> None:
            here.append(k.smp_processor_id())

        await k.kthread_join(await k.kthread_run(look, cpu=1))
        assert here == [1]
        await k.cpuhp_remove_state_nocalls(setup)
        assert await k.cpu_down(1) == 0

    assert rcu_lab.run(main, nr_cpus=2).clean


@pytest.mark.parametrize("state", ["CPUHP_BP_PREPARE_DYN", "CPUHP_AP_ONLINE_DYN"])
def test_a_startup_that_fails_leaves_the_cpu_away(rcu_lab: RcuLab, state: str) -> None:
    async def main(k: Kernel) -> None:
        async def fails(_cpu: int) -> int:
            return -12

        setup = await k.cpuhp_setup_state_nocalls(state, "test:fails", startup=fails)  # type: ignore[arg-type]
        assert await k.cpu_down(1) == 0
        assert await k.cpu_up(1) == -12
        assert k.online_cpus() == [0]
        await k.cpuhp_remove_state_nocalls(setup)
        assert await k.cpu_up(1) == 0
        assert k.online_cpus() == [0, 1]

    assert rcu_lab.run(main, nr_cpus=2).clean


@pytest.mark.parametrize(
    ("state", "runs_on"), [("CPUHP_AP_ONLINE_DYN", [0, 1, 2]), ("CPUHP_BP_PREPARE_DYN", [0, 0, 0])]
)
def test_a_state_is_set_up_for_the_cpus_that_are_there(rcu_lab: RcuLab, state: str, runs_on: list[int]) -> None:
    seen: list[tuple[str, int, int]] = []

    async def main(k: Kernel) -> None:
        async def startup(cpu: int) -> int:
            seen.append(("up", cpu, k.raw_smp_processor_id()))
            return -5 if fails and cpu == 2 else 0

        async def teardown(cpu: int) -> None:
            seen.append(("down", cpu, k.raw_smp_processor_id()))

        fails = False
        setup = await k.cpuhp_setup_state(state, "test", startup=startup, teardown=teardown)  # type: ignore[arg-type]
        assert not isinstance(setup, int)
        assert seen == [("up", cpu, on) for cpu, on in enumerate(runs_on)]
        await k.cpuhp_remove_state(setup)
        assert seen[3:] == [("down", cpu, on) for cpu, on in enumerate(runs_on)]
        seen.clear()
        fails = True
        assert await k.cpuhp_setup_state(state, "test", startup=startup, teardown=teardown) == -5  # type: ignore[arg-type]
        assert [entry[:2] for entry in seen] == [("up", 0), ("up", 1), ("up", 2), ("down", 1), ("down", 0)]
        seen.clear()
        assert (await k.remove_cpu(1), await k.remove_cpu(1)) == (0, 1)
        assert (await k.add_cpu(1), await k.add_cpu(1)) == (0, 1)
        assert not seen

    assert rcu_lab.run(main, nr_cpus=3).clean


async def read_while_a_cpu_goes(k: Kernel) -> None:
    """Who reads comes while a CPU goes, and it has gone by the time at which the reader would sleep."""
    going = k.completion("going")

    async def dead(_cpu: int) -> None:
        await k.complete(going)
        await k.usleep_range(300, 300)

    async def reader() -> None:
        await k.wait_for_completion(going)
        async with k.cpus_read_locked():
            await k.udelay(1)

    setup = await k.cpuhp_setup_state_nocalls("CPUHP_BP_PREPARE_DYN", "driver:dead", teardown=dead)
    async with k.open_nursery() as nursery:
        await nursery.start_soon(reader, cpu=2)
        await k.cpu_down(1)
    await k.cpuhp_remove_state_nocalls(setup)


def test_a_reader_looks_again_before_it_sleeps() -> None:
    """percpu_rwsem_wait(): held up anywhere, it is not left behind. An exploration found a deadlock made up here."""
    moment = Moment("read_while_a_cp/reader", 1, 60_000_000)
    schedules = list(held_up_anywhere(read_while_a_cpu_goes, "v7.3", moment, nr_cpus="3", PROVE_LOCKING="n"))
    assert len(schedules) > 5
    assert all(schedule.result.clean for schedule in schedules)
