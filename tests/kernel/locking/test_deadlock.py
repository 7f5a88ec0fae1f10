"""Who waits for whom, and who does not any more (rcuactors/kernel/locking/deadlock.py)."""

from __future__ import annotations

from rcuactors import Kernel, run, scenario

PLAIN: dict[str, str] = {"PROVE_LOCKING": "n"}
RT = {**PLAIN, "PREEMPT_RT": "y"}


def test_who_was_given_a_lock_and_has_not_run_since_is_in_no_cycle() -> None:
    """Two readers get R at once. The first cannot run yet; it waits for nobody, also not for the second."""

    async def script(k: Kernel) -> None:
        sem, first, second = k.rwsem("R"), k.mutex("M1"), k.mutex("M2")

        async def reads_under(mutex) -> None:
            await k.mutex_lock(mutex)
            await k.down_read(sem)
            await k.up_read(sem)
            await k.mutex_unlock(mutex)

        async def takes_under_read() -> None:
            await k.down_read(sem)
            await k.mutex_lock(second)
            await k.mutex_unlock(second)
            await k.up_read(sem)

        async def keeps_its_cpu() -> None:
            k.preempt_disable()
            await k.udelay(5_000)
            await k.preempt_enable()

        await k.mutex_lock(second)
        await k.down_write(sem)
        await k.kthread_run(lambda: reads_under(first), cpu=1)
        await k.kthread_run(takes_under_read, cpu=2)
        await k.usleep_range(100, 100)
        await k.kthread_run(keeps_its_cpu, cpu=1)
        await k.usleep_range(100, 100)
        await k.up_write(sem)
        await k.usleep_range(100, 100)
        await k.mutex_lock(first)
        await k.mutex_unlock(first)
        await k.mutex_unlock(second)

    assert run(scenario()(script), nr_cpus="3", **PLAIN).clean


def test_a_lock_that_was_given_to_who_cannot_run_is_told_as_such() -> None:
    """It sleeps under a raw lock, the other thread of its CPU spins on that with interrupts off."""

    async def script(k: Kernel) -> None:
        raw, spin = k.raw_spinlock("RAW"), k.spinlock("S")

        async def sleeps() -> None:
            await k.raw_spin_lock(raw)
            await k.spin_lock(spin)

        async def spins() -> None:
            await k.raw_spin_lock_irqsave(raw)

        await k.spin_lock(spin)
        await k.kthread_run(sleeps, cpu=1)
        await k.udelay(100)
        await k.kthread_run(spins, cpu=1)
        await k.udelay(100)
        await k.spin_unlock(spin)

    found = run(scenario()(script), **RT, HARDLOCKUP_DETECTOR="y")
    assert found.outcome().endswith("hard-lockup, deadlock")
    assert found.violations[-1].text.splitlines()[:3] == [
        "DEADLOCK: CPU#1 stuck for 29s on RAW! [spins:22]",
        " sleeps/21 on CPU 1 was given S and has not run since",
        " spins/22 on CPU 1 spins on RAW, held by sleeps/21 on CPU 1",
    ]


def test_who_waits_for_somebody_else_is_not_told_as_part_of_the_cycle() -> None:
    """The writer waits for two readers. One of them waits for a thread that merely sleeps; the other closes it."""

    async def script(k: Kernel) -> None:
        sem, mine, elsewhere = k.rwsem("R"), k.mutex("mine"), k.mutex("elsewhere")

        async def holds() -> None:
            await k.mutex_lock(elsewhere)
            await k.msleep(10_000)
            await k.mutex_unlock(elsewhere)

        async def reads(mutex) -> None:
            await k.down_read(sem)
            await k.mutex_lock(mutex)

        await k.mutex_lock(mine)
        await k.kthread_run(holds, name="sleeper", cpu=1)
        await k.usleep_range(100, 100)
        await k.kthread_run(reads, elsewhere, name="side", cpu=1)
        await k.kthread_run(reads, mine, name="closer", cpu=2)
        await k.usleep_range(100, 100)
        await k.down_write(sem)

    violation = run(scenario()(script), nr_cpus="3", **PLAIN).violations[0]
    assert violation.title.startswith("DEADLOCK: script")
    edges = [line for line in violation.text.splitlines() if " sleeps on " in line]
    assert [line.strip().split("/")[0] for line in edges] == ["script", "closer"], violation.text
    assert "side" in edges[0], "it is one of those that hold the lock"
