"""alloc_pages_nolock() and free_pages_nolock() of v6.15 and later (rcuactors/mm/page/lockless.py, pcplist.py)."""

from __future__ import annotations

import pytest

from rcuactors import BadInput, Kernel, RunOptions, run, scenario
from rcuactors.mm.gfp import Gfp

NEW = ["v6.18", "v7.3"]
PROVE = {"PROVE_RAW_LOCK_NESTING": "y", "DEBUG_ATOMIC_SLEEP": "y"}


@pytest.mark.parametrize("kernel", ["v5.11", "v6.1-stable", "v6.12"])
def test_older_versions_do_not_have_it(kernel: str) -> None:
    async def script(k: Kernel) -> None:
        with pytest.raises(BadInput, match=f"{kernel} has no such function; it came with v6.15"):
            await k.alloc_pages_nolock()
        with pytest.raises(BadInput, match="free_pages_nolock"):
            await k.free_pages_nolock(1)

    assert run(scenario()(script), RunOptions(kernel=kernel)).clean


@pytest.mark.parametrize("rt", ["n", "y"])
@pytest.mark.parametrize("kernel", NEW)
@pytest.mark.parametrize("context", ["process", "raw_spin_irqsave", "irq_disable", "hardirq", "nmi"])
def test_legal_everywhere(run_in, kernel: str, context: str, rt: str) -> None:
    """On PREEMPT_RT an NMI and a hardirq get none, and what they free waits for whoever next frees with the lock."""
    got: list[int | None] = []

    async def script(k: Kernel) -> None:
        async def action() -> None:
            page = await k.alloc_pages_nolock()
            got.append(page)
            await k.free_pages_nolock(page)

        await (k.raise_nmi(action) if context == "nmi" else run_in(k, context, action))
        await k.udelay(100)

    result = run(scenario()(script), RunOptions(kernel=kernel), **PROVE, PREEMPT_RT=rt)
    assert result.clean
    assert len(got) == 1
    assert (got[0] is None) is (rt == "y" and context in ("hardirq", "nmi"))


@pytest.mark.parametrize("kernel", NEW)
def test_nothing_is_waited_for(kernel: str) -> None:
    """With zone->lock held by its own CPU: no page from an empty list, and a page that is freed goes to the list."""

    async def script(k: Kernel) -> None:
        zone = k.machine.pages.zone
        await k.drain_local_pages()
        page = await k.alloc_pages_nolock()
        assert page is not None
        await k.drain_local_pages()
        flags = await k.zone_lock_irqsave()
        assert await k.alloc_pages_nolock() is None
        await k.free_pages_nolock(page)
        assert k.pcp_count() == 1
        again = await k.alloc_pages_nolock()
        assert again == page
        await k.zone_unlock_irqrestore(flags)
        await k.free_pages_nolock(again)
        assert zone.statistics().in_use == 0

    assert run(scenario()(script), RunOptions(kernel=kernel)).clean


def test_a_page_for_which_neither_lock_can_be_had_waits_for_the_next_that_is_freed() -> None:
    """zone->trylock_free_pages (mm/page_alloc.c, free_one_page())."""

    async def script(k: Kernel) -> None:
        zone, locks = k.machine.pages.zone, k.machine.system.locks
        first, second = await k.get_free_page(), await k.get_free_page()
        own = zone.list_of(k.machine.this_cpu)
        assert own.lock is not None
        await locks.spin_lock(k.machine.current, own.lock)
        flags = await k.zone_lock_irqsave()
        free, listed = zone.free, zone.statistics().listed
        await k.free_pages_nolock(first)
        assert (zone.free, zone.statistics().listed) == (free, listed + 1)
        await k.zone_unlock_irqrestore(flags)
        # The list is busy still: this one goes to the zone, and takes the other along.
        await k.free_page(second)
        assert (zone.free, zone.statistics().listed) == (free + 2, listed)
        await locks.spin_unlock(k.machine.this_cpu, own.lock)

    assert run(scenario()(script), RunOptions(kernel="v7.3")).clean


def test_it_stays_above_the_min_watermark() -> None:
    """ALLOC_TRYLOCK alone: WMARK_MIN, and nobody's reserves."""

    async def script(k: Kernel) -> None:
        zone, kept = k.machine.pages.zone, []
        while (page := await k.alloc_pages_nolock()) is not None:
            kept.append(page)
        assert zone.free <= zone.watermark_min
        more = await k.get_free_page(Gfp.HIGH | Gfp.NOWARN)
        assert more is not None
        for pfn in [*kept, more]:
            await k.free_page(pfn)

    assert run(scenario()(script), RunOptions(kernel="v6.18"), mem="16M").clean


@pytest.mark.parametrize(
    ("kernel", "allocates"), [("v6.1-stable", True), ("v6.12", True), ("v6.18", False), ("v7.3", False)]
)
def test_page_owner_allocates_nothing_when_a_page_is_freed(kernel: str, allocates: bool) -> None:
    """Since v6.15 it saves that stack without a reclaim bit, so that the depot must not spin (mm/page_owner.c)."""

    async def script(k: Kernel) -> None:
        (owner,) = k.machine.pages.hooks
        page = await k.get_free_page()
        before = owner.allocations  # type: ignore[attr-defined]
        await k.free_page(page)
        assert (owner.allocations > before) is allocates  # type: ignore[attr-defined]

    run(scenario()(script), RunOptions(kernel=kernel), page_owner="y")
