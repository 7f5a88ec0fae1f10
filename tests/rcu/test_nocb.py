"""Offloaded and lazy callbacks (rcuactors/rcu/nocb.py)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rcuactors import Kernel, RunOptions, ViolationKind, load_scenario, run, scenario
from rcuactors.engine.choice import Timed
from rcuactors.eras import ERAS
from rcuactors.explore.random import Random
from rcuactors.rcu.callbacks import QHIMARK
from rcuactors.rcu.nocb_data import NocbData, Wake

from .torture import Torture

MS = 1_000_000
S = 1000 * MS


def ran(script: Callable[[Kernel], Awaitable[None]], version: str = "v6.12", **more: str) -> Any:
    options = RunOptions(kernel=version, settings={"nr_cpus": "4", "rcu_nocbs": "y", **more}, max_steps=10**7)
    return run(scenario()(script), options)


@pytest.mark.parametrize("version", list(ERAS))
def test_threads_invoke_them_with_bottom_halves_off(version: str) -> None:
    seen: list[tuple[str, bool, bool]] = []

    async def script(k: Kernel) -> None:
        async def callback() -> None:
            thread = k.machine.current
            seen.append((thread.comm, k.in_serving_softirq(), k.in_interrupt()))

        async def caller() -> None:
            await k.call_rcu(callback)

        for cpu in (0, 3):
            await k.kthread_join(await k.kthread_run(caller, cpu=cpu))
        await k.rcu_barrier()

    assert ran(script, version, PROVE_RAW_LOCK_NESTING="y", DEBUG_ATOMIC_SLEEP="y").violations == ()
    assert sorted(seen) == [("rcuop/0", False, True), ("rcuop/3", False, True)]


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 1 << 30),
    lazy=st.sampled_from(["n", "y"]),
    strategy=st.sampled_from(["timed", "random"]),
    rt=st.sampled_from(["n", "y"]),
)
def test_none_is_invoked_before_its_grace_period(seed: int, lazy: str, strategy: str, rt: str) -> None:
    async def script(k: Kernel) -> None:
        await Torture(k, 2, 6, sleeping=False).main(seed)

    chosen = Random() if strategy == "random" else Timed()
    given_settings = {"nr_cpus": "2", "rcu_nocbs": "y", "RCU_LAZY": lazy, "PREEMPT_RT": rt}
    options = RunOptions(kernel="v6.12", strategy=chosen, seed=seed, events=False, settings=given_settings)
    assert run(scenario()(script), options).kinds <= {ViolationKind.VOLUNTARY_SWITCH}


# -- lazy ones ---------------------------------------------------------------------------------------------------------


def waited_s(then: Callable[[Kernel], Awaitable[None]] | None = None, version: str = "v6.12", lazy: str = "y") -> float:
    """How long call_rcu()'s callback takes on an otherwise idle machine, if `then` is called right behind it."""
    took: list[float] = []

    async def script(k: Kernel) -> None:
        done = k.completion("done")
        began = k.now

        async def callback() -> None:
            took.append((k.now - began) / S)
            await k.complete(done)

        await k.call_rcu(callback)
        if then is not None:
            await then(k)
        await k.wait_for_completion(done)

    assert ran(script, version, RCU_LAZY=lazy).violations == ()
    return took[0]


async def _hurry(k: Kernel) -> None:
    async def other() -> None:
        pass

    await k.call_rcu_hurry(other)


async def _work(k: Kernel) -> None:
    async def other() -> None:
        pass

    await k.queue_rcu_work(k.system_wq, k.rcu_work(other))


def test_a_lazy_callback_waits_ten_seconds_for_company() -> None:
    assert 10 < waited_s() < 12
    assert waited_s(lazy="n") < 0.1
    # Commit 3cb278e73be5 (v6.2).
    assert waited_s(version="v6.1-stable") < 0.1


@pytest.mark.parametrize(
    "then",
    [_hurry, _work, lambda k: k.rcu_barrier(), lambda k: k.synchronize_rcu()],
    ids=["hurry", "work", "bar", "syn"],
)
def test_who_cannot_wait_takes_it_along(then: Callable[[Kernel], Awaitable[None]]) -> None:
    """call_rcu_hurry(), which queue_rcu_work() and synchronize_rcu() use; rcu_barrier(), which empties the bypass."""
    assert waited_s(then) < 0.1


def test_there_is_no_hurry_before_v6_2() -> None:
    async def script(k: Kernel) -> None:
        await _hurry(k)

    with pytest.raises(ValueError, match=r"is of v6\.2 and later"):
        ran(script, "v6.1-stable")


# -- floods, and callers that must not wake anybody --------------------------------------------------------------------


def test_a_flood_goes_through_the_bypass_and_all_of_it_is_invoked() -> None:
    count: list[int] = []

    async def script(k: Kernel) -> None:
        async def callback() -> None:
            count.append(1)

        k.preempt_disable()
        for _ in range(3000):
            await k.call_rcu(callback)
        nocb = k.machine.callbacks.nocb(k.raw_smp_processor_id())  # type: ignore[attr-defined]  # there, with rcu_nocbs=y
        assert len(nocb.bypass) > 2000
        await k.preempt_enable()
        await k.msleep(100)
        assert len(count) == 3000

    assert ran(script).violations == ()


def nocb_state(nocb: NocbData) -> tuple[int, int, int, int]:
    """In the list, in the bypass, of these lazy, and how many came in this jiffy."""
    return len(nocb.cblist.heads), len(nocb.bypass), nocb.lazy_len, nocb.nobypass_count


def with_nocb(then: Callable[[Kernel, NocbData], Awaitable[None]], **more: str) -> None:
    """Do it with the callbacks of CPU 0, on which nobody else runs, after a jiffy in which nothing came."""

    async def script(k: Kernel) -> None:
        await k.msleep(20)
        k.preempt_disable()
        await then(k, k.machine.callbacks.nocb(0))  # type: ignore[attr-defined]  # there, with rcu_nocbs=y
        await k.preempt_enable()
        await k.rcu_barrier()

    assert ran(script, HZ="1000", **more).violations == ()


async def _nothing() -> None:
    """A callback."""


async def _calls(k: Kernel, number: int) -> None:
    for _ in range(number):
        await k.call_rcu(_nothing)


async def _next_jiffy(k: Kernel) -> None:
    """Shortly after its beginning."""
    await k.ndelay(1_000_000 - k.now % 1_000_000 + 1000)


def test_sixteen_a_millisecond_go_to_the_list_itself() -> None:
    """Those that come then go to the bypass; in the next jiffy the first one takes the bypass along."""

    async def then(k: Kernel, nocb: NocbData) -> None:
        await _next_jiffy(k)
        await _calls(k, 16)
        assert nocb_state(nocb) == (16, 0, 0, 15)
        await _calls(k, 1)
        assert nocb_state(nocb) == (16, 1, 0, 16)
        assert nocb.bypass_first == k.machine.gp.jiffies(k.now)
        await _calls(k, 20)
        assert nocb_state(nocb) == (16, 21, 0, 36)
        await _next_jiffy(k)
        await _calls(k, 1)
        assert nocb_state(nocb) == (38, 0, 0, 16)
        assert nocb.bypass_first == k.machine.gp.jiffies(k.now)
        await _calls(k, 1)
        assert nocb_state(nocb) == (38, 1, 0, 17)
        await _next_jiffy(k)
        await _next_jiffy(k)
        await _calls(k, 1)
        assert nocb_state(nocb) == (40, 0, 0, 1)

    with_nocb(then)


def test_lazy_ones_go_to_the_bypass_from_the_first_on() -> None:
    async def then(k: Kernel, nocb: NocbData) -> None:
        await _next_jiffy(k)
        await _calls(k, 3)
        assert nocb_state(nocb) == (0, 3, 3, 2)
        assert nocb.group.deferred is Wake.LAZY
        assert nocb.qlen_last_fqs_check == 1
        await k.call_rcu_hurry(_nothing)
        assert nocb_state(nocb) == (4, 0, 0, 3)
        assert nocb.group.deferred is Wake.NOT
        assert not nocb.group.sleeps

    with_nocb(then, RCU_LAZY="y")


def test_who_sees_to_a_long_list_is_woken_by_force() -> None:
    """By the timer, a jiffy later; if that runs already, it is not set again."""

    async def then(k: Kernel, nocb: NocbData) -> None:
        group = nocb.group
        flags = k.local_irq_save()
        await _calls(k, 1)
        assert (group.deferred, group.timer.pending) == (Wake.WAKE, True)
        assert nocb.qlen_last_fqs_check == 1
        nocb.qlen_last_fqs_check = 2 - QHIMARK
        await _calls(k, 1)
        assert nocb.qlen_last_fqs_check == 2 - QHIMARK
        await _calls(k, 1)
        assert (nocb.qlen_last_fqs_check, group.deferred) == (3, Wake.WAKE)
        await k.local_irq_restore(flags)
        await _next_jiffy(k)
        await _next_jiffy(k)
        assert (group.deferred, group.timer.pending) == (Wake.NOT, False)
        nocb.qlen_last_fqs_check = 2 - QHIMARK
        await _calls(k, 1)
        assert (nocb.qlen_last_fqs_check, group.deferred, group.timer.pending) == (4, Wake.FORCE, True)

    with_nocb(then)


def test_with_interrupts_off_a_timer_wakes_the_thread() -> None:
    """wake_nocb_gp_defer(): so call_rcu() is legal with the scheduler's locks held."""

    async def script(k: Kernel) -> None:
        async def callback() -> None:
            pass

        flags = await k.raw_spin_lock_irqsave(k.this_rq_lock())
        await k.call_rcu(callback)
        await k.raw_spin_unlock_irqrestore(k.this_rq_lock(), flags)
        await k.rcu_barrier()

    assert ran(script, PROVE_RAW_LOCK_NESTING="y").violations == ()


@pytest.mark.parametrize("version", ["v5.11", "v6.1-stable", "v6.12"])
def test_kvfree_rcu_beside_them(version: str) -> None:
    async def script(k: Kernel) -> None:
        for _ in range(600):
            await k.kvfree_rcu(await k.kmalloc(64), "rcu")
        await k.msleep(6000)

    assert ran(script, version, RCU_LAZY="y").violations == ()


# -- taking that back --------------------------------------------------------------------------------------------------


def test_a_cpu_is_deoffloaded_while_it_is_offline() -> None:
    seen: list[str] = []

    async def script(k: Kernel) -> None:
        async def callback() -> None:
            seen.append(k.machine.current.comm)

        async def caller() -> None:
            await k.call_rcu(callback)

        assert await k.rcu_nocb_cpu_deoffload(3) == -22
        assert await k.rcu_nocb_cpu_offload(3) == 0, "it is so already, and online"
        await k.cpu_down(3)
        assert await k.rcu_nocb_cpu_deoffload(3) == 0
        assert await k.rcu_nocb_cpu_deoffload(3) == 0, "it is so already"
        await k.cpu_up(3)
        assert await k.rcu_nocb_cpu_deoffload(3) == 0, "it is so already, and online"
        assert await k.rcu_nocb_cpu_offload(3) == -22
        await k.kthread_join(await k.kthread_run(caller, cpu=3))
        await k.rcu_barrier()
        await k.cpu_down(3)
        assert await k.rcu_nocb_cpu_offload(3) == 0
        await k.cpu_up(3)
        await k.kthread_join(await k.kthread_run(caller, cpu=3))
        await k.rcu_barrier()

    assert ran(script).violations == ()
    assert seen[0] != "rcuop/3"
    assert seen[1] == "rcuop/3"


def test_only_where_they_are_offloaded() -> None:
    async def script(k: Kernel) -> None:
        await k.rcu_nocb_cpu_deoffload(3)

    for version, nocbs in (("v6.12", "n"), ("v6.1-stable", "y")):
        with pytest.raises(ValueError, match="rcu_nocb_cpu_deoffload"):
            ran(script, version, rcu_nocbs=nocbs)


async def _barrier_beside_deoffloading(k: Kernel) -> None:
    """The barrier that de-offloading begins with wakes an urgent thread between its callback and the count.

    That has the thread park, and meanwhile somebody on another CPU calls rcu_barrier().
    """
    nocb = k.machine.callbacks.nocb(2)  # type: ignore[attr-defined]  # there, with rcu_nocbs=y

    async def callback() -> None:
        pass

    async def tick() -> None:
        if k.raw_smp_processor_id() == 2:
            await k.call_rcu(callback)
            await k.hrtimer_start(timer, 200_000)

    timer = k.hrtimer(tick)

    async def starter() -> None:
        await k.hrtimer_start(timer, 200_000)

    async def barrier() -> None:
        while not nocb.should_park:
            await k.udelay(1)
        await k.rcu_barrier()

    async def deoffload() -> None:
        await k.rcu_nocb_cpu_deoffload(2)

    # Lazy ones wait in the bypass for the barrier, those behind the last grace period of cpu_down().
    await k.kthread_join(await k.kthread_run(starter, cpu=2))
    await k.msleep(20)
    await k.rcu_barrier()
    await k.machine.system.migration.set_cpus_allowed_ptr(k.machine.current, nocb.thread, frozenset({0}))
    await k.cpu_down(2)
    assert nocb.n_cbs()
    other = await k.kthread_run(barrier, cpu=1)
    await k.kthread_join(await k.kthread_run(deoffload, cpu=0, urgent=True))
    await k.kthread_join(other)


@pytest.mark.parametrize(("version", "found"), [("v6.12.0", True), ("v6.12", False)])
def test_2996980e20b7_a_barrier_that_comes_in_between_is_not_lost(version: str, found: bool) -> None:
    """On v6.12.0 the thread parks with rcu_barrier()'s callback in its list, and nobody ever invokes that."""
    settings_ = {"nr_cpus": "3", "rcu_nocbs": "y", "RCU_LAZY": "y", "PROVE_LOCKING": "n"}
    result = run(scenario()(_barrier_beside_deoffloading), RunOptions(kernel=version, settings=settings_))
    titles = [violation.title for violation in result.violations]
    lost = "WARNING: WARN_ON(rcu_segcblist_n_cbs(&rdp->cblist)) at rcu_nocb_rdp_deoffload"
    assert (lost in titles) is found
    assert any(title.startswith("DEADLOCK") for title in titles) is found


@pytest.mark.parametrize("seed", [0, 26])
def test_a_barrier_that_wakes_the_group_stays_on_its_cpu(seed: int) -> None:
    """A campaign found it: who had let go of rdp->nocb_lock was moved, and woke the thread as if it had not been."""
    words = {"migrate": "y", "rounds": "2", "tick_us": "1", "pause_us": "291", "calls": "4"}
    options = RunOptions(kernel="v6.18", strategy="random", seed=seed, settings=words)
    assert run(load_scenario("offloaded_callbacks"), options).clean
