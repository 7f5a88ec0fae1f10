"""Who spins, who sleeps, and who says so (rcuactors/kernel/locking/contention.py)."""

from __future__ import annotations

import pytest

from rcuactors import Kernel, ViolationKind, run, scenario

PLAIN: dict[str, str] = {"PROVE_LOCKING": "n"}
RT = {**PLAIN, "PREEMPT_RT": "y"}
MS = 1_000_000


class Contended:
    """A mutex that a thread of CPU 0 holds for half a second, and one of CPU 1 that wants it."""

    def __init__(self, *, holder_sleeps: bool = False) -> None:
        self.switches = self.left_the_cpu = 0
        self.waited_ns = 0
        self._holder_sleeps = holder_sleeps

    async def hold(self, k: Kernel) -> None:
        self.mutex = k.mutex("M")
        held = k.completion("held")

        async def holder() -> None:
            await k.mutex_lock(self.mutex)
            await k.complete(held)
            if self._holder_sleeps:
                await k.msleep(500)
            else:
                await k.udelay(500_000)
            self.released_ns = k.now
            await k.mutex_unlock(self.mutex)

        await k.kthread_run(holder, cpu=0)
        await k.wait_for_completion(held)
        k.machine.probes.kernel.switched.listen(self._switched)

    def _switched(self, cpu, _leaving, _following, _preempted) -> None:
        self.switches += cpu.cpu_id == 1

    async def want(self, k: Kernel) -> None:
        began, before = k.now, self.switches
        await k.mutex_lock(self.mutex)
        assert self.released_ns < k.now < self.released_ns + 5 * MS
        self.waited_ns, self.left_the_cpu = k.now - began, self.switches - before
        await k.mutex_unlock(self.mutex)


def waited(settings: dict[str, str], *, holder_sleeps: bool = False, disturb: bool = False) -> tuple[Contended, object]:
    one = Contended(holder_sleeps=holder_sleeps)

    async def script(k: Kernel) -> None:
        async def nothing() -> None:
            pass

        async def waiter() -> None:
            await one.hold(k)
            if disturb:
                await k.kthread_run(disturber, cpu=2)
            await one.want(k)

        async def disturber() -> None:
            await k.msleep(20)
            await k.kthread_run(nothing, cpu=1)

        await k.kthread_run(waiter, cpu=1)

    return one, run(scenario()(script), nr_cpus="3", **settings)


def test_a_mutex_is_spun_for_while_its_owner_runs() -> None:
    one, result = waited(PLAIN)
    assert result.clean
    assert one.left_the_cpu == 0
    assert one.waited_ns > 490 * MS


@pytest.mark.parametrize("how", ["owner sleeps", "rt", "wanted"])
def test_it_is_slept_for_otherwise(how: str) -> None:
    one, result = waited(RT if how == "rt" else PLAIN, holder_sleeps=how == "owner sleeps", disturb=how == "wanted")
    assert result.clean
    assert one.left_the_cpu >= 1
    assert one.waited_ns > 490 * MS


def test_an_owner_that_goes_to_sleep_ends_the_spinning_at_once() -> None:
    async def script(k: Kernel) -> None:
        mutex, held = k.mutex("M"), k.completion()
        when: dict[str, int] = {}

        async def holder() -> None:
            await k.mutex_lock(mutex)
            await k.complete(held)
            await k.udelay(300)
            when["owner sleeps"] = k.now
            await k.usleep_range(2000, 2000)
            when["owner lets go"] = k.now
            await k.mutex_unlock(mutex)

        async def other() -> None:
            # The waiter's CPU is free for this one only while the waiter sleeps.
            when["other"] = k.now

        async def waiter() -> None:
            await k.wait_for_completion(held)
            await k.kthread_run(other)
            await k.mutex_lock(mutex)
            when["mine"] = k.now
            await k.mutex_unlock(mutex)

        await k.kthread_run(holder, cpu=0)
        await k.kthread_join(await k.kthread_run(waiter, cpu=1))
        assert list(when) == ["owner sleeps", "other", "owner lets go", "mine"]
        # Long before the next tick.
        assert when["other"] - when["owner sleeps"] < 10_000

    assert run(scenario()(script), **PLAIN).clean


def test_an_owner_that_does_not_run_yet_ends_the_spinning_too() -> None:
    """The lock goes to a thread that slept on it and whose CPU is taken: those who spun for the one before sleep."""

    async def script(k: Kernel) -> None:
        mutex, held = k.mutex("M"), k.completion()
        when: dict[str, int] = {}

        async def holder() -> None:
            await k.mutex_lock(mutex)
            await k.complete(held)
            await k.usleep_range(200, 200)
            await k.udelay(300)
            when["let go"] = k.now
            await k.mutex_unlock(mutex)
            await k.udelay(1000)

        async def waiter(name: str) -> None:
            await k.mutex_lock(mutex)
            when[name] = k.now
            await k.mutex_unlock(mutex)

        async def hog() -> None:
            await k.udelay(2000)

        async def other() -> None:
            when["other"] = k.now

        async def spinner() -> None:
            await k.usleep_range(300, 300)
            await k.kthread_run(other)
            await waiter("spinner")

        await k.kthread_run(holder, cpu=0)
        await k.wait_for_completion(held)
        # It finds the owner asleep.
        await k.kthread_run(waiter, "sleeper", cpu=1)
        await k.usleep_range(50, 50)
        await k.kthread_run(hog, cpu=1, urgent=True)
        await k.kthread_join(await k.kthread_run(spinner, cpu=2))
        assert list(when) == ["let go", "other", "sleeper", "spinner"]
        assert when["other"] - when["let go"] < 10_000

    assert run(scenario()(script), nr_cpus="3", **PLAIN).clean


CONTEXTS = ("raw_spin", "preempt_disable", "irq_disable", "hardirq_irqwork", "softirq_tasklet", "rcu_read")


def contended_in(run_in, context: str, settings: dict[str, str], *, disturb: bool) -> list[str]:
    """What is reported of a mutex that is contended for half a second; `disturb`: a thread wants the CPU meanwhile."""
    one = Contended()

    async def script(k: Kernel) -> None:
        async def nothing() -> None:
            pass

        async def disturber() -> None:
            await k.msleep(20)
            await k.kthread_run(nothing, cpu=1)

        async def waiter() -> None:
            await one.hold(k)
            if disturb:
                await k.kthread_run(disturber, cpu=2)
            await run_in(k, context, lambda: one.want(k))

        await k.kthread_run(waiter, cpu=1)

    result = run(scenario()(script), nr_cpus="3", **settings)
    return sorted(kind.name for kind in result.kinds)


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("settings", [PLAIN, {**PLAIN, "preempt_voluntary": "y"}], ids=["full", "voluntary"])
def test_nothing_complains_as_long_as_it_spins(run_in, context: str, settings: dict[str, str]) -> None:
    assert contended_in(run_in, context, settings, disturb=False) == []


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ("raw_spin", ["SCHEDULING_WHILE_ATOMIC"]),
        ("preempt_disable", ["SCHEDULING_WHILE_ATOMIC"]),
        ("irq_disable", []),
        ("hardirq_irqwork", []),
        # That it ends with another preempt_count is a line of its own, which that recording did not look for.
        ("softirq_tasklet", ["BAD_CONTEXT", "SCHEDULING_WHILE_ATOMIC"]),
        ("rcu_read", ["VOLUNTARY_SWITCH"]),
    ],
)
def test_a_wake_up_ends_the_spinning_unless_interrupts_are_off(run_in, context: str, expected: list[str]) -> None:
    """As recorded on a 6.1 kernel with preempt=voluntary and no debugging."""
    assert contended_in(run_in, context, {**PLAIN, "preempt_voluntary": "y"}, disturb=True) == expected


def test_without_preempt_count_nothing_is_known_of_a_raw_lock(run_in) -> None:
    assert contended_in(run_in, "raw_spin", {**PLAIN, "PREEMPT": "n"}, disturb=True) == []


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ("raw_spin", ["SCHEDULING_WHILE_ATOMIC"]),
        ("irq_disable", []),
        ("hardirq_irqwork", ["SCHEDULING_WHILE_ATOMIC"]),
        ("softirq_tasklet", ["VOLUNTARY_SWITCH"]),
        ("rcu_read", ["VOLUNTARY_SWITCH"]),
    ],
)
def test_an_rt_mutex_is_slept_for_at_once(run_in, context: str, expected: list[str]) -> None:
    """As recorded on a 6.1 PREEMPT_RT kernel."""
    assert contended_in(run_in, context, RT, disturb=False) == expected


# -- spinlock_t on PREEMPT_RT ------------------------------------------------------------------------------


def test_the_wait_for_an_rt_spinlock_is_no_voluntary_switch() -> None:
    """schedule_rtlock() counts as a preemption: a reader may do it, an atomic context may not."""

    async def script(k: Kernel, atomic: bool = False) -> None:
        lock, held = k.spinlock("S"), k.completion()

        async def holder() -> None:
            await k.spin_lock(lock)
            await k.complete(held)
            await k.udelay(500)
            await k.spin_unlock(lock)

        await k.kthread_run(holder, cpu=1)
        await k.wait_for_completion(held)
        if atomic:
            k.preempt_disable()
        with k.rcu_reader():
            await k.spin_lock(lock)
            await k.spin_unlock(lock)
        if atomic:
            await k.preempt_enable()

    assert run(scenario()(script), **RT).clean
    assert run(scenario()(script), atomic=True, **RT).outcome() == "scheduling-while-atomic"


# -- whoever waits for a lock of its own -------------------------------------------------------------------


def taken_twice(kind: str, *, in_hardirq: bool, **settings: str):
    async def script(k: Kernel) -> None:
        lock = getattr(k, kind)("L")
        take = {
            "raw_spinlock": k.raw_spin_lock,
            "spinlock": k.spin_lock,
            "mutex": k.mutex_lock,
            "rt_mutex": k.rt_mutex_lock,
        }[kind]

        async def again() -> None:
            await take(lock)

        await take(lock)
        if in_hardirq:
            await k.raise_irq(again)
        else:
            await again()

    return run(scenario()(script), PROVE_LOCKING="n", **settings)


@pytest.mark.parametrize("in_hardirq", [False, True])
@pytest.mark.parametrize("kind", ["raw_spinlock", "spinlock", "mutex"])
def test_without_rt_it_is_a_cycle(kind: str, in_hardirq: bool) -> None:
    result = taken_twice(kind, in_hardirq=in_hardirq)
    assert result.outcome() == "deadlock"
    assert "spins on L, held by itself" in result.violations[0].text


@pytest.mark.parametrize("kind", ["mutex", "rt_mutex"])
def test_an_rt_mutex_detects_its_own_deadlock_and_sleeps_for_ever(kind: str) -> None:
    titles = [violation.title for violation in taken_twice(kind, in_hardirq=True, PREEMPT_RT="y").violations]
    assert titles[0] == "WARNING: rtmutex deadlock detected"
    assert titles[1].startswith("BUG: scheduling while atomic")
    assert titles[2].startswith("DEADLOCK: nothing can run")
    assert len(titles) == 3
    kinds = taken_twice(kind, in_hardirq=False, PREEMPT_RT="y").kinds
    assert kinds == {ViolationKind.RTMUTEX_DEADLOCK, ViolationKind.DEADLOCK}


def test_an_rt_spinlock_does_not() -> None:
    titles = [violation.title for violation in taken_twice("spinlock", in_hardirq=True, PREEMPT_RT="y").violations]
    assert titles[0].startswith("BUG: scheduling while atomic")
    assert titles[1].startswith("DEADLOCK")
    assert len(titles) == 2


def test_a_reader_that_waits_behind_a_writer_that_waits_for_it_is_a_cycle() -> None:
    async def script(k: Kernel) -> None:
        sem = k.rwsem("R")

        async def writer() -> None:
            await k.down_write(sem)

        await k.down_read(sem)
        await k.kthread_run(writer, cpu=1)
        await k.usleep_range(100, 100)
        await k.down_read(sem)

    result = run(scenario()(script), **PLAIN)
    assert result.outcome() == "deadlock"
    assert "held by itself" in result.violations[0].text


def test_a_writer_waits_for_each_of_the_readers() -> None:
    """The cycle goes through the second of two readers."""

    async def script(k: Kernel) -> None:
        sem, mutex = k.rwsem("R"), k.mutex("M")

        async def harmless() -> None:
            await k.down_read(sem)
            await k.msleep(50)
            await k.up_read(sem)

        async def reader() -> None:
            await k.down_read(sem)
            await k.msleep(10)
            await k.mutex_lock(mutex)

        await k.kthread_run(harmless, cpu=1)
        await k.usleep_range(100, 100)
        await k.kthread_run(reader, cpu=1)
        await k.usleep_range(100, 100)
        await k.mutex_lock(mutex)
        await k.down_write(sem)

    result = run(scenario()(script), **PLAIN)
    assert result.outcome() == "deadlock"
    assert "held by script/20 on CPU 0" in result.violations[0].text
    assert result.end_ns < 40 * MS


def test_rcu_urges_a_cpu_that_it_has_waited_for_long() -> None:
    """rcu_urgent_qs: after a tenth of a second the tick sets need_resched, which ends the spinning."""

    async def script(k: Kernel) -> None:
        one = Contended()

        async def waiter() -> None:
            await one.hold(k)
            await k.kthread_run(k.synchronize_rcu, cpu=2, name="updater")
            with k.rcu_reader():
                await one.want(k)
            assert one.left_the_cpu >= 1
            assert one.waited_ns > 490 * MS

        await k.kthread_run(waiter, cpu=1)

    assert run(scenario()(script), nr_cpus="3", **PLAIN).kinds == {ViolationKind.VOLUNTARY_SWITCH}
