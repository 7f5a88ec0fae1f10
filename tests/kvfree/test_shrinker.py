"""The shrinker of v5.9 to v5.11 (rcuactors/kvfree/parts/shrinker.py)."""

from __future__ import annotations

import pytest

from rcuactors import Kernel, RunOptions, run, scenario
from rcuactors.mm.gfp import GFP_KERNEL, Gfp
from rcuactors.mm.reclaim import Shrinker

KERNELS = ["v5.9", "v5.11"]


def shrinker(k: Kernel) -> Shrinker:
    (found,) = k.machine.pages.reclaim.shrinkers.registered
    return found


async def queue(k: Kernel, count: int) -> None:
    objects = [await k.kmalloc(64) for _ in range(count)]
    for p in objects:
        await k.kvfree_rcu(p, "rcu")


@pytest.mark.parametrize("kernel", KERNELS)
def test_count_is_the_sum_over_all_cpus(kernel: str) -> None:
    async def script(k: Kernel) -> None:
        rcu = shrinker(k)
        assert rcu.name == "rcu-kfree"
        assert await rcu.count(k.machine.current) == 0
        await queue(k, 30)
        await k.kthread_join(await k.kthread_run(queue, k, 12, cpu=1))
        assert await rcu.count(k.machine.current) == 42

    assert run(scenario()(script), RunOptions(kernel=kernel)).clean


@pytest.mark.parametrize("kernel", KERNELS)
def test_scan_starts_batches_until_it_has_scanned_enough(kernel: str) -> None:
    async def script(k: Kernel) -> None:
        rcu = shrinker(k)
        await queue(k, 30)
        await k.kthread_join(await k.kthread_run(queue, k, 12, cpu=1))
        assert await rcu.scan(k.machine.current, 30) == 30
        krcs = k.machine.kvfree.all_krcs()
        assert [krcp.count for krcp in krcs] == [0, 12]
        assert [k.machine.kvfree.arming.of(krcp).monitor_todo for krcp in krcs] == [False, True]
        assert await rcu.scan(k.machine.current, 30) == 12
        assert await rcu.count(k.machine.current) == 0
        assert await rcu.scan(k.machine.current, 30) is None  # SHRINK_STOP

    result = run(scenario()(script), RunOptions(kernel=kernel))
    assert result.clean
    assert result.counters["bulk_objects"] + result.counters["list_freed"] == 42


@pytest.mark.parametrize("kernel", [*KERNELS, "v6.1-stable"])
@pytest.mark.parametrize(("nr_to_scan", "left"), [(30, 12), (29, 0), (31, 0), (42, 0), (1, 0)])
def test_scan_stops_at_exactly_nothing_left_and_wraps_below(kernel: str, nr_to_scan: int, left: int) -> None:
    """sc->nr_to_scan is unsigned: `<= 0` is true of 0 only, and 30 of 29 leave a very large number."""

    async def script(k: Kernel) -> None:
        await queue(k, 30)
        await k.kthread_join(await k.kthread_run(queue, k, 12, cpu=1))
        krcs = k.machine.kvfree.all_krcs()
        for krcp in krcs:
            while krcp.cache:  # v6.1 counts these, too
                await k.free_page(krcp.cache.pop())
        assert await shrinker(k).scan(k.machine.current, nr_to_scan) == 42 - left
        assert [krcp.count for krcp in krcs] == [0, left]

    assert run(scenario()(script), RunOptions(kernel=kernel)).clean


@pytest.mark.parametrize("kernel", [*KERNELS, "v6.1-stable"])
def test_scan_goes_through_every_possible_cpu(kernel: str) -> None:
    async def script(k: Kernel) -> None:
        await queue(k, 5)
        await shrinker(k).scan(k.machine.current, 100)
        assert [krcp.cpu_id for krcp in k.machine.kvfree.all_krcs()] == list(range(8))

    assert run(scenario()(script), RunOptions(kernel=kernel), nr_cpus="8").clean


def test_what_the_shrinker_drained_does_not_wait_for_the_monitor() -> None:
    async def script(k: Kernel, scan: bool = False) -> None:
        await queue(k, 10)
        if scan:
            await shrinker(k).scan(k.machine.current, 100)

    late = run(scenario()(script)).latency_ns["max"]
    early = run(scenario()(script), scan="y").latency_ns["max"]
    assert late - early > 15_000_000


def test_the_armed_monitor_finds_nothing_to_do_and_a_new_call_uses_its_timer() -> None:
    async def script(k: Kernel) -> None:
        krcp = k.machine.kvfree.krc(0)
        await queue(k, 10)
        expires = krcp.monitor_work.timer.expires
        await k.msleep(4)
        await shrinker(k).scan(k.machine.current, 100)
        assert not k.machine.kvfree.arming.of(krcp).monitor_todo
        assert krcp.monitor_work.timer.pending
        await queue(k, 5)
        assert k.machine.kvfree.arming.of(krcp).monitor_todo
        assert krcp.monitor_work.timer.expires == expires

    result = run(scenario()(script), kernel="v5.11")
    assert result.clean
    assert result.counters["bulk_objects"] + result.counters["list_freed"] == 15
    assert result.counters["work_runs"] >= 2


async def memory_gets_short(k: Kernel) -> list[int]:
    """What a CPU has cached before and while others take nearly all there is; and 1 and 6 s after a miss behind that.

    Reclaim, kswapd's or their own, asks the shrinkers.
    """
    seen = []
    await queue(k, 1)
    await k.msleep(100)
    seen.append(k.cached_pages())
    pages, zone = [], k.machine.pages.zone
    while zone.free > zone.watermark_min + 8 and (page := await k.get_free_page(GFP_KERNEL | Gfp.NORETRY)):
        pages.append(page)
    await k.msleep(1000)
    seen.append(k.cached_pages())
    for page in pages:
        await k.free_page(page)
    p = await k.kmalloc(64)
    await k.cold_caches()
    await k.kvfree_rcu(p, "rcu")
    for ms in (1000, 5000):
        await k.msleep(ms)
        seen.append(k.cached_pages())
    return seen


@pytest.mark.parametrize(("kernel", "expected"), [("v5.11", [5, 5, 5, 5]), ("v6.1.0", [5, 0, 0, 1])])
def test_d0bfa8b3c411_cached_pages_under_memory_pressure(kernel: str, expected: list[int]) -> None:
    """B10: v5.11 keeps all of them, and refills at once.

    Since that commit they are given back, and a refill waits for rcu_delay_page_cache_fill_msec, and gets one.
    """

    async def script(k: Kernel) -> None:
        found.extend(await memory_gets_short(k))

    found: list[int] = []
    assert run(scenario()(script), RunOptions(kernel=kernel), mem="16M").clean
    assert found == expected


def test_v5_11_leaves_its_cached_pages_out_of_the_shrinkers_sight() -> None:
    """Commit d0bfa8b3c411 ("Release a page cache under memory pressure") came later."""

    async def script(k: Kernel) -> None:
        await queue(k, 1)
        await k.msleep(100)
        assert k.cached_pages() == 5
        assert await shrinker(k).count(k.machine.current) == 0
        assert await shrinker(k).scan(k.machine.current, 100) is None
        assert k.cached_pages() == 5

    assert run(scenario()(script), kernel="v5.11").clean


@pytest.mark.parametrize(
    ("kernel", "empties"), [("v6.1-stable", True), ("v6.6", False), ("v6.12", False), ("v7.3", False)]
)
@pytest.mark.parametrize("limit", [0, 1, 2, 5])
def test_a_cache_that_may_hold_one_page_is_emptied_too(kernel: str, empties: bool, limit: int) -> None:
    """With rcu_min_cached_objs=0 there is none, which v6.1 tries to empty all the same (commit 6b706e5603c4)."""

    async def script(k: Kernel) -> None:
        rcu, kvfree = shrinker(k), k.machine.kvfree
        await k.set_cached_pages(limit)
        assert k.cached_pages() == limit
        assert await rcu.count(k.machine.current) == limit
        assert await rcu.scan(k.machine.current, 100) == (limit or None)
        assert k.cached_pages() == 0
        assert kvfree.figures.no_caches_emptied == (k.num_online_cpus() if empties and not limit else 0)

    assert run(scenario()(script), RunOptions(kernel=kernel), rcu_min_cached_objs=str(limit)).clean
