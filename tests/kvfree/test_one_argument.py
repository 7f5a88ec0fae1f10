"""The one-argument form of v6.1, which gets its pages itself (rcuactors/kvfree/core.py)."""

from __future__ import annotations

import pytest

from rcuactors import GFP_NOWAIT, Kernel, RunOptions, run, scenario
from rcuactors.engine.events import Event, ListSink
from rcuactors.kvfree.krc import Krc
from rcuactors.runs.result import Result
from tests.one_argument import one_argument

V6_1 = RunOptions(kernel="v6.1-stable")


def watched(script, **settings: str) -> tuple[Result, list[Event]]:
    sink = ListSink()
    options = RunOptions(kernel="v6.1-stable", sinks=(sink,), settings=settings)
    return run(scenario()(script), options), sink.events


def krc(k: Kernel) -> Krc:
    return k.machine.kvfree.krc(0)


@pytest.mark.parametrize("cached", ["0", "5"])
def test_a_one_argument_caller_gets_its_page_itself(cached: str) -> None:
    """Recorded: it never falls back, not even with rcu_min_cached_objs=0."""

    async def script(k: Kernel) -> None:
        objects = [await k.kmalloc(64) for _ in range(600)]
        await k.cold_caches()
        for p in objects:
            await one_argument(k, p)

    result, events = watched(script, rcu_min_cached_objs=cached)
    assert result.clean
    found = result.counters
    assert (found["fallbacks_synchronize"], found["fallbacks_list"], found["refills_asked"]) == (0, 0, 0)
    assert found["caller_pages"] == 2
    assert found["bulk_sizes_in_order"] == [90, 510]
    assert any("__GFP_NORETRY|__GFP_NOMEMALLOC" in event.text for event in events if event.name == "mm_page_alloc")


def test_without_a_page_it_waits_for_a_grace_period_and_asks_for_a_refill() -> None:
    async def script(k: Kernel) -> None:
        k.machine.pages.inject_failures(False)
        p = await k.kmalloc(64)
        k.machine.pages.inject_failures(True)
        await one_argument(k, p)
        assert p.state == 2

    result, _ = watched(script, fail_page_alloc="100")
    assert result.clean
    found = result.counters
    assert (found["inline_freed"], found["caller_pages"], found["refills_asked"]) == (1, 0, 1)


def test_it_says_that_it_may_sleep_before_anything_else() -> None:
    """In an interrupt might_sleep() is the first report, the page allocator's lockdep map the second (recorded)."""

    async def script(k: Kernel) -> None:
        p = await k.kmalloc(64)

        async def handler() -> None:
            await one_argument(k, p)

        await k.raise_irq(handler)

    result = run(scenario()(script), V6_1, DEBUG_ATOMIC_SLEEP="y")
    assert [violation.kind.value for violation in result.violations] == ["sleeping-function", "inconsistent-lock-state"]


def test_309a43165077_the_new_block_is_pushed_whatever_has_come_meanwhile() -> None:
    """B2's mechanism: the lock is dropped to allocate, and what is locked afterwards is looked at no more.

    An interrupt has begun a block in the meantime; the caller's page goes in front of it, with one object each.
    """

    async def script(k: Kernel) -> None:
        pages = k.machine.pages
        get = pages.get_free_page
        p, q = await k.kmalloc(64), await k.kmalloc(64)
        await k.cold_caches()

        async def handler() -> None:
            krc(k).cache.append(await get(k.machine.current, GFP_NOWAIT))
            await k.kvfree_rcu(q, "rcu")

        async def get_free_page(*request) -> int | None:
            assert krc(k).lock.owner is None
            await k.raise_irq(handler)
            await k.udelay(10)
            return await get(*request)

        pages.get_free_page = get_free_page  # type: ignore[method-assign]
        await one_argument(k, p)
        assert [block.records for block in krc(k).blocks[0]] == [[q], [p]]

    result, _ = watched(script)
    assert result.clean
    assert result.counters["bulk_sizes_in_order"] == [1, 1]
