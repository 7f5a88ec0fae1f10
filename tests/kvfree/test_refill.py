"""The page cache and how it is refilled on v5.11 (rcuactors/kvfree/parts/refill.py, designs/hrtimer_work.py)."""

from __future__ import annotations

import pytest

from rcuactors import GFP_NOWAIT, Kernel, RunOptions, run, scenario
from rcuactors.engine.events import Event, ListSink
from rcuactors.runs.result import Result

MS = 1_000_000


def watched(script, **settings: str) -> tuple[Result, list[Event]]:
    sink = ListSink()
    return run(scenario()(script), RunOptions(kernel="v5.11", sinks=(sink,), settings=settings)), sink.events


async def burst(k: Kernel, objects: list) -> None:
    for p in objects:
        await k.kvfree_rcu(p, "rcu")


@pytest.mark.parametrize("cached", ["1", "5", "20"])
def test_cold_the_first_object_goes_to_the_list_and_exactly_rcu_min_cached_objs_pages_are_pushed(cached: str) -> None:
    async def script(k: Kernel) -> None:
        await k.cold_caches()
        p = await k.kmalloc(64)
        await k.kvfree_rcu(p, "rcu")
        krcp = k.machine.kvfree.krc(0)
        assert krcp.head == [p]
        await k.msleep(1)
        assert k.cached_pages() == int(cached)

    result, _ = watched(script, rcu_min_cached_objs=cached)
    assert result.clean
    found = result.counters
    assert (found["fallbacks_list"], found["refills_asked"], found["refills_done"]) == (1, 1, 1)
    assert (found["refill_pages"], found["refill_pages_refused"]) == (int(cached), 0)


def test_the_way_of_a_request() -> None:
    """A 0 ns hrtimer under the lock, its handler in hardirq, a work on system_highpri_wq, GFP_KERNEL in a worker."""

    async def script(k: Kernel) -> None:
        await k.kvfree_rcu(await k.kmalloc(64), "rcu")
        await k.msleep(1)

    _, events = watched(script)
    wanted = [
        ("hrtimer_start", "schedule_page_work_fn"),
        ("hrtimer_expire_entry", "schedule_page_work_fn"),
        ("workqueue_queue_work", "fill_page_cache_func workqueue=events_highpri"),
        ("workqueue_execute_start", "fill_page_cache_func"),
        ("mm_page_alloc", "GFP_KERNEL|__GFP_NOWARN"),
        ("workqueue_execute_end", "fill_page_cache_func"),
    ]
    found = [next(event for event in events if event.name == name and text in event.text) for name, text in wanted]
    assert [event.time_ns for event in found] == sorted(event.time_ns for event in found)
    start, expire, queue, execute, alloc, _ = found
    assert start.flags[0] == "d"
    assert expire.flags[2] == queue.flags[2] == "h"
    assert execute.comm == alloc.comm == "kworker/0:1H"
    assert alloc.flags == "....."


def test_on_rt_the_timer_expires_in_a_softirq_thread() -> None:
    """Recorded on a real PREEMPT_RT kernel: always in a thread in softirq context, never in hardirq."""

    async def script(k: Kernel) -> None:
        await k.kvfree_rcu(await k.kmalloc(64), "rcu")
        await k.msleep(1)

    _, events = watched(script, PREEMPT_RT="y")
    (expire,) = [event for event in events if event.name == "hrtimer_expire_entry" and "schedule_page" in event.text]
    assert expire.flags[2] == "s"
    assert expire.comm.startswith("ktimers/")


@pytest.mark.parametrize("context", ["irq_disable", "raw_spin_irqsave", "hardirq"])
def test_in_atomic_context_the_whole_burst_falls_back_with_one_refill(run_in, context: str) -> None:
    """Recorded on a real 6.1 kernel; the next burst 100 ms later has no fallback."""

    async def script(k: Kernel) -> None:
        objects = [await k.kmalloc(64) for _ in range(1100)]
        later = [await k.kmalloc(64) for _ in range(1100)]
        await k.cold_caches()
        await run_in(k, context, lambda: burst(k, objects))
        assert k.machine.kvfree.figures.fallbacks_list == 1100
        await k.msleep(100)
        await burst(k, later)

    result, _ = watched(script)
    assert result.clean
    assert result.counters["fallbacks_list"] == result.counters["list_freed"] == 1100
    assert result.counters["refills_asked"] == result.counters["refills_done"] == 1
    assert result.counters["bulk_sizes_in_order"] == [80, 510, 510]


def test_a_preemptible_burst_falls_back_in_part() -> None:
    """The high-priority worker preempts the loop when the timer has fired."""

    async def script(k: Kernel) -> None:
        objects = [await k.kmalloc(64) for _ in range(1100)]
        await k.cold_caches()
        await burst(k, objects)

    result, _ = watched(script)
    assert result.clean
    assert 1 <= result.counters["fallbacks_list"] < 1100
    assert result.counters["list_freed"] + result.counters["bulk_objects"] == 1100


def test_one_refill_is_in_flight_at_a_time() -> None:
    async def script(k: Kernel) -> None:
        objects = [await k.kmalloc(64) for _ in range(50)]
        await k.cold_caches()
        krcp = k.machine.kvfree.krc(0)
        k.preempt_disable()
        await burst(k, objects)
        # The timer has fired in between, the worker cannot run yet.
        await k.udelay(100)
        assert k.machine.kvfree.refill.of(krcp).work_in_progress
        assert krcp.page_work.work.pending
        await burst(k, [await k.kmalloc(64)])
        await k.preempt_enable()
        await k.msleep(1)
        assert not k.machine.kvfree.refill.of(krcp).work_in_progress

    result, _ = watched(script)
    assert result.clean
    assert result.counters["refills_asked"] == 1
    assert result.counters["fallbacks_list"] == 51


def test_rcu_min_cached_objs_0_means_useless_wake_ups() -> None:
    """Fixed by commit 021a5ff84743: without a cache every miss starts a timer and a work that does nothing."""

    async def script(k: Kernel) -> None:
        for _ in range(20):
            await k.kvfree_rcu(await k.kmalloc(64), "rcu")
            await k.usleep_range(200, 200)

    result, events = watched(script, rcu_min_cached_objs="0")
    assert result.clean
    assert result.counters["fallbacks_list"] == result.counters["list_freed"] == 20
    assert result.counters["refills_asked"] == result.counters["refills_done"] == 20
    assert result.counters["refill_pages"] == 0
    assert len([event for event in events if event.name == "hrtimer_start" and "page_work" in event.text]) == 20


def test_a_page_that_fails_does_not_end_the_refill() -> None:
    """v5.11: the loop goes on after NULL, so a few failures cost a few pages only."""

    async def script(k: Kernel) -> None:
        await k.kvfree_rcu(await k.kmalloc(64), "rcu")
        await k.msleep(1)
        cached.append(k.cached_pages())

    cached: list[int] = []
    for seed in range(40):
        result = run(
            scenario()(script), RunOptions(seed=seed), fail_page_alloc="30", rcu_min_cached_objs="10", kernel="v5.11"
        )
        if result.counters["list_freed"]:
            assert result.counters["refill_pages"] == cached[-1]
            assert result.counters["refills_done"] == 1
        else:
            cached.pop() if cached else None
    assert 4 <= sum(cached) / len(cached) < 10


def test_an_injected_failure_of_every_page_leaves_the_list_and_the_grace_period() -> None:
    async def script(k: Kernel) -> None:
        objects = [await k.kmalloc(64) for _ in range(5)]
        k.machine.pages.inject_failures(True)
        await burst(k, objects[:4])
        await k.kvfree_rcu(objects[4])
        await k.msleep(100)

    async def rig(k: Kernel) -> None:
        # The slab gets its page before the failures begin.
        k.machine.pages.inject_failures(False)
        await script(k)

    result, _ = watched(rig, fail_page_alloc="100")
    assert result.clean
    assert (result.counters["list_freed"], result.counters["inline_freed"]) == (4, 1)
    assert result.counters["refill_pages"] == 0
    assert result.counters["refills_asked"] >= 2


def test_pages_that_came_back_meanwhile_are_refused_and_given_back() -> None:
    """Commit 60888b77a06e "Make fill page cache start from krcp->nr_bkv_objs".

    v5.11 starts from zero, so the last page is in vain.
    """

    async def script(k: Kernel) -> None:
        krcp = k.machine.kvfree.krc(0)
        await k.cold_caches()
        k.preempt_disable()
        await k.kvfree_rcu(await k.kmalloc(64), "rcu")
        await k.udelay(100)
        # While the worker waits for the CPU, a drained batch fills the cache.
        for _ in range(3):
            krcp.cache.append(await k.machine.pages.get_free_page(k.machine.current, GFP_NOWAIT))
        await k.preempt_enable()
        await k.msleep(1)
        assert k.cached_pages() == 5

    result, _ = watched(script)
    assert result.clean
    assert result.counters["refill_pages"] == 2
    assert result.counters["refill_pages_refused"] == 1


def test_each_miss_after_a_refill_asks_again() -> None:
    async def script(k: Kernel) -> None:
        objects = [await k.kmalloc(64) for _ in range(510 * 2 + 2)]
        await k.cold_caches()
        await burst(k, objects[:1])
        await k.msleep(1)
        await burst(k, objects[1:])
        await k.msleep(1)

    result, _ = watched(script, rcu_min_cached_objs="2")
    assert result.clean
    assert result.counters["cache_hits"] == 2
    assert result.counters["refills_asked"] == result.counters["refills_done"] == 2
    assert result.counters["fallbacks_list"] == 2


def test_slab_and_vmalloc_channels_each_need_a_block() -> None:
    async def script(k: Kernel) -> None:
        slab, area = await k.kmalloc(64), await k.vmalloc(64)
        await k.kvfree_rcu(await k.kmalloc(64), "rcu")
        await k.msleep(1)
        await burst(k, [slab, area])
        krcp = k.machine.kvfree.krc(0)
        assert [len(chain[0].records) for chain in krcp.blocks] == [1, 1]

    result, _ = watched(script)
    assert result.clean
    found = result.counters
    assert (found["bulk_objects"], found["vmalloc_freed"], found["list_freed"], found["cache_hits"]) == (1, 1, 1, 2)
