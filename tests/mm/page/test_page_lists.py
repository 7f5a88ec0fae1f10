"""What guards the CPUs' page lists in v5.9 and in v6.1 (rcuactors/mm/page/page_lists.py, pcplist.py)."""

from __future__ import annotations

import random

import pytest

from rcuactors import GFP_ATOMIC, GFP_KERNEL, GFP_NOWAIT, Gfp, Kernel, RunOptions, run, scenario
from rcuactors.context.lockdep.usage import get_usage_chars
from rcuactors.context.locks import Lock

V6_1 = RunOptions(kernel="v6.1-stable")
PROVE = {"PROVE_RAW_LOCK_NESTING": "y"}


def list_lock(k: Kernel) -> Lock:
    lock = k.machine.pages.zone.list_of(k.machine.this_cpu).lock
    assert lock is not None
    return lock


# -- sizes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kernel", "mem", "kept"), [("v5.9", "16M", 0), ("v5.11", "16M", 0), ("v5.9", "32M", 1), ("v6.1-stable", "16M", 1)]
)
def test_below_32_mb_a_freed_page_goes_straight_back_before_v6_1(kernel: str, mem: str, kept: int) -> None:
    async def script(k: Kernel) -> None:
        await k.drain_local_pages()
        page = await k.get_free_page()
        free = k.nr_free_pages()
        await k.free_page(page)
        assert (k.pcp_count(), k.nr_free_pages() - free) == (kept, 1 - kept)

    assert run(scenario()(script), RunOptions(kernel=kernel), mem=mem).clean


def test_a_refill_is_a_batch_as_on_the_recorded_kernel() -> None:
    """Of 256 MiB: 3,000 pages take 200 calls of rmqueue_bulk()."""

    async def script(k: Kernel) -> None:
        await k.drain_local_pages()
        assert k.pcp_count() == 0
        before = k.machine.pages.zone.refills
        pages = [await k.get_free_page(GFP_NOWAIT) for _ in range(3000)]
        assert k.machine.pages.zone.refills - before == 200
        await k.free_page(pages.pop())
        assert k.pcp_count() == 1
        for pfn in pages:
            await k.free_page(pfn)

    assert run(scenario()(script), V6_1, mem="256M").clean


# -- the lock ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gfp", [GFP_NOWAIT, GFP_ATOMIC, Gfp(0)])
@pytest.mark.parametrize("context", ["raw_spin_irqsave", "hardirq"])
@pytest.mark.parametrize("what", ["first", "refill", "free", "free many"])
def test_the_zones_lock_is_reported_once_it_is_really_taken(run_in, context: str, gfp: Gfp, what: str) -> None:
    """Recorded: the first page from a filled list is silent, and so is a first page to a list with room."""

    async def script(k: Kernel) -> None:
        await k.free_page(await k.get_free_page(gfp))
        kept = [await k.get_free_page(gfp) for _ in range(700)] if what.startswith("free") else []

        async def action() -> None:
            if what == "first":
                kept.append(await k.get_free_page(gfp))
            elif what == "refill":
                kept.extend([await k.get_free_page(gfp) for _ in range(100)])
            else:
                for _ in range(1 if what == "free" else len(kept)):
                    await k.free_page(kept.pop())

        await run_in(k, context, action)
        for pfn in kept:
            await k.free_page(pfn)

    result = run(scenario()(script), V6_1, mem="256M", **PROVE)
    if what in ("first", "free"):
        assert result.clean
    else:
        assert result.outcome() == "invalid-wait-context"
        text = result.violations[0].text
        assert "(&zone->lock)" in text.partition("other info")[0]
        # The trylock is held by then, and is shown.
        assert "(&pcp->lock)" in text
    assert run(scenario()(script), V6_1, mem="256M").clean


def test_usage_bits_are_those_of_the_recorded_splats() -> None:
    """(&pcp->lock){+.+.}: taken with interrupts enabled, and never waited for in one. (&zone->lock){....}."""

    async def script(k: Kernel) -> None:
        pages: list = []

        async def allocate() -> None:
            pages.extend([await k.get_free_page(GFP_NOWAIT) for _ in range(100)])

        async def free() -> None:
            while pages:
                await k.free_page(pages.pop())

        for context in ("process", "hardirq"):
            await k.drain_local_pages()
            for action in (allocate, free):
                await (action() if context == "process" else k.raise_irq(action))
                await k.udelay(50)
        assert get_usage_chars(list_lock(k).lock_class.usage_mask) == "+.+."
        assert get_usage_chars(k.zone_lock().lock_class.usage_mask) == "-..."

    assert run(scenario()(script), V6_1).clean


def test_interrupts_stay_as_they_are_and_the_task_is_pinned() -> None:
    async def script(k: Kernel) -> None:
        lock, seen = list_lock(k), []
        locks = k.machine.system.locks
        trylock = locks.__class__.spin_trylock

        def spin_trylock(self, cpu, what) -> bool:
            if what is lock:
                seen.append((cpu.ctx.irqs_disabled, cpu.ctx.preempt_count, cpu.ctx.migrate_disabled))
            return trylock(self, cpu, what)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(locks.__class__, "spin_trylock", spin_trylock)
            await k.free_page(await k.get_free_page())
        assert seen == [(False, 0, 1) if locks.rt else (False, 1, 0)] * 2
        assert (k.preempt_count(), k.machine.this_cpu.ctx.migrate_disabled) == (0, 0)

    assert run(scenario()(script), V6_1).clean
    assert run(scenario()(script), V6_1, PREEMPT_RT="y").clean


@pytest.mark.parametrize(
    ("kernel", "off"), [("v6.1.0", True), ("v6.1-stable", False), ("v6.12", False), ("v7.3", False)]
)
@pytest.mark.parametrize("rt", ["n", "y"])
def test_only_v6_1_0_keeps_interrupts_off_while_it_has_the_list(kernel: str, off: bool, rt: str) -> None:
    """Commit 574907741599: pcp_spin_trylock_irqsave() becomes pcp_spin_trylock(). On RT neither touches them."""

    async def script(k: Kernel) -> None:
        zone, seen = k.machine.pages.zone, []
        bulk = zone.rmqueue_bulk

        async def rmqueue_bulk(cpu, pages, count, route) -> int:
            seen.append(cpu.ctx.irqs_disabled)
            return await bulk(cpu, pages, count, route)

        zone.rmqueue_bulk = rmqueue_bulk  # type: ignore[method-assign]
        await k.drain_local_pages()
        page = await k.get_free_page()
        assert seen == [off and rt == "n"]
        assert not k.machine.this_cpu.ctx.irqs_disabled
        await k.free_page(page)
        # A drain of another CPU has the lock: past it, and the flags are back.
        await k.machine.system.locks.spin_lock(k.machine.current, list_lock(k))
        await k.free_page(await k.get_free_page(GFP_NOWAIT))
        await k.machine.system.locks.spin_unlock(k.machine.this_cpu, list_lock(k))
        assert not k.machine.this_cpu.ctx.irqs_disabled

    assert run(scenario()(script), RunOptions(kernel=kernel), PREEMPT_RT=rt).clean


def test_an_interrupt_finds_the_list_busy_where_it_can_come(run_in) -> None:
    """v6.1.0 has interrupts off for the whole of it; from commit 574907741599 on the handler goes to the zone."""

    def passes(kernel: str) -> int:
        taken: list[int] = []

        async def script(k: Kernel) -> None:
            zone = k.machine.pages.zone
            buddy, bulk = zone.rmqueue_buddy, zone.rmqueue_bulk

            async def rmqueue_buddy(thread, route) -> int | None:
                taken.append(1)
                return await buddy(thread, route)

            async def handler() -> None:
                await k.free_page(await k.get_free_page(GFP_ATOMIC))

            async def rmqueue_bulk(cpu, pages, count, route) -> int:
                moved = await bulk(cpu, pages, count, route)
                await k.raise_irq(handler)
                return moved

            zone.rmqueue_buddy = rmqueue_buddy  # type: ignore[method-assign]
            zone.rmqueue_bulk = rmqueue_bulk  # type: ignore[method-assign]
            await k.drain_local_pages()
            await k.free_page(await k.get_free_page())

        assert run(scenario()(script), RunOptions(kernel=kernel)).clean
        return len(taken)

    assert (passes("v6.1.0"), passes("v6.1-stable"), passes("v6.12")) == (0, 1, 1)


@pytest.mark.parametrize("rt", ["n", "y"])
def test_a_busy_list_is_passed_by(rt: str) -> None:
    """An interrupt or a drain has the lock: the page comes from the zone, and goes there."""

    async def script(k: Kernel) -> None:
        zone = k.machine.pages.zone
        await k.free_page(await k.get_free_page())
        listed, free, refills = k.pcp_count(), zone.free, zone.refills
        await k.machine.system.locks.spin_lock(k.machine.current, list_lock(k))
        pfn = await k.get_free_page(GFP_NOWAIT)
        assert pfn is not None
        assert (k.pcp_count(), free - zone.free, zone.refills) == (listed, 1, refills)
        await k.free_page(pfn)
        assert (k.pcp_count(), zone.free) == (listed, free)
        await k.machine.system.locks.spin_unlock(k.machine.this_cpu, list_lock(k))

    assert run(scenario()(script), V6_1, PREEMPT_RT=rt).clean


def test_an_interrupt_in_the_middle_of_a_refill_gets_its_page_from_the_zone() -> None:
    got: list[int | None] = []

    async def script(k: Kernel) -> None:
        async def handler() -> None:
            got.append(await k.get_free_page(GFP_ATOMIC))

        await k.drain_local_pages()
        zone = k.machine.pages.zone
        bulk = zone.rmqueue_bulk

        async def rmqueue_bulk(cpu, pages, count, route) -> int:
            moved = await bulk(cpu, pages, count, route)
            await k.raise_irq(handler)
            return moved

        zone.rmqueue_bulk = rmqueue_bulk  # type: ignore[method-assign]
        got.append(await k.get_free_page())
        assert len(got) == len(set(got)) == 2
        assert k.pcp_count() == zone.batch - 1
        for pfn in got:
            await k.free_page(pfn)

    assert run(scenario()(script), V6_1).clean


@pytest.mark.parametrize(
    ("context", "outcome"),
    [
        ("preempt_disable", "scheduling-while-atomic"),
        ("raw_spin_irqsave", "scheduling-while-atomic"),
        ("process", "clean"),
    ],
)
def test_on_rt_a_contended_refill_sleeps(run_in, context: str, outcome: str) -> None:
    """Recorded: 5 of 5 tries under raw locks or with preemption off; never where only interrupts are off."""

    async def script(k: Kernel) -> None:
        async def holder() -> None:
            await k.spin_lock(k.zone_lock())
            await k.udelay(500)
            await k.spin_unlock(k.zone_lock())

        async def action() -> None:
            pages.append(await k.get_free_page(GFP_NOWAIT))

        pages: list[int | None] = []
        await k.drain_local_pages()
        await k.kthread_run(holder, cpu=1)
        await k.udelay(100)
        await run_in(k, context, action)
        while not pages:
            await k.msleep(1)
        await k.free_page(pages.pop())

    assert run(scenario()(script), V6_1, PREEMPT_RT="y").outcome() == outcome
    assert run(scenario()(script), V6_1).clean


@pytest.mark.parametrize("seed", range(6))
def test_interrupts_everywhere_lose_no_page(seed: int) -> None:
    """Threads and handlers on two CPUs allocate, free and drain, all in each other's way."""

    async def script(k: Kernel) -> None:
        zone = k.machine.pages.zone
        rng = random.Random(seed)
        held: set[int] = set()

        async def some(turns: int, gfp: Gfp) -> None:
            mine = []
            for _ in range(turns):
                pfn = await k.get_free_page(gfp)
                assert pfn is not None
                assert pfn not in held
                held.add(pfn)
                mine.append(pfn)
            for pfn in mine:
                held.discard(pfn)
                await k.free_page(pfn)

        async def handler() -> None:
            await some(30, GFP_ATOMIC)

        async def worker() -> None:
            for _ in range(15):
                await some(rng.randrange(1, 60), GFP_KERNEL)
                await k.raise_irq(handler, cpu=rng.randrange(2))
                if rng.random() < 0.3:
                    await k.drain_local_pages()

        async with k.open_nursery() as nursery:
            for cpu in (0, 1, 0, 1):
                await nursery.start_soon(worker, cpu=cpu)
        await k.msleep(1)
        assert not held
        figures = zone.statistics()
        assert figures.free + figures.listed + figures.in_use == figures.managed

    assert run(scenario()(script), RunOptions(kernel="v6.1-stable", seed=seed), mem="64M").clean
