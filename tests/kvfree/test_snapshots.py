"""Cookies of polled grace periods, and the monitor that frees by itself (parts/snapshots.py, drain.py, monitor.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rcuactors import Kernel, Result, RunOptions, ViolationKind, run, scenario
from rcuactors.engine.events import ListSink
from rcuactors.explore.random import Random
from rcuactors.kvfree import invariants
from rcuactors.kvfree.parts.batching import by_channel
from rcuactors.kvfree.parts.snapshots import Snapshots

Compose = Callable[..., str]
COOKIES = ["v6.6", "v6.12.0", "v6.12"]
BLOCK = 507


async def warm(k: Kernel, pages: int = 5) -> None:
    krcp = k.machine.kvfree.krc(0)
    while len(krcp.cache) < pages:
        krcp.cache.append(await k.machine.pages.get_free_page(k.machine.current, 0xCC0))


async def queue(k: Kernel, count: int) -> None:
    for p in [await k.kmalloc(64) for _ in range(count)]:
        await k.kvfree_rcu(p, "rcu")


@pytest.mark.parametrize(("kernel", "grace_periods"), [("v6.1-stable", 2), *((kernel, 1) for kernel in COOKIES)])
def test_the_monitor_frees_what_somebody_elses_grace_period_has_made_ready(kernel: str, grace_periods: int) -> None:
    """Recorded on 6.12.117: no work and no grace period of its own; 6.1 needs one more."""

    async def script(k: Kernel) -> None:
        await queue(k, 10)
        await k.synchronize_rcu()
        await k.msleep(6000)

    result = run(scenario()(script), RunOptions(kernel=kernel))
    assert result.clean
    counters = result.counters
    assert counters["grace_periods"] == grace_periods
    assert counters["work_runs"] == grace_periods - 1
    assert counters["bulk_objects"] + counters["list_freed"] == 10


@pytest.mark.parametrize("kernel", COOKIES)
def test_one_late_object_has_its_whole_block_wait_and_no_other(kernel: str) -> None:
    """Readiness is a block's, by its newest object; blocks are asked from the oldest on."""

    async def script(k: Kernel) -> None:
        kvfree = k.machine.kvfree
        await warm(k)
        k.machine.kvfree.krc(0).monitor_work.work.disabled += 1
        await queue(k, BLOCK + 10)
        await k.synchronize_rcu()
        await queue(k, 1)
        before = k.machine.statistics().kvfree.monitor.drained_objects
        await kvfree.drain.kvfree_rcu_drain_ready(k.machine.current, kvfree.krc(0))
        assert k.machine.statistics().kvfree.monitor.drained_objects - before == BLOCK
        assert [len(block.records) for block in kvfree.krc(0).blocks[0]] == [11]
        await k.synchronize_rcu()
        await kvfree.drain.kvfree_rcu_drain_ready(k.machine.current, kvfree.krc(0))
        assert not kvfree.krc(0).anything_queued()
        assert kvfree.krc(0).count == 0

    assert run(scenario()(script), RunOptions(kernel=kernel)).clean


@pytest.mark.parametrize("kernel", COOKIES)
def test_the_list_has_one_cookie(kernel: str) -> None:
    async def listed(k: Kernel) -> None:
        kvfree, krcp = k.machine.kvfree, k.machine.kvfree.krc(0)
        p, q = await k.kmalloc(64), await k.kmalloc(64)
        k.preempt_disable()
        await k.kvfree_rcu(p, "rcu")
        await k.preempt_enable()
        assert krcp.head == [p]
        await k.synchronize_rcu()
        await k.cold_caches()
        k.preempt_disable()
        await k.kvfree_rcu(q, "rcu")
        await k.preempt_enable()
        assert krcp.head == [p, q]
        await kvfree.drain.kvfree_rcu_drain_ready(k.machine.current, krcp)
        assert krcp.head == [p, q]
        await k.synchronize_rcu()
        await kvfree.drain.kvfree_rcu_drain_ready(k.machine.current, krcp)
        assert not krcp.head

    assert run(scenario()(listed), RunOptions(kernel=kernel)).clean


def freed_in_order(result_of: Callable[[ListSink], Result]) -> list[int]:
    sink = ListSink()
    assert result_of(sink).clean
    told = [event.text for event in sink.events if event.name == "rcu_invoke_kfree_bulk_callback"]
    return [int(text.rpartition("nr_records=")[2]) for text in told]


@pytest.mark.parametrize(("kernel", "flavour"), [("v6.12", "rcu_preempt"), ("v6.18", "slab"), ("v7.3", "slab")])
def test_events_begin_with_the_flavour_of_the_version(kernel: str, flavour: str) -> None:
    async def script(k: Kernel) -> None:
        await warm(k)
        for p in [await k.vmalloc(64), await k.vmalloc(64)]:
            await k.kvfree_rcu(p, "rcu")

    sink = ListSink()
    assert run(scenario()(script), RunOptions(kernel=kernel, sinks=(sink,))).clean
    told = [event.text.split()[0] for event in sink.events if event.name.startswith("rcu_invoke_k")]
    assert told == [flavour, flavour]


@pytest.mark.parametrize(("kernel", "sizes"), [("v6.1-stable", [80, 510, 510]), ("v6.12", [86, 507, 507])])
def test_blocks_are_freed_newest_first_by_the_work_and_by_the_monitor(kernel: str, sizes: list[int]) -> None:
    async def by_the_work(k: Kernel) -> None:
        await warm(k)
        await queue(k, 1100)
        await k.msleep(200)

    async def by_the_monitor(k: Kernel) -> None:
        await warm(k)
        k.machine.kvfree.krc(0).monitor_work.work.disabled += 1
        await queue(k, 1100)
        await k.synchronize_rcu()
        await k.machine.kvfree.monitor.kfree_rcu_monitor(k.machine.current, k.machine.kvfree.krc(0))

    def ran(script: Any) -> list[int]:
        return freed_in_order(lambda sink: run(scenario()(script), RunOptions(kernel=kernel, sinks=(sink,))))

    assert ran(by_the_work) == sizes
    if kernel == "v6.12":
        assert ran(by_the_monitor) == sizes


# -- what comes too early ----------------------------------------------------------------------------------------------


async def two_kinds_in_one_batch(k: Kernel, then: Callable[[Any], Any] | None = None) -> None:
    """5da7cb193db3's batch: slab objects wait for a grace period, and a vmalloc area joins them later."""
    gp, kvfree = k.machine.gp, k.machine.kvfree
    shared, p = await k.vmalloc(64), await k.kmalloc(64)
    await warm(k)

    async def early() -> None:
        with k.rcu_reader():
            await k.udelay(100_000)

    await k.kthread_run(early, cpu=1)
    await k.usleep_range(100, 100)
    await k.kvfree_rcu(p, "rcu")
    await kvfree.monitor.kfree_rcu_monitor(k.machine.current, kvfree.krc(0))
    while not gp.gp_seq & 3:
        await k.msleep(1)
    await k.msleep(8)
    await k.kvfree_rcu(shared, "rcu")
    await kvfree.monitor.kfree_rcu_monitor(k.machine.current, kvfree.krc(0))
    assert kvfree.krc(0).batches[0].blocks[0]
    assert kvfree.krc(0).batches[0].blocks[1]
    await k.msleep(300)
    if then is not None:
        await then(shared)


@pytest.mark.parametrize("kernel", ["v6.6", "v6.12"])
def test_f32276a37652_a_block_whose_grace_period_is_not_over_is_leaked_with_a_warning(
    kernel: str, compose: Compose
) -> None:
    """B7: with the batches of v6.1.0 the area would be freed too early; its cookie says so."""

    async def script(k: Kernel) -> None:
        await two_kinds_in_one_batch(k)

    neighbour = compose(kernel, batching=by_channel)
    result = run(scenario()(script), RunOptions(kernel=neighbour), nr_cpus="3")
    warned = [found for found in result.violations if found.kind is ViolationKind.BAD_CONTEXT]
    early = [found for found in warned if "poll_state_synchronize_rcu_full" in found.title]
    assert [found.title for found in early] == [
        "WARNING: WARN_ON(!poll_state_synchronize_rcu_full(&bnode->gp_snap)) at kvfree_rcu_bulk"
    ]
    assert {ViolationKind.NEVER_FREED} == result.kinds - {ViolationKind.BAD_CONTEXT}
    assert result.counters["vmalloc_freed"] == 0


@pytest.mark.parametrize(("first", "told"), [(True, False), (False, True)])
def test_1e237994d9c9_debug_objects_hear_of_a_leaked_block(first: bool, told: bool, compose: Compose) -> None:
    """B6: told before the cookie is asked, debug objects take a leaked object for one that is queued nowhere."""

    async def script(k: Kernel) -> None:
        async def once_more(p: Any) -> None:
            await k.kvfree_rcu(p, "rcu")
            found.append(any("Double-freed call" in one.title for one in k.machine.reporter.violations))

        await two_kinds_in_one_batch(k, once_more)

    found: list[bool] = []
    neighbour = compose("v6.6", batching=by_channel, snapshots=Snapshots(unqueues_first=first))
    run(scenario()(script), RunOptions(kernel=neighbour), nr_cpus="3", DEBUG_OBJECTS_RCU_HEAD="y")
    assert found == [told]


# -- one batch and no more ---------------------------------------------------------------------------------------------


async def batches_from_all_sides(k: Kernel) -> None:
    """A caller of both kinds on each CPU, two shrinkers, and barriers where the version has them."""

    async def caller() -> None:
        for _ in range(12):
            await queue(k, 3)
            await k.kvfree_rcu(await k.vmalloc(64), "rcu")
            await k.usleep_range(50, 50)

    async def shrinks() -> None:
        for _ in range(12):
            await k.drop_slab()
            await k.usleep_range(70, 70)

    async def waits() -> None:
        if k.has("kvfree_rcu_barrier"):
            await k.kvfree_rcu_barrier()

    async with k.open_nursery() as nursery:
        for cpu in (0, 1):
            for function in (caller, shrinks, waits):
                await nursery.start_soon(function, cpu=cpu)


@pytest.mark.parametrize("kernel", COOKIES)
def test_the_loop_that_went_on_found_nothing_and_its_warning_never_fires(kernel: str) -> None:
    """B17: after the first batch took all channels nothing is left for the second; queue_rcu_work() queues always.

    What is looked at in each of these runs is the model's own invariant, on the version whose loop goes on (v6.6) as
    on those that end it, and warn.
    """
    with invariants.checking():
        for seed in range(12):
            options = RunOptions(kernel=kernel, strategy=Random(), seed=seed, events=False)
            result = run(scenario()(batches_from_all_sides), options, nr_cpus="2")
            assert result.clean
            assert result.counters["work_runs"] > 1


@pytest.mark.parametrize("kernel", ["v6.12.0", "v6.12"])
def test_it_would_fire_where_a_batch_that_waits_is_added_to(kernel: str, compose: Compose) -> None:
    """That is, with the batches of v6.1.0; it is how the kernel would have told of 5da7cb193db3."""

    async def script(k: Kernel) -> None:
        await two_kinds_in_one_batch(k)

    result = run(scenario()(script), RunOptions(kernel=compose(kernel, batching=by_channel)), nr_cpus="3")
    assert "WARNING: WARN_ON(!queued) at kvfree_rcu_queue_batch" in [found.title for found in result.violations]
