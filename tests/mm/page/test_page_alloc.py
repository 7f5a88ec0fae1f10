"""From a request to a page, or to none: watermarks, reclaim, the OOM killer, injected failures.

Of rcuactors/mm/page_alloc.py and reclaim.py.
"""

from __future__ import annotations

import pytest

from rcuactors import GFP_ATOMIC, GFP_KERNEL, GFP_NOWAIT, Gfp, Kernel, Run, RunOptions, ViolationKind, run, scenario
from rcuactors.engine.choice import Strategy
from rcuactors.mm.gfp import GFP_NOWARN

NORETRY = GFP_KERNEL | Gfp.NORETRY | GFP_NOWARN
NOWAIT = GFP_NOWAIT | GFP_NOWARN
ATOMIC = GFP_ATOMIC | GFP_NOWARN


async def exhaust(k: Kernel, gfp: Gfp) -> list[int]:
    """Take pages until there is none for this request."""
    pages: list[int] = []
    while (pfn := await k.get_free_page(gfp)) is not None:
        pages.append(pfn)
    return pages


async def give_back(k: Kernel, pages: list[int]) -> None:
    for pfn in pages:
        await k.free_page(pfn)


def counters(script, **settings: str) -> dict[str, int]:
    result = run(scenario()(script), RunOptions(kernel="v5.11", settings={"mem": "16M", **settings}))
    assert result.clean
    return result.counters


def test_nowait_stops_at_the_min_watermark_without_reclaim() -> None:
    async def script(k: Kernel) -> None:
        await k.read_file(100)
        pages = await exhaust(k, NOWAIT)
        zone = k.machine.pages.zone
        assert zone.watermark_min - zone.batch <= zone.free <= zone.watermark_min
        await give_back(k, pages)

    # kswapd has been woken; it is what took the page cache back meanwhile.
    found = counters(script)
    assert found["direct_reclaims"] == found["oom_kills"] == 0
    assert found["kswapd_wakeups"] > 0
    assert found["page_allocations_failed"] == 1


def test_atomic_digs_deeper_than_nowait() -> None:
    got: dict[str, int] = {}

    async def script(k: Kernel) -> None:
        k.preempt_disable()  # keeps kswapd out
        pages = await exhaust(k, NOWAIT)
        zone = k.machine.pages.zone
        more = await exhaust(k, ATOMIC)
        mark = zone.watermark_min - zone.watermark_min // 2
        assert zone.free <= mark - mark // 4
        got["nowait"], got["atomic"] = len(pages), len(more)
        await give_back(k, pages + more)
        await k.preempt_enable()

    assert counters(script)["oom_kills"] == 0
    assert got["atomic"] >= 70


def test_no_reclaim_bits_do_not_even_wake_kswapd() -> None:
    async def script(k: Kernel) -> None:
        await give_back(k, await exhaust(k, GFP_NOWARN))

    found = counters(script)
    assert found["kswapd_wakeups"] == found["direct_reclaims"] == 0


def test_kernel_allocations_reclaim_page_cache() -> None:
    async def script(k: Kernel) -> None:
        zone = k.machine.pages.zone
        await k.read_file(zone.free - zone.watermark_low)
        pages = [await k.get_free_page() for _ in range(200)]
        assert None not in pages
        await give_back(k, pages)

    found = counters(script)
    assert found["kswapd_wakeups"] > 0
    assert found["oom_kills"] == found["page_allocations_failed"] == 0


def test_direct_reclaim_where_kswapd_cannot_keep_up() -> None:
    async def script(k: Kernel) -> None:
        zone = k.machine.pages.zone
        await k.read_file(1000)
        pages: list[int] = []

        async def allocate() -> None:
            for _ in range(50):
                pfn = await k.get_free_page()
                assert pfn is not None
                pages.append(pfn)

        # kswapd lives on CPU 0, which is kept from it.
        k.preempt_disable()
        pages = await exhaust(k, NOWAIT)
        task = await k.kthread_run(allocate, cpu=1)
        await k.udelay(20_000)
        await k.preempt_enable()
        await k.kthread_join(task)
        assert zone.managed > len(pages)
        await give_back(k, pages)

    found = counters(script)
    assert found["direct_reclaims"] > 0
    assert found["oom_kills"] == 0


def test_noretry_never_kills() -> None:
    async def script(k: Kernel) -> None:
        assert await k.user_process("hog", 500) == 500
        pages = await exhaust(k, NORETRY)
        await give_back(k, pages)
        await k.user_exit("hog")

    found = counters(script)
    assert found["oom_kills"] == 0
    assert found["direct_reclaims"] == 1


def test_the_oom_killer_takes_the_largest_process() -> None:
    async def script(k: Kernel) -> None:
        await k.user_process("small", 100)
        await k.user_process("large", 900)
        await k.user_process("middle", 400)
        pages = []
        while k.machine.pages.reclaim.oom_kills == 0:
            pages.append(await k.get_free_page(GFP_KERNEL | GFP_NOWARN))
        assert None not in pages
        assert [process.name for process in k.machine.pages.reclaim.user.processes] == ["small", "middle"]
        await give_back(k, pages)

    result = run(scenario()(script), mem="16M")
    assert result.outcome() == "out-of-memory"
    (violation,) = result.violations
    assert "invoked oom-killer: gfp_mask=0x2cc0(GFP_KERNEL|__GFP_NOWARN), order=0, oom_score_adj=0" in violation.text
    assert "Out of memory: Killed process large" in violation.text


def test_with_nobody_to_kill_the_allocation_fails_and_the_run_goes_on() -> None:
    async def script(k: Kernel) -> None:
        pages = await exhaust(k, GFP_KERNEL)
        await give_back(k, pages)
        pfn = await k.get_free_page()
        assert pfn is not None
        await k.free_page(pfn)

    result = run(scenario()(script), mem="16M")
    assert result.outcome() == "out-of-memory"
    assert "no killable processes" in result.violations[0].text
    assert result.counters["oom_kills"] == 0


def test_a_process_that_asks_for_more_than_there_is_is_killed_itself() -> None:
    async def script(k: Kernel) -> None:
        zone = k.machine.pages.zone
        before = len(zone.in_use)
        assert await k.user_process("hog", 10 * zone.managed) == 0
        assert len(zone.in_use) == before

    result = run(scenario()(script), mem="16M")
    assert [violation.kind for violation in result.violations] == [ViolationKind.OUT_OF_MEMORY]
    assert result.counters["oom_kills"] == 1


def test_two_reclaimers_share_the_last_of_the_page_cache() -> None:
    """kswapd and direct reclaim, and two direct reclaims, take from one list."""

    async def script(k: Kernel) -> None:
        async def allocate() -> None:
            pages = await exhaust(k, NORETRY)
            await give_back(k, pages)

        await k.read_file(200)
        async with k.open_nursery() as nursery:
            for cpu in (0, 1, 2, 3):
                await nursery.start_soon(allocate, cpu=cpu)

    for seed in range(4):
        assert run(scenario()(script), RunOptions(seed=seed, events=False), mem="4M", nr_cpus="4").clean


def test_reclaim_calls_the_shrinker_of_kvfree_rcu() -> None:
    async def script(k: Kernel) -> None:
        krcp = k.machine.kvfree.krc(0)
        for _ in range(400):
            await k.kvfree_rcu(await k.kmalloc(64), "rcu")
        assert k.machine.kvfree.arming.of(krcp).monitor_todo
        assert krcp.count == 400
        await k.machine.pages.reclaim.try_to_free_pages(k.machine.current)
        # The batch was started now, and not after the drain delay.
        assert not k.machine.kvfree.arming.of(krcp).monitor_todo
        assert krcp.count == 0
        assert any(batch.rcu_work.work.pending for batch in krcp.batches)

    found = counters(script)
    assert found["bulk_objects"] + found["list_freed"] == 400


@pytest.mark.parametrize("percent", ["0", "30", "100"])
def test_injected_failures(percent: str) -> None:
    async def script(k: Kernel) -> None:
        pages = [await k.get_free_page() for _ in range(200)]
        failed.append([pfn is None for pfn in pages])
        for pfn in pages:
            await k.free_page(pfn)

    failed: list[list[bool]] = []
    for seed in (1, 1, 2):
        result = run(scenario()(script), RunOptions(seed=seed), fail_page_alloc=percent)
        assert result.clean
        assert result.counters["page_failures_injected"] == sum(failed[-1])
    assert failed[0] == failed[1]
    share = sum(failed[0]) / 200
    if percent == "30":
        assert 0.2 < share < 0.4
        assert failed[0] != failed[2]
    else:
        assert share == int(percent) / 100


def test_every_allocation_fails_at_100_percent_whatever_the_strategy_says() -> None:
    async def script(k: Kernel) -> None:
        assert await k.get_free_page() is None

    assert run(scenario()(script), RunOptions(strategy=Strategy()), fail_page_alloc="100").clean


def test_a_page_of_zeroes_costs_more() -> None:
    async def script(k: Kernel) -> None:
        await k.free_page(await k.get_free_page())
        began = k.now
        await k.free_page(await k.get_free_page())
        plain = k.now - began
        began = k.now
        await k.free_page(await k.get_free_page(GFP_KERNEL | Gfp.ZERO))
        assert k.now - began == plain + k.machine.system.costs.page_zero_ns

    assert run(scenario()(script)).clean


def test_gfp_kernel_in_atomic_context_is_reported() -> None:
    async def script(k: Kernel) -> None:
        k.preempt_disable()
        await k.free_page(await k.get_free_page(GFP_KERNEL))
        await k.preempt_enable()

    assert run(scenario()(script), DEBUG_ATOMIC_SLEEP="y").outcome() == "sleeping-function"


def test_kswapd_is_woken_and_sleeps_again() -> None:
    async def script(k: Kernel) -> None:
        zone = k.machine.pages.zone
        await k.read_file(zone.free - zone.watermark_low)
        await k.free_page(await k.get_free_page(GFP_NOWAIT))
        await k.msleep(20)
        assert zone.free >= zone.watermark_high

    one = Run(scenario()(script), RunOptions(settings={"mem": "16M"}))
    assert one.run().clean
    kswapd = next(thread for thread in one.machine.system.threads if thread.comm == "kswapd0")
    assert kswapd.state.value == "sleeping"
