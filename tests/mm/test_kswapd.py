"""Waking kswapd: when it happens, and the lock that it takes (rcuactors/mm/kswapd.py, kernel/wait.py)."""

from __future__ import annotations

import pytest

from rcuactors import GFP_ATOMIC, GFP_KERNEL, GFP_NOWAIT, GFP_NOWARN, Gfp, Kernel, RunOptions, run, scenario
from rcuactors.mm.kswapd import MAX_RECLAIM_RETRIES
from rcuactors.runs.result import Result

KERNELS = ["v5.9", "v5.11", "v6.1-stable"]
PROVE = {"PROVE_RAW_LOCK_NESTING": "y"}
RT = {"PREEMPT_RT": "y", "PROVE_RAW_LOCK_NESTING": "y", "DEBUG_ATOMIC_SLEEP": "y"}
NOWAIT = GFP_NOWAIT | GFP_NOWARN


async def make_low(k: Kernel) -> None:
    """The zone between its min and its low watermark, without kswapd, and pages in this CPU's list."""
    zone = k.machine.pages.zone
    page = await k.get_free_page()
    zone.set_aside(zone.free - zone.watermark_low)
    await k.free_page(page)
    assert k.pcp_count()
    assert zone.watermark_min < zone.free <= zone.watermark_low


def ask(kernel: str, settings: dict[str, str], gfp: Gfp, lock: str, *, low: bool = True, woken: bool = False) -> Result:
    """One page under a lock, from a list that has some."""

    async def script(k: Kernel) -> None:
        pages: list[int | None] = [await k.get_free_page()]
        if low:
            await make_low(k)
        raw, spin = k.raw_spinlock("raw"), k.spinlock("spin")
        k.preempt_disable()
        if woken:
            pages.append(await k.get_free_page(NOWAIT))
        if lock == "raw":
            await k.raw_spin_lock(raw)
        elif lock == "spin":
            await k.preempt_enable()
            await k.spin_lock(spin)
        assert k.pcp_count()
        pages.append(await k.get_free_page(gfp))
        assert pages[-1] is not None
        if lock == "raw":
            await k.raw_spin_unlock(raw)
        elif lock == "spin":
            await k.spin_unlock(spin)
            k.preempt_disable()
        await k.preempt_enable()
        for page in pages:
            await k.free_page(page)

    return run(scenario()(script), RunOptions(kernel=kernel), **settings, mem="64M", nr_cpus="1")


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("gfp", [NOWAIT, GFP_ATOMIC])
def test_under_a_raw_lock_the_wait_queues_spinlock_is_an_invalid_wait_context(kernel: str, gfp: Gfp) -> None:
    """A3-low-pcp.txt of the recordings: the zone is low, the page list is not empty."""
    result = ask(kernel, PROVE, gfp, "raw")
    assert result.outcome() == "invalid-wait-context"
    text = result.violations[0].text
    assert "(&pgdat->kswapd_wait){....}-{3:3}, at: __wake_up_common_lock" in text
    trace = result.violations[0].trace
    names = ("__wake_up_common_lock", "__wake_up", "wakeup_kswapd", "wake_all_kswapds", "alloc_pages_slowpath")
    first = trace.index("__wake_up_common_lock")
    assert trace[first : first + 5] == names


@pytest.mark.parametrize("kernel", KERNELS)
def test_on_preempt_rt_a_sleeping_function_follows(kernel: str) -> None:
    result = ask(kernel, RT, NOWAIT, "raw")
    about = [violation for violation in result.violations if "__wake_up_common_lock" in violation.trace]
    assert {violation.kind.value for violation in about} == {"invalid-wait-context", "sleeping-function"}
    (report,) = (violation for violation in about if violation.kind.value == "invalid-wait-context")
    assert "(&pgdat->kswapd_wait){+.+.}-{3:3}" in report.text


@pytest.mark.parametrize("settings", [PROVE, RT])
@pytest.mark.parametrize("lock", ["spin"])
def test_under_a_spinlock_it_is_clean(settings: dict[str, str], lock: str) -> None:
    result = ask("v6.1-stable", settings, NOWAIT, lock)
    assert result.clean
    assert result.counters["kswapd_wakeups"] == 1


def test_without_the_reclaim_bit_nobody_is_woken() -> None:
    result = ask("v6.1-stable", PROVE, GFP_NOWARN, "raw")
    assert result.clean
    assert result.counters["kswapd_wakeups"] == 0


def test_a_zone_that_is_not_low_wakes_nobody() -> None:
    result = ask("v6.1-stable", PROVE, NOWAIT, "raw", low=False)
    assert result.clean
    assert result.counters["kswapd_wakeups"] == 0


def test_one_that_is_awake_is_not_woken_and_its_lock_not_taken() -> None:
    """waitqueue_active(): who woke it has taken it out of the queue, though it has not run yet."""
    result = ask("v6.1-stable", PROVE, NOWAIT, "raw", woken=True)
    assert result.clean
    assert result.counters["kswapd_wakeups"] == 1


def test_after_sixteen_rounds_for_nothing_the_node_is_hopeless_until_something_comes_back() -> None:
    async def script(k: Kernel) -> None:
        reclaim = k.machine.pages.reclaim
        pages = [await k.machine.pages.get_free_page(k.machine.current, GFP_KERNEL) for _ in range(200)]
        await make_low(k)
        pages.append(await k.get_free_page(NOWAIT))
        await k.msleep(1)
        assert (reclaim.kswapd.failures, reclaim.kswapd.wakeups) == (MAX_RECLAIM_RETRIES, 1)
        pages.append(await k.get_free_page(NOWAIT))
        assert reclaim.kswapd.wakeups == 1
        k.machine.pages.reclaim.user.file_pages.extend(pages[:200])
        del pages[:200]
        assert await reclaim.try_to_free_pages(k.machine.current, GFP_KERNEL)
        assert reclaim.kswapd.failures == 0
        for page in pages:
            await k.free_page(page)

    assert run(scenario()(script), RunOptions(kernel="v6.1-stable"), mem="64M", nr_cpus="1").clean


def test_kswapd_goes_on_until_the_high_watermark() -> None:
    async def script(k: Kernel) -> None:
        zone, reclaim = k.machine.pages.zone, k.machine.pages.reclaim
        take = k.machine.pages.get_free_page
        reclaim.user.file_pages.extend([await take(k.machine.current, GFP_KERNEL) for _ in range(400)])
        await make_low(k)
        page = await k.get_free_page(NOWAIT)
        await k.msleep(1)
        assert zone.free > zone.watermark_high
        assert not zone.flags.reclaim_active
        await k.free_page(page)
        while reclaim.user.file_pages:
            await k.free_page(reclaim.user.file_pages.popleft())

    assert run(scenario()(script), RunOptions(kernel="v6.1-stable"), mem="64M", nr_cpus="1").clean
