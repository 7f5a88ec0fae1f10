"""Bugs that were found upstream in v6.1 and later, on the versions that have them and on those that have the fix.

Nothing is planted: where the bug needs others to come at the wrong moment, the schedule is one that strategy random
has found, recorded, and run again from its decisions.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from rcuactors import GFP_ATOMIC, Kernel, Result, Run, RunOptions, run, scenario
from rcuactors.engine.decision import NEXT_ACTOR, NOT_OFFERED, Decision
from rcuactors.explore.random import Random
from rcuactors.explore.record import Record, Replay
from rcuactors.machine import Machine

Body = Callable[[Kernel], Awaitable[None]]
SLOW = {"nr_cpus": "3", "HZ": "1000", "jiffies_till_first_fqs": "1000"}
CACHE_OFF = {"rcu_min_cached_objs": "0"}


def found_by_random(body: Body, kernel: str, wrong: Callable[[Result], bool], seeds: int, **settings: str) -> bool:
    """Whether one of so many random runs goes wrong: if so, it does so again when its decisions are replayed."""
    for seed in range(seeds):
        record = Record(Random())
        options = RunOptions(kernel=kernel, strategy=record, seed=seed, events=False, settings=settings)
        result = run(scenario()(body), options)
        assert result.clean
        if wrong(result):
            assert record.decisions is not None
            again = RunOptions(
                kernel=kernel, strategy=Replay(Random(), record.decisions), events=False, settings=settings
            )
            assert run(scenario()(body), again).waste == result.waste
            return True
    return False


# -- waste: harms nobody, and is no violation --------------------------------------------------------------------------


async def pages_come_back_meanwhile(k: Kernel) -> None:
    """The refill was asked for; two pages of a drained batch are in the cache before its worker runs."""
    kvfree = k.machine.kvfree
    krcp = kvfree.krc(0)
    p = await k.kmalloc(64)
    await k.cold_caches()
    get = k.machine.pages.get_free_page
    pages = [await get(k.machine.current, GFP_ATOMIC) for _ in range(2)]
    k.preempt_disable()
    await k.kvfree_rcu(p, "rcu")
    for page in pages:
        assert page is not None
        assert kvfree.put_cached_bnode(krcp, page)
    await k.preempt_enable()
    await k.msleep(1)
    assert k.cached_pages() == 5


@pytest.mark.parametrize(("kernel", "refused"), [("v6.1-stable", 1), ("v6.6", 0), ("v6.12", 0)])
def test_60888b77a06e_the_refill_starts_at_the_pages_that_are_there(kernel: str, refused: int) -> None:
    """B3."""
    result = run(scenario()(pages_come_back_meanwhile), RunOptions(kernel=kernel))
    assert result.clean
    assert result.waste.get("pages_refused", 0) == refused


async def with_a_cache_that_is_off(k: Kernel) -> None:
    objects = [await k.kmalloc(64) for _ in range(20)]
    for p in objects:
        await k.kvfree_rcu(p, "rcu")
        await k.msleep(1)
    (rcu,) = k.machine.pages.reclaim.shrinkers
    await rcu.scan(k.machine.current, 1000)


@pytest.mark.parametrize(("kernel", "useless"), [("v5.11", 20), ("v6.1-stable", 20), ("v6.6", 0), ("v6.12", 0)])
def test_021a5ff84743_no_work_for_a_cache_that_is_off(kernel: str, useless: int) -> None:
    """B4: an hrtimer, a worker, and nothing to do, at each call. Recorded on 6.1 and, as none at all, on 6.12."""
    result = run(scenario()(with_a_cache_that_is_off), RunOptions(kernel=kernel, settings=CACHE_OFF))
    assert result.clean
    assert result.waste.get("refills_for_nothing", 0) == result.counters["refills_asked"] == useless


@pytest.mark.parametrize(("kernel", "useless"), [("v6.1-stable", 4), ("v6.6", 0), ("v6.12", 0)])
def test_6b706e5603c4_the_shrinker_takes_no_lock_of_a_cache_that_is_off(kernel: str, useless: int) -> None:
    """B5: once for each possible CPU."""
    result = run(scenario()(with_a_cache_that_is_off), RunOptions(kernel=kernel, settings=CACHE_OFF), nr_cpus="4")
    assert result.clean
    assert result.waste.get("no_caches_emptied", 0) == useless


async def one_argument_migrates(k: Kernel) -> None:
    """309a43165077: callers of the one-argument form who drop krcp->lock for a page, among others who preempt them."""

    async def caller() -> None:
        for _ in range(6):
            await k.cold_caches()
            p = await k.kmalloc(64)
            await (k.kvfree_rcu_mightsleep(p) if k.has("kvfree_rcu_mightsleep") else k.kvfree_rcu(p))
            await k.usleep_range(5, 5)

    async def urgent() -> None:
        for _ in range(40):
            await k.usleep_range(2, 2)

    async with k.open_nursery() as nursery:
        for _ in range(2):
            await nursery.start_soon(caller)
        for cpu in (0, 1):
            await nursery.start_soon(urgent, cpu=cpu, urgent=True)


def test_309a43165077_the_page_is_put_where_the_caller_has_come_to() -> None:
    """B2: into the lists of another CPU, whose block has room. Since v6.5 it is for the one that was left."""

    def wrong(result: Result) -> bool:
        return "pages_for_another_cpu" in result.waste

    body = one_argument_migrates
    assert found_by_random(body, "v6.1-stable", wrong, 60, nr_cpus="2", migrate="y")
    assert not found_by_random(body, "v6.6", wrong, 20, nr_cpus="2", migrate="y")


# -- the monitor comes late --------------------------------------------------------------------------------------------


async def the_block_is_full_while_the_monitor_is_armed_again(k: Kernel) -> None:
    """a23da88c6c80: both batches wait for a slow grace period, so the monitor can only be armed once more, in 5 s.

    Just then the block's last object comes, for which a jiffy would do.
    """
    kvfree, krcp = k.machine.kvfree, k.machine.kvfree.krc(0)
    objects = [await k.kmalloc(64) for _ in range(kvfree.rules.block_capacity + 2)]
    for _ in range(3):
        page = await k.machine.pages.get_free_page(k.machine.current, GFP_ATOMIC)
        assert page is not None
        assert kvfree.put_cached_bnode(krcp, page)
    await k.kthread_join(await k.kthread_run(k.schedule, cpu=2))
    await k.kvfree_rcu(objects.pop(), "rcu")
    await k.usleep_range(4_700_000, 4_700_000)  # msleep() would be rounded up to the monitor's time
    await kvfree.monitor.kfree_rcu_monitor(k.machine.current, krcp)
    await k.kvfree_rcu(objects.pop(), "rcu")
    await kvfree.monitor.kfree_rcu_monitor(k.machine.current, krcp)
    while len(objects) > 1:
        await k.kvfree_rcu(objects.pop(), "rcu")
    work, timer = krcp.monitor_work.work, krcp.monitor_work.timer
    assert all(batch.busy() for batch in krcp.batches)
    assert timer.pending
    due_ns = timer.expires * k.machine.system.config.jiffy_ns - k.now
    await k.usleep_range(due_ns // 1000 - 20, due_ns // 1000 - 20)
    runs = kvfree.figures.monitor_runs
    while kvfree.figures.monitor_runs == runs or not work.pending:
        await k.cpu_relax()
    await k.kvfree_rcu(objects.pop(), "rcu")
    await k.msleep(100)
    late.append(krcp.anything_queued() and timer.expires * k.machine.system.config.jiffy_ns - k.now > 1_000_000_000)


late: list[bool] = []


class LastObjectFirst(Random):
    """The schedule: anyone may be next, but CPU 0 is while the monitor is being armed again."""

    name = "the last object first"
    machine: Machine | None = None

    def choose(self, decision: Decision) -> int:
        drawn = super().choose(decision)
        if decision.kind is not NEXT_ACTOR or self.machine is None:
            return drawn
        work, runs = self.machine.kvfree.krc(0).monitor_work, self.machine.kvfree.figures.monitor_runs
        between = work.work.pending and not work.timer.pending and runs == 3
        cpu0 = decision.find("cpu0:the_block_is_fu") if between else NOT_OFFERED
        return drawn if cpu0 == NOT_OFFERED else cpu0


@pytest.mark.parametrize(("kernel", "has"), [("v6.12.0", True), ("v6.12", False)])
def test_a23da88c6c80_who_looks_at_the_timer_while_it_is_set(kernel: str, has: bool) -> None:
    """B8: the pending bit is there and the timer's time is still the old one, so that a jiffy looks too long."""
    strategy = LastObjectFirst()
    body = scenario()(the_block_is_full_while_the_monitor_is_armed_again)
    one = Run(body, RunOptions(kernel=kernel, strategy=strategy, events=False, settings=SLOW))
    strategy.machine = one.machine
    assert one.run().clean
    assert late.pop() == has
