"""Before the scheduler runs (rcuactors/kvfree/core.py, parts/arming.py, machine.py)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rcuactors import Kernel, Run, RunOptions, ViolationKind, run, scenario
from rcuactors.kvfree.parts.arming import PendingTimer
from tests.one_argument import one_argument

Compose = Callable[..., str]
boot = scenario(early_boot=True)


@pytest.mark.parametrize("kernel", ["v5.9", "v5.11"])
def test_before_batch_init_the_two_argument_form_uses_the_list_and_the_monitor_waits_for_running(kernel: str) -> None:
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(64)
        await k.kvfree_rcu(p, "rcu")
        krcp = k.machine.kvfree.krc(0)
        assert krcp.head == [p]
        assert krcp.count == 1
        assert not k.machine.kvfree.arming.of(krcp).monitor_todo
        k.kfree_rcu_batch_init()
        await k.rcu_scheduler_running()
        assert k.machine.kvfree.arming.of(krcp).monitor_todo

    result = run(boot(script), RunOptions(kernel=kernel))
    assert result.clean
    assert (result.counters["list_freed"], result.counters["monitor_runs"]) == (1, 1)
    assert result.counters["refills_asked"] == 0


def test_v5_11_initialised_but_not_running_still_uses_the_list_and_asks_for_no_refill() -> None:
    async def script(k: Kernel) -> None:
        k.kfree_rcu_batch_init()
        assert k.cached_pages() == 0
        for _ in range(3):
            await k.kvfree_rcu(await k.kmalloc(64), "rcu")
        await k.udelay(100)
        krcp = k.machine.kvfree.krc(0)
        assert len(krcp.head) == krcp.count == 3
        assert not k.machine.kvfree.refill.of(krcp).work_in_progress
        await k.rcu_scheduler_running()

    result = run(boot(script))
    assert result.clean
    assert (result.counters["list_freed"], result.counters["refills_asked"]) == (3, 0)


def test_with_an_empty_list_running_arms_nothing() -> None:
    async def script(k: Kernel) -> None:
        k.kfree_rcu_batch_init()
        k.machine.kvfree.krc(0)
        await k.rcu_scheduler_running()
        assert not k.machine.kvfree.arming.of(k.machine.kvfree.krc(0)).monitor_todo

    assert run(boot(script), kernel="v5.11").counters["monitor_runs"] == 0


def test_every_cpu_with_a_list_is_armed_on_itself() -> None:
    async def script(k: Kernel) -> None:
        async def free() -> None:
            await k.kvfree_rcu(await k.kmalloc(64), "rcu")

        for cpu in (1, 3):
            await k.kthread_join(await k.kthread_run(free, cpu=cpu))
        k.kfree_rcu_batch_init()
        await k.rcu_scheduler_running()
        armed = {cpu: k.machine.kvfree.krc(cpu).monitor_work.timer.cpu_id for cpu in (1, 3)}
        assert armed == {1: 1, 3: 3}

    result = run(boot(script), nr_cpus="4", kernel="v5.11")
    assert result.clean
    assert result.counters["list_freed"] == 2


def test_v5_9_fills_every_cache_with_2_pages_at_boot() -> None:
    async def script(k: Kernel) -> None:
        seen.append(k.cached_pages())

        async def look() -> None:
            seen.append(k.cached_pages())

        await k.kthread_join(await k.kthread_run(look, cpu=1))

    seen: list[int] = []
    one = Run(scenario()(script), RunOptions(kernel="v5.9", settings={"nr_cpus": "4"}))
    assert one.run().clean
    assert seen == [2, 2]
    zone = one.machine.pages.zone.statistics()
    # Those of the two CPUs that never came into being are gone from the zone all the same.
    assert zone.set_aside == 2 * 2
    assert zone.free + zone.listed + zone.in_use == zone.managed - 2 * 2


@pytest.mark.parametrize("kernel", ["v5.9", "v5.11"])
def test_the_one_argument_form_frees_at_once_while_there_is_one_context(kernel: str) -> None:
    """synchronize_rcu() returns at once before the scheduler runs (rcu_blocking_is_gp())."""

    async def script(k: Kernel) -> None:
        p = await k.kmalloc(64)
        began = k.now
        await one_argument(k, p)
        assert k.now - began < 10_000
        assert p.state == 2
        await k.rcu_scheduler_running()

    result = run(boot(script), RunOptions(kernel=kernel), DEBUG_ATOMIC_SLEEP="y")
    assert result.clean
    assert (result.counters["inline_freed"], result.counters["grace_periods"]) == (1, 0)


def test_might_sleep_is_silent_while_booting() -> None:
    async def script(k: Kernel) -> None:
        k.preempt_disable()
        k.might_sleep()
        await k.preempt_enable()
        await k.rcu_scheduler_running()
        k.preempt_disable()
        k.might_sleep()
        await k.preempt_enable()

    assert len(run(boot(script), DEBUG_ATOMIC_SLEEP="y").violations) == 1


def test_blocks_filled_before_running_are_forgotten_until_the_next_call(compose: Compose) -> None:
    """B11, fixed by "Fix bulk-list check when a scheduler is run" (d434c00fa3d6).

    The list is all that is looked at when the scheduler runs. v5.9 can get there: it has pages in its cache from boot
    on. v5.11 has none, and so uses the list.
    """

    async def script(k: Kernel, more: bool = False) -> None:
        k.kfree_rcu_batch_init()
        await k.kvfree_rcu(await k.kmalloc(64), "rcu")
        await k.rcu_scheduler_running()
        if more:
            await k.kvfree_rcu(await k.kmalloc(64), "rcu")

    result = run(boot(script), RunOptions(kernel="v5.9"))
    assert [violation.kind for violation in result.violations] == [ViolationKind.NEVER_FREED]
    assert run(boot(script), RunOptions(kernel="v5.9"), more="y").clean
    assert run(boot(script), RunOptions(kernel="v5.11")).clean
    # All channels are looked at with the arming of v6.1, which has that fix.
    assert run(boot(script), RunOptions(kernel=compose("v5.9", arming=PendingTimer))).clean
