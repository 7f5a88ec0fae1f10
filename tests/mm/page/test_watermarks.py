"""How deep a request may dig, by version (rcuactors/mm/page/watermarks.py)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from rcuactors import GFP_ATOMIC, GFP_KERNEL, GFP_NOWAIT, Gfp, Kernel, RunOptions, run, scenario
from rcuactors.kernel.thread import Urgency
from rcuactors.mm.page.watermarks import alloc_harder, alloc_harder_in_task, alloc_reserves, no_watermarks

CASES = [
    # gfp, real-time task: v5.9's mark of 1000, v6.1-stable's
    (GFP_KERNEL, False, 1000, 1000),
    (GFP_NOWAIT, False, 1000, 1000),
    (Gfp(0), False, 1000, 1000),
    (GFP_ATOMIC, False, 375, 375),
    (GFP_ATOMIC | Gfp.NOMEMALLOC, False, 500, 500),
    (Gfp.HIGH, False, 500, 375),
    (Gfp.HIGH | GFP_KERNEL, False, 500, 500),
    (Gfp.ATOMIC | Gfp.KSWAPD_RECLAIM, False, 750, 1000),
    (GFP_KERNEL, True, 750, 500),
    (GFP_NOWAIT, True, 750, 1000),
    (GFP_ATOMIC, True, 375, 375),
    (GFP_ATOMIC | Gfp.NOMEMALLOC, True, 500, 500),
]


@pytest.mark.parametrize(("gfp", "realtime", "old", "new"), CASES)
def test_of_a_task(gfp: Gfp, realtime: bool, old: int, new: int) -> None:
    async def body(k: Kernel) -> None:
        thread = k.machine.current
        thread.urgency = Urgency.REALTIME if realtime else Urgency.NORMAL
        assert (alloc_harder(thread, gfp, 1000), alloc_reserves(thread, gfp, 1000)) == (old, new)
        assert alloc_harder_in_task(thread, gfp, 1000) == old

    assert run(scenario()(body)).clean


@pytest.mark.parametrize(
    ("context", "old", "v6_1_0", "new"),
    [("process", 750, 750, 500), ("bh_disable", 1000, 750, 500), ("hardirq", 1000, 1000, 1000)],
)
def test_a_real_time_task_counts_outside_of_interrupts(
    context: str,
    old: int,
    v6_1_0: int,
    new: int,
    run_in: Callable[[Kernel, str, Callable[[], Awaitable[None]]], Awaitable[None]],
) -> None:
    """v5.9 says !in_interrupt(), which bottom halves off are too; v6.1 says in_task()."""

    async def script(k: Kernel) -> None:
        async def look() -> None:
            thread = k.machine.current
            before, thread.urgency = thread.urgency, Urgency.REALTIME
            rules = (alloc_harder, alloc_harder_in_task, alloc_reserves)
            assert [rule(thread, GFP_KERNEL, 1000) for rule in rules] == [old, v6_1_0, new]
            thread.urgency = before

        await run_in(k, context, look)

    assert run(scenario()(script)).clean


@pytest.mark.parametrize(
    ("context", "ignores"),
    [("process", True), ("irq_disable", True), ("bh_disable", False), ("hardirq", False), ("softirq_tasklet", False)],
)
def test_pf_memalloc_counts_in_the_tasks_own_context(
    context: str, ignores: bool, run_in: Callable[[Kernel, str, Callable[[], Awaitable[None]]], Awaitable[None]]
) -> None:
    async def script(k: Kernel) -> None:
        async def look() -> None:
            thread = k.machine.current
            assert no_watermarks(thread, GFP_NOWAIT, memalloc=True) is ignores
            assert not no_watermarks(thread, GFP_NOWAIT | Gfp.NOMEMALLOC, memalloc=True)
            assert no_watermarks(thread, GFP_NOWAIT | Gfp.MEMALLOC, memalloc=False)
            assert not no_watermarks(thread, GFP_NOWAIT, memalloc=False)

        await run_in(k, context, look)

    assert run(scenario()(script)).clean


@pytest.mark.parametrize("kernel", ["v5.9", "v6.1-stable"])
def test_an_interrupt_of_a_reclaimer_gets_no_page_below_the_watermarks(kernel: str) -> None:
    """PF_MEMALLOC is the interrupted task's: a hardirq handler's request stops where anybody's does."""

    async def script(k: Kernel) -> None:
        zone, reclaim = k.machine.pages.zone, k.machine.pages.reclaim
        hog = zone.free - zone.watermark_min
        zone.set_aside(hog)
        got: list[int | None] = []

        async def handler() -> None:
            got.append(await k.machine.pages.get_free_page(k.machine.current, GFP_NOWAIT | Gfp.NOWARN))

        async def shrink(_thread: object) -> int:
            await k.raise_irq(handler, line="eth0")
            got.append(await k.machine.pages.get_free_page(k.machine.current, GFP_NOWAIT | Gfp.NOWARN))
            return 0

        async def scan(_thread: object, _nr: int) -> None:
            return None

        await k.drain_local_pages()
        zone.set_aside(zone.free - zone.watermark_min)
        reclaim.shrinkers.registered.append(type(reclaim.shrinkers.registered[0])("probe", shrink, scan))
        await reclaim.try_to_free_pages(k.machine.current)
        handlers, own = got[::2], got[1::2]
        assert set(handlers) == {None}
        assert None not in own
        for page in own:
            await k.free_page(page)

    assert run(scenario()(script), RunOptions(kernel=kernel), mem="64M", nr_cpus="1").clean
