"""Bugs that were found upstream in v6.1 and later, on the versions that have them and on those that have the fix.

Nothing is planted: where the bug needs others to come at the wrong moment, the schedule is recorded decisions, and the
version with the fix is right with them.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest

from rcuactors import GFP_ATOMIC, Kernel, Result, RunOptions, run, scenario
from rcuactors.eras import find_era
from rcuactors.kernel.migration import PULL
from rcuactors.kvfree.parts.one_argument import ALLOCATES_FOR_ITS_OWN
from tests.schedules import Body, Moment, Schedule, found_by_random, held_up_anywhere, wrong_at

Compose = Callable[..., str]
SLOW = {"nr_cpus": "3", "HZ": "1000", "jiffies_till_first_fqs": "600"}
CACHE_OFF = {"rcu_min_cached_objs": "0"}


# -- waste: harms nobody, and is no violation --------------------------------------------------------------------------


async def pages_come_back_meanwhile(k: Kernel) -> None:
    """A refill is asked for, and waits behind a long work on CPU 1; a batch of that CPU is freed on CPU 0 meanwhile.

    So two pages are in the cache before the worker runs.
    """
    late, kvfree = await k.vmalloc(64), k.machine.kvfree
    (rcu,) = k.machine.pages.reclaim.shrinkers.registered

    async def fills() -> None:
        objects = [await k.kmalloc(64) for _ in range(kvfree.rules.block_capacity + 40)]
        await k.kvfree_rcu(await k.kmalloc(64), "rcu")
        await k.msleep(1)
        for p in objects:
            await k.kvfree_rcu(p, "rcu")

    async def spins() -> None:
        await k.udelay(40_000)

    async def misses() -> None:
        await k.cold_caches()
        k.preempt_disable()
        await k.queue_work(k.system_highpri_wq, k.work(spins))
        await k.kvfree_rcu(late, "rcu")
        await k.preempt_enable()

    await k.kthread_join(await k.kthread_run(fills, cpu=1))
    await rcu.scan(k.machine.current, 10_000)
    await k.kthread_join(await k.kthread_run(misses, cpu=1))
    await k.msleep(300)
    assert k.machine.statistics().kvfree.refill.done == 2


@pytest.mark.parametrize(
    ("kernel", "refused"), [("v5.11", 1), ("v6.1.0", 1), ("v6.1-stable", 1), ("v6.6", 0), ("v6.12", 0)]
)
def test_60888b77a06e_the_refill_starts_at_the_pages_that_are_there(
    kernel: str, refused: int, compose: Compose
) -> None:
    """B3. From v6.6 on the pool would not wait for a work that spins for 10 ms: that is off here."""
    settings = {"nr_cpus": "2", "cpu_intensive_thresh_us": "0"}

    def refused_on(version: str) -> int:
        result = run(scenario()(pages_come_back_meanwhile), RunOptions(kernel=version, settings=settings))
        assert result.clean
        return result.waste.get("pages_refused", 0)

    assert refused_on(kernel) == refused
    mended = attrs.evolve(find_era(kernel).rules.kvfree.refill, starts_at_cached=True)
    assert not refused_on(compose(kernel, refill=mended))


async def with_a_cache_that_is_off(k: Kernel) -> None:
    objects = [await k.kmalloc(64) for _ in range(20)]
    for p in objects:
        await k.kvfree_rcu(p, "rcu")
        await k.msleep(1)
    (rcu,) = k.machine.pages.reclaim.shrinkers.registered
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


def puts_a_page_elsewhere(result: Result) -> bool:
    assert result.clean
    return "pages_for_another_cpu" in result.waste


@pytest.mark.parametrize(("kernel", "mended"), [("v6.1.0", None), ("v6.1-stable", "v6.6")])
def test_309a43165077_the_page_is_put_where_the_caller_has_come_to(
    kernel: str, mended: str | None, compose: Compose
) -> None:
    """B2: into the lists of another CPU, whose block has room. Since v6.5 it is for the one that was left.

    The last decision that it takes moves the caller, which others had preempted. The same ones are right where the page
    is for the one that was left.
    """
    settings = {"nr_cpus": "2", "migrate": "y"}
    found = found_by_random(one_argument_migrates, kernel, puts_a_page_elsewhere, range(2, 10), **settings)
    assert found.taken[-1].kind == PULL.name
    assert found.on(kernel).waste["pages_for_another_cpu"] == 1
    neighbour = compose(kernel, one_argument=ALLOCATES_FOR_ITS_OWN)
    for fixed in (neighbour, mended or neighbour):
        assert not puts_a_page_elsewhere(found.on(fixed))


# -- the monitor comes late --------------------------------------------------------------------------------------------


async def until_the_monitor_is_armed_again(k: Kernel, late_us: int, beside: Body | None = None) -> None:
    """a23da88c6c80: both batches wait for a slow grace period, so the monitor can only be armed once more, in 5 s.

    Just then, so long after it was due, the block's last object comes, for which a jiffy would do. A shrinker had
    started the batches; `beside` runs on another CPU, a little before that.
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
    await k.drop_slab()
    await k.kvfree_rcu(objects.pop(), "rcu")
    await k.drop_slab()
    while len(objects) > 1:
        await k.kvfree_rcu(objects.pop(), "rcu")
    assert all(batch.busy() for batch in krcp.batches)
    due_us = (krcp.monitor_work.timer.expires * k.machine.system.config.jiffy_ns - k.now) // 1000

    async def other() -> None:
        await k.usleep_range(due_us + 20, due_us + 20)
        if beside is not None:
            await beside(k)

    await k.kthread_run(other, cpu=1)
    await k.usleep_range(due_us + late_us, due_us + late_us)
    await k.kvfree_rcu(objects.pop(), "rcu")


async def the_last_object_comes(k: Kernel) -> None:
    """The monitor runs on another CPU than who frees."""
    await until_the_monitor_is_armed_again(k, late_us=30)


async def the_last_object_comes_and_a_shrinker(k: Kernel) -> None:
    """The monitor runs on the CPU of who frees, so it is the shrinker's that can be in between."""

    async def shrinks(k: Kernel) -> None:
        (rcu,) = k.machine.pages.reclaim.shrinkers.registered
        await rcu.scan(k.machine.current, 1)

    await until_the_monitor_is_armed_again(k, late_us=80, beside=shrinks)


DUE = 5_120_000_000
MONITOR = Moment(":kworker/", 5, 100_000, 5_000_000_000)
SHRINKER = Moment("/other", 5, 100_000, DUE)
MONITOR_MEANWHILE = Moment("cpu0:kworker/0", 2, 40_000, DUE)


def waits_for_five_seconds(result: Result) -> bool:
    """The monitor does not run again and again, each time in a jiffy, until a batch is free."""
    assert result.clean
    return int(result.counters["monitor_runs"]) < 50


def misled(kernel: str, body: Body, *moments: Moment) -> list[Schedule]:
    """With the first moment at each point at which the monitor is armed again, and some on both sides of that."""
    return wrong_at(held_up_anywhere(body, kernel, *moments, points=16, **SLOW), waits_for_five_seconds)


def test_a23da88c6c80_who_looks_at_the_timer_while_it_is_set() -> None:
    """B8: the pending bit is there and the timer's time is still the old one, so that a jiffy looks too long.

    One moment of all.
    """
    (found,) = misled("v6.12.0", the_last_object_comes, MONITOR)
    (taken,) = found.decisions.taken
    assert "kworker/u" in taken.option
    assert taken.option.endswith(" for 100000 ns")
    assert found.result.waste["monitors_put_off"] == 1
    assert not misled("v6.12", the_last_object_comes, MONITOR)


def test_a23da88c6c80_on_v6_6_with_a_shrinkers_monitor(compose: Compose) -> None:
    """Its work is held up until the shrinker's monitor finds none pending, and that one while it arms it."""
    body, moments = the_last_object_comes_and_a_shrinker, (SHRINKER, MONITOR_MEANWHILE)
    (found,) = misled("v6.6", body, *moments)
    assert [taken.option.partition(":")[2].partition(" ")[0] for taken in found.decisions.taken] == [
        "kworker/0:1",
        f"{body.__name__[:15]}/other.0",
    ]
    draining = find_era("v6.6").rules.kvfree.draining
    assert draining is not None
    locked = compose("v6.6", draining=attrs.evolve(draining, locked_again=True))
    assert not misled(locked, body, *moments)
