"""Read-side sections of each flavour, and what is said of their misuse (rcuactors/rcu/readers.py)."""

from __future__ import annotations

import pytest
import trio

from rcuactors import Kernel, KernelBug, Run, RunOptions, ViolationKind, run, scenario

VOLUNTARY = {ViolationKind.VOLUNTARY_SWITCH}
OFF = {"PROVE_LOCKING": "n"}
PROVE = {"PROVE_RAW_LOCK_NESTING": "y", "DEBUG_ATOMIC_SLEEP": "y"}


# -- voluntary switches ------------------------------------------------------------------------------------


async def _sleep(k: Kernel) -> None:
    await k.usleep_range(10, 10)


async def _msleep(k: Kernel) -> None:
    await k.msleep(1)


async def _wait(k: Kernel) -> None:
    done = k.completion()
    await k.kthread_run(k.complete, done, cpu=1)
    await k.wait_for_completion(done)


async def _schedule(k: Kernel) -> None:
    await k.schedule()


async def _trio(_k: Kernel) -> None:
    await trio.sleep(0.001)


@pytest.mark.parametrize("settings", [{}, {"PREEMPT_RT": "y"}, {"preempt_voluntary": "y"}])
@pytest.mark.parametrize("switch", [_sleep, _msleep, _wait, _schedule, _trio])
def test_a_reader_must_not_give_up_its_cpu(switch, settings: dict[str, str]) -> None:
    async def script(k: Kernel) -> None:
        for _ in range(2):
            with k.rcu_reader():
                await switch(k)

    result = run(scenario()(script), **OFF, **settings)
    assert result.kinds == VOLUNTARY
    # It is a WARN_ONCE().
    assert result.violation_count == 1
    assert "Voluntary context switch within RCU read-side critical section!" in result.violations[0].text
    assert "test_readers.py:" in result.violations[0].text


@pytest.mark.parametrize("switch", [_sleep, _trio])
def test_under_panic_on_warn_it_is_raised_at_the_await(switch) -> None:
    after: list[bool] = []

    async def script(k: Kernel) -> None:
        with k.rcu_reader():
            await switch(k)
            after.append(True)

    one = Run(scenario()(script), RunOptions(settings={"panic_on_warn": "y"}))
    with pytest.raises(KernelBug, match="Voluntary context switch"):
        one.run()
    assert not after


def test_without_preemption_it_is_the_preempt_count_that_complains() -> None:
    async def script(k: Kernel) -> None:
        with k.rcu_reader():
            await k.usleep_range(10, 10)

    assert run(scenario()(script), PREEMPT="n", **OFF).clean
    result = run(scenario()(script), PREEMPT="n", DEBUG_ATOMIC_SLEEP="y", **OFF)
    assert ViolationKind.SCHEDULING_WHILE_ATOMIC in result.kinds
    assert not result.kinds & VOLUNTARY


def test_the_preempt_count_is_looked_at_first() -> None:
    """schedule_debug() comes before rcu_note_context_switch()."""

    async def script(k: Kernel) -> None:
        k.preempt_disable()
        with k.rcu_reader():
            await k.usleep_range(10, 10)
        await k.preempt_enable()

    kinds = [violation.kind for violation in run(scenario()(script), **OFF).violations]
    assert kinds == [ViolationKind.SCHEDULING_WHILE_ATOMIC, ViolationKind.VOLUNTARY_SWITCH]


def test_to_be_preempted_in_a_reader_is_fine() -> None:
    async def script(k: Kernel) -> None:
        async def urgent() -> None:
            await k.udelay(10)

        with k.rcu_reader():
            await k.kthread_run(urgent, urgent=True)
            await k.udelay(100)

    assert run(scenario()(script), **PROVE).clean


# -- the flavours ------------------------------------------------------------------------------------------


async def _rcu(k: Kernel) -> None:
    k.rcu_read_lock()


async def _rcu_out(k: Kernel) -> None:
    k.rcu_read_unlock()


async def _bh(k: Kernel) -> None:
    await k.rcu_read_lock_bh()


async def _bh_out(k: Kernel) -> None:
    await k.rcu_read_unlock_bh()


async def _sched(k: Kernel) -> None:
    k.rcu_read_lock_sched()


async def _sched_out(k: Kernel) -> None:
    await k.rcu_read_unlock_sched()


FLAVOURS = {"rcu": (_rcu, _rcu_out), "bh": (_bh, _bh_out), "sched": (_sched, _sched_out)}


@pytest.mark.parametrize("kernel", [{}, {"PREEMPT_RT": "y"}, {"PREEMPT": "n"}])
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_grace_period_waits_for_each_flavour(flavour: str, kernel: dict[str, str]) -> None:
    enter, leave = FLAVOURS[flavour]

    async def script(k: Kernel) -> None:
        state: list[str] = []
        p = await k.kmalloc(64)

        async def reader() -> None:
            await enter(k)
            await k.udelay(20_000)
            k.deref(p)
            state.append("out")
            await leave(k)

        await k.kthread_run(reader, cpu=1)
        await k.udelay(100)
        await k.synchronize_rcu()
        assert state == ["out"]
        await k.kfree(p)

    assert run(scenario()(script), **kernel).clean


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_oracle_knows_each_flavour(flavour: str) -> None:
    enter, leave = FLAVOURS[flavour]

    async def script(k: Kernel) -> None:
        p = await k.kmalloc(64)
        await enter(k)
        k.machine.oracle.retired(p, k.now)
        await k.kfree(p)
        await leave(k)

    assert run(scenario()(script)).kinds == {ViolationKind.USE_AFTER_FREE}


@pytest.mark.parametrize(
    ("flavour", "inside", "expected"),
    [
        ("rcu", "spinlock", "clean"),
        ("bh", "spinlock", "clean"),
        ("sched", "spinlock", "invalid-wait-context"),
        ("sched", "raw_spinlock", "clean"),
        ("rcu", "mutex", "invalid-wait-context"),
        ("bh", "mutex", "invalid-wait-context"),
        ("sched", "mutex", "invalid-wait-context"),
    ],
)
def test_what_may_be_taken_inside(flavour: str, inside: str, expected: str) -> None:
    """The rows RCU, RCU-bh and RCU-sched of the locking selftest's table of wait contexts."""
    enter, leave = FLAVOURS[flavour]

    async def script(k: Kernel) -> None:
        lock = getattr(k, inside)("L")
        name = {"spinlock": "spin", "raw_spinlock": "raw_spin", "mutex": "mutex"}[inside]
        await enter(k)
        await getattr(k, f"{name}_lock")(lock)
        await getattr(k, f"{name}_unlock")(lock)
        await leave(k)

    assert run(scenario()(script), PROVE_RAW_LOCK_NESTING="y").outcome() == expected


@pytest.mark.parametrize("kernel", ["v6.1-stable", "v6.12"])
def test_a_nesting_below_zero_is_found_by_the_tick_and_at_the_end_of_the_thread(kernel: str) -> None:
    """As 6.1.192 and 6.12.117 were asked (m v=rcuunbal): a tick warns, too, if one falls there; here it does."""

    async def script(k: Kernel) -> None:
        async def unbalanced() -> None:
            k.rcu_read_unlock()
            await k.udelay(10_000)

        await k.kthread_join(await k.kthread_run(unbalanced, cpu=1))

    result = run(scenario()(script), RunOptions(kernel=kernel), HZ="250", DEBUG_ATOMIC_SLEEP="y")
    titles = [violation.title for violation in result.violations]
    first = ["WARNING: WARN_ON(rrln < 0)", "WARNING: bad unlock balance detected: rcu_read_lock"]
    assert [title.rpartition(" at ")[0] or title for title in titles] == [
        *(reversed(first) if kernel == "v6.12" else first),
        "WARNING: WARN_ON(rcu_preempt_depth())",
        "BUG: sleeping function called from invalid context",
    ]


def test_without_prove_locking_a_nesting_below_zero_is_found_at_the_end_of_the_thread() -> None:
    async def script(k: Kernel) -> None:
        async def unbalanced() -> None:
            k.rcu_read_unlock()

        await k.kthread_join(await k.kthread_run(unbalanced, cpu=1))

    result = run(scenario()(script), **OFF, DEBUG_ATOMIC_SLEEP="y")
    assert [(violation.by, violation.kind) for violation in result.violations] == [
        ("oracle", ViolationKind.BAD_UNLOCK),
        ("kernel", ViolationKind.SLEEPING_FUNCTION),
    ]


def test_flavours_may_overlap() -> None:
    async def script(k: Kernel) -> None:
        k.rcu_read_lock()
        k.rcu_read_lock_sched()
        k.rcu_read_unlock()
        assert k.preempt_count() == 1
        await k.rcu_read_unlock_sched()
        await k.synchronize_rcu()

    assert run(scenario()(script)).clean


@pytest.mark.parametrize("kernel", [{}, {"PREEMPT_RT": "y"}, {"PREEMPT": "n"}])
@pytest.mark.parametrize(("inside", "flavour"), [("rcu", "bh"), ("rcu", "sched"), ("bh", "rcu"), ("sched", "rcu")])
def test_each_flavour_is_left_by_its_own_function(inside: str, flavour: str, kernel: dict[str, str]) -> None:
    async def script(k: Kernel) -> None:
        await FLAVOURS[inside][0](k)
        await FLAVOURS[flavour][1](k)
        await FLAVOURS[inside][1](k)
        await k.synchronize_rcu()

    name = "rcu_read_lock" + ("" if flavour == "rcu" else f"_{flavour}")
    result = run(scenario()(script), RunOptions(kernel="v6.1-stable"), **kernel)
    titles = [violation.title for violation in result.violations]
    if flavour == "rcu" and kernel.get("PREEMPT") != "n":
        # __rcu_read_unlock() counts before lockdep is told; in v6.12 it is the other way round.
        assert titles.pop(0) == "WARNING: WARN_ON(rrln < 0) at __rcu_read_unlock"
    assert titles[0] == f"WARNING: bad unlock balance detected: {name}"
    result = run(scenario()(script), **OFF, **kernel)
    assert result.violations[0].kind is ViolationKind.BAD_UNLOCK
    assert f"without {name}()" in result.violations[0].title


# -- suspicious RCU usage ----------------------------------------------------------------------------------


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_synchronize_rcu_in_a_reader(flavour: str) -> None:
    """The order was recorded on a 6.1 kernel: RCU, might_sleep(), and then schedule().

    The latter two look first, or last, for readers that must not be switched out at all (rcu_sleep_check()).
    """
    enter, leave = FLAVOURS[flavour]

    async def script(k: Kernel) -> None:
        await enter(k)
        await k.synchronize_rcu()
        await leave(k)

    found = [violation.title for violation in run(scenario()(script), **PROVE).violations]
    illegal = f"Illegal context switch in RCU-{flavour} read-side critical section"
    expected = [
        "Illegal synchronize_rcu() in RCU read-side critical section",
        *([] if flavour == "rcu" else [illegal]),
        "BUG: sleeping function called from invalid context",
        *(["Voluntary context switch"] if flavour == "rcu" else ["BUG: scheduling while atomic", illegal]),
    ]
    assert len(found) >= len(expected)
    assert all(text in title for text, title in zip(expected, found, strict=False))
    quiet = run(scenario()(script), PROVE_LOCKING="n")
    assert ViolationKind.SUSPICIOUS_RCU not in quiet.kinds


def test_synchronize_rcu_under_an_rt_spinlock_is_in_a_reader() -> None:
    async def script(k: Kernel) -> None:
        lock = k.spinlock("S")
        await k.spin_lock(lock)
        await k.synchronize_rcu()
        await k.spin_unlock(lock)

    assert ViolationKind.SUSPICIOUS_RCU in run(scenario()(script), PREEMPT_RT="y").kinds
    assert ViolationKind.SUSPICIOUS_RCU not in run(scenario()(script)).kinds


@pytest.mark.parametrize(("flavour", "suspicious"), [(None, True), ("rcu", False), ("bh", True), ("sched", True)])
def test_rcu_dereference_wants_rcu_read_lock(flavour: str | None, suspicious: bool) -> None:
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(64)
        if flavour is not None:
            await FLAVOURS[flavour][0](k)
        for _ in range(3):
            k.rcu_dereference(p)
        k.rcu_dereference(p)
        if flavour is not None:
            await FLAVOURS[flavour][1](k)
        await k.kfree(p)

    result = run(scenario()(script))
    assert result.violation_count == (2 if suspicious else 0), "RCU_LOCKDEP_WARN(): once for each place"
    if suspicious:
        assert "suspicious rcu_dereference_check() usage" in result.violations[0].text
    assert run(scenario()(script), **OFF).clean


# -- rt spinlocks are readers ------------------------------------------------------------------------------


def test_a_grace_period_waits_for_who_holds_an_rt_spinlock() -> None:
    async def script(k: Kernel) -> None:
        lock = k.spinlock("S")
        order: list[str] = []

        async def holder() -> None:
            await k.spin_lock(lock)
            assert k.machine.this_cpu.ctx.rcu_nesting == 1
            await k.kthread_run(urgent, cpu=1, urgent=True)
            await k.udelay(100)
            order.append("lets go")
            await k.spin_unlock(lock)
            assert k.machine.this_cpu.ctx.rcu_nesting == 0

        async def urgent() -> None:
            await k.udelay(30_000)

        await k.kthread_run(holder, cpu=1)
        await k.udelay(50)
        await k.synchronize_rcu()
        assert order == ["lets go"]

    assert run(scenario()(script), PREEMPT_RT="y").clean


# -- urging ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("hz", "after_ms"), [("250", 100), ("100", 100)])
def test_a_cpu_that_is_waited_for_long_is_to_reschedule(hz: str, after_ms: int) -> None:
    """rcu_implicit_dynticks_qs(), rcu_sched_clock_irq(): a tenth of a second, and not before."""

    async def script(k: Kernel) -> None:
        urged: list[int] = []

        async def busy() -> None:
            k.preempt_disable()
            began = k.now
            while not k.machine.this_cpu.need_resched and k.now < began + 900_000_000:
                await k.udelay(100)
            urged.append(k.now)
            await k.preempt_enable()

        task = await k.kthread_run(busy, cpu=1)
        await k.udelay(100)
        began = k.now
        await k.synchronize_rcu()
        await k.kthread_join(task)
        late_ms = (urged[0] - began) / 1e6 - after_ms
        assert 0 < late_ms < 50

    assert run(scenario()(script), HZ=hz).clean


def test_a_machine_that_is_quiet_urges_nobody() -> None:
    async def script(k: Kernel) -> None:
        k.preempt_disable()
        for _ in range(60):
            await k.udelay(10_000)
            assert not k.machine.this_cpu.need_resched
        await k.preempt_enable()

    assert run(scenario()(script)).clean


def test_a_reader_of_a_kernel_without_preemption_disables_it_where_it_begins() -> None:
    async def reads(k: Kernel) -> None:
        k.rcu_read_lock()
        k.might_sleep()
        k.rcu_read_unlock()

    found = run(scenario()(reads), PREEMPT="n", DEBUG_ATOMIC_SLEEP="y").violations
    [sleeps] = [violation for violation in found if violation.kind is ViolationKind.SLEEPING_FUNCTION]
    line = reads.__code__.co_firstlineno + 1
    assert sleeps.preempt_disabled_at == f"reads (test_readers.py:{line})"
