"""Versions put together out of existing parts only: neighbours of a version with one rule changed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest

from rcuactors import GFP_ATOMIC, Kernel, RunOptions, ViolationKind, run, scenario
from rcuactors.engine.events import ListSink
from rcuactors.eras import find_era
from rcuactors.kvfree.parts.arming import PendingTimer
from rcuactors.kvfree.parts.batching import by_channel, whole_batch
from rcuactors.kvfree.parts.one_argument import ALLOCATES, ALLOCATES_FOR_ITS_OWN, OneArgument
from rcuactors.kvfree.parts.refill import RefillRules
from rcuactors.mm.gfp import GFP_KERNEL
from tests.one_argument import one_argument

Compose = Callable[..., str]
Drain = Callable[[Kernel, Any], Awaitable[None]]
BLOCK = 510


async def warm(k: Kernel) -> None:
    krcp = k.machine.kvfree.krc(0)
    while len(krcp.cache) < 4:
        krcp.cache.append(await k.machine.pages.get_free_page(k.machine.current, GFP_KERNEL))


async def by_the_shrinker(k: Kernel, allocate: Callable[[], Awaitable[Any]]) -> None:
    """Reclaim runs the monitor itself."""
    (rcu,) = k.machine.pages.reclaim.shrinkers.registered
    await k.kvfree_rcu(await allocate(), "rcu")
    await rcu.scan(k.machine.current, 1)


async def by_510_calls(k: Kernel, allocate: Callable[[], Awaitable[Any]]) -> None:
    """A block's worth of objects shortens the monitor's delay to a jiffy."""
    objects = [await allocate() for _ in range(BLOCK)]
    for p in objects:
        await k.kvfree_rcu(p, "rcu")
    await k.msleep(40)


async def two_batches_under_one_grace_period(k: Kernel, drain: Drain) -> None:
    """5da7cb193db3: slab objects wait for a grace period that is older than the reader of the vmalloc area."""
    gp = k.machine.gp
    shared = await k.vmalloc(64)
    areas = [await k.vmalloc(64) for _ in range(BLOCK - 1)] + [shared]
    await warm(k)

    async def early() -> None:
        with k.rcu_reader():
            await k.udelay(200_000)

    async def late() -> None:
        with k.rcu_reader():
            p = k.rcu_dereference(shared)
            await k.udelay(500_000)
            k.deref(p)

    async def area() -> Any:
        return areas.pop()

    await k.kthread_run(early, cpu=1)
    await k.usleep_range(100, 100)
    await drain(k, lambda: k.kmalloc(64))
    while not gp.gp_seq & 3:
        await k.msleep(1)
    await k.msleep(8)
    await k.kthread_run(late, cpu=2)
    await k.usleep_range(100, 100)
    await drain(k, area)
    while areas:
        await k.vfree(areas.pop())


@pytest.mark.parametrize("settings", [{}, {"PREEMPT_RT": "y"}])
@pytest.mark.parametrize("drain", [by_the_shrinker, by_510_calls])
@pytest.mark.parametrize("kernel", ["v5.9", "v5.11", "v6.1.0"])
def test_5da7cb193db3_by_the_shrinker_or_by_510_calls(
    kernel: str, drain: Drain, settings: dict[str, str], compose: Compose
) -> None:
    """On the versions that have it, and on each with that commit's rule and nothing else."""

    async def script(k: Kernel) -> None:
        await two_batches_under_one_grace_period(k, drain)

    bad = run(scenario()(script), RunOptions(kernel=kernel), nr_cpus="3", **settings)
    assert bad.kinds == {ViolationKind.USE_AFTER_FREE}
    assert any("freed by vfree under a reader that may hold it" in found.title for found in bad.violations)
    assert all("reader late/" in found.text for found in bad.violations if "freed by" in found.title)
    assert bad.counters["grace_periods"] == 1

    for fixed in (compose(kernel, batching=whole_batch), "v6.1-stable"):
        good = run(scenario()(script), RunOptions(kernel=fixed), nr_cpus="3", **settings)
        assert good.clean
        assert good.counters["grace_periods"] == 2


def test_v6_1_0_is_v6_1_stable_but_for_the_backport() -> None:
    """Armed by the pending timer, batches by channel: what the mainline released."""
    v6_1_0, stable = find_era("v6.1.0").rules.kvfree, find_era("v6.1-stable").rules.kvfree
    assert v6_1_0.batching is by_channel
    assert attrs.evolve(v6_1_0, batching=whole_batch, says_mightsleep=True) == stable


def test_parts_of_all_versions_go_together(compose: Compose) -> None:
    """The shrinker of v5.11 with the pending timer of v6.1: it knows the monitor by its protocol only."""

    async def script(k: Kernel) -> None:
        (rcu,) = k.machine.pages.reclaim.shrinkers.registered
        for _ in range(10):
            await k.kvfree_rcu(await k.kmalloc(64), "rcu")
        assert await rcu.count(k.machine.current) == 10
        assert await rcu.scan(k.machine.current, 10) == 10
        assert await rcu.count(k.machine.current) == 0

    result = run(scenario()(script), RunOptions(kernel=compose("v5.11", arming=PendingTimer)))
    assert result.clean
    assert result.counters["bulk_objects"] + result.counters["list_freed"] == 10


@pytest.mark.parametrize("fixed", [False, True])
def test_60888b77a06e_the_refill_forgets_the_pages_that_have_come_back_meanwhile(fixed: bool, compose: Compose) -> None:
    """B3: the last page is refused and given back, unless the loop begins at nr_bkv_objs."""

    async def script(k: Kernel) -> None:
        kvfree = k.machine.kvfree
        p = await k.kmalloc(64)
        await k.cold_caches()
        k.preempt_disable()
        await k.kvfree_rcu(p, "rcu")
        # The worker is on its way; two pages come back from a drained batch before it runs.
        for _ in range(2):
            page = await k.machine.pages.get_free_page(k.machine.current, GFP_ATOMIC)
            assert kvfree.put_cached_bnode(kvfree.krc(0), page)
        await k.preempt_enable()
        await k.msleep(1)
        assert k.cached_pages() == 5

    rules = find_era("v6.1-stable").rules.kvfree.refill
    changed = RefillRules(gfp=rules.gfp, ends_at_failure=rules.ends_at_failure, starts_at_cached=fixed)
    result = run(scenario()(script), RunOptions(kernel=compose("v6.1-stable", refill=changed)))
    assert result.clean
    assert result.counters["refill_pages_refused"] == (0 if fixed else 1)


@pytest.mark.parametrize(("rule", "cpu_id"), [(ALLOCATES, 1), (ALLOCATES_FOR_ITS_OWN, 0)])
def test_309a43165077_whose_block_it_is_for_which_a_caller_went_elsewhere(
    rule: OneArgument, cpu_id: int, compose: Compose
) -> None:
    """The lock is dropped for a page, and the caller moves meanwhile: the new block is that CPU's, or its own."""

    async def script(k: Kernel) -> None:
        pages, kvfree = k.machine.pages, k.machine.kvfree
        get = pages.get_free_page
        p = await k.kmalloc(64)
        await k.cold_caches()

        async def get_free_page(*request: Any) -> int | None:
            await k.set_cpus_allowed(None, {1})
            assert k.smp_processor_id() == 1
            return await get(*request)

        pages.get_free_page = get_free_page  # type: ignore[method-assign]
        assert k.smp_processor_id() == 0
        await one_argument(k, p)
        pages.get_free_page = get  # type: ignore[method-assign]
        assert [block.records for block in kvfree.krc(cpu_id).blocks[0]] == [[p]]
        assert not kvfree.krc(1 - cpu_id).blocks[0]

    name = compose("v6.1-stable", f"one-argument-{cpu_id}", one_argument=rule)
    assert run(scenario()(script), RunOptions(kernel=name), nr_cpus="2").clean


def test_the_workqueue_is_a_rule(compose: Compose) -> None:
    """The monitor and the batches run on the workers of whatever queue the version names."""

    async def script(k: Kernel) -> None:
        await k.kvfree_rcu(await k.kmalloc(64), "rcu")

    def queues(kernel: str) -> set[tuple[str, str]]:
        sink = ListSink()
        assert run(scenario()(script), RunOptions(kernel=kernel, sinks=(sink,))).clean
        told = [event.text.split() for event in sink.events if event.name == "workqueue_queue_work"]
        words = [dict(word.split("=") for word in text if "=" in word) for text in told]
        return {(one["function"], one["workqueue"]) for one in words if one["function"].startswith("kfree_rcu")}

    own = compose("v6.1-stable", "own-queue", workqueue=lambda workqueues: workqueues.system_highpri_wq)
    assert queues("v6.1-stable") == {("kfree_rcu_monitor", "events"), ("kfree_rcu_work", "events")}
    assert queues(own) == {("kfree_rcu_monitor", "events_highpri"), ("kfree_rcu_work", "events_highpri")}
