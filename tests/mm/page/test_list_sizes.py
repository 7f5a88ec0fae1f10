"""How long a CPU's page list may get, and how many pages are moved, by version (rcuactors/mm/page/list_sizes.py)."""

from __future__ import annotations

import math

import pytest

from rcuactors import GFP_NOWAIT, Kernel, RunOptions, load_scenario, run, scenario
from rcuactors.explore import make_strategy
from rcuactors.mm.page.list_sizes import DoublingFrees, SixBatches, TunedHigh, ZoneFlags, ZoneSizes
from rcuactors.mm.page.page_lists import PageList, freed_type_first, types_in_turn


def sizes(batchsize: int = 15, low: int = 640, managed: int = 65536, cpus: int = 2) -> ZoneSizes:
    return ZoneSizes(batchsize=batchsize, batch=max(batchsize, 1), watermark_low=low, managed=managed, nr_cpus=cpus)


def tuned(flags: ZoneFlags | None = None) -> tuple[TunedHigh, PageList]:
    return TunedHigh(sizes(), flags or ZoneFlags()), PageList()


@pytest.mark.parametrize(
    ("batchsize", "low", "cpus", "old", "new"),
    [(15, 640, 2, 90, 320), (63, 1280, 2, 378, 640), (63, 1280, 64, 378, 252), (1, 40, 4, 6, 10), (0, 40, 4, 0, 10)],
)
def test_how_long_a_list_may_get(batchsize: int, low: int, cpus: int, old: int, new: int) -> None:
    of = sizes(batchsize, low, cpus=cpus)
    assert SixBatches(of, ZoneFlags()).high == old
    assert DoublingFrees(of, ZoneFlags()).high == new
    later = TunedHigh(of, ZoneFlags())
    assert (later.high, later.high_min, later.high_max) == (new, new, max(65536 // 8 // cpus, 4 * of.batch))


def test_v6_1_gives_back_twice_as_much_each_time_while_a_cpu_only_frees() -> None:
    guard, pages = DoublingFrees(sizes(), ZoneFlags()), PageList()
    assert [guard.to_free(pages, 320) for _ in range(7)] == [15, 30, 60, 120, 240, 305, 305]
    for _ in range(10):
        guard.note_allocation(pages)
    assert guard.to_free(pages, 320) == 15
    assert guard.to_free(pages, 10) == 1
    assert SixBatches(sizes(), ZoneFlags()).to_free(pages, 320) == 15


def test_v6_1_keeps_four_batches_while_kswapd_works() -> None:
    flags = ZoneFlags()
    guard, short, pages = DoublingFrees(sizes(), flags), DoublingFrees(sizes(low=80), flags), PageList()
    assert (guard.limit(pages), short.limit(pages)) == (320, 60)
    flags.reclaim_active = True
    assert (guard.limit(pages), short.limit(pages)) == (60, 60)
    assert SixBatches(sizes(), flags).limit(pages) == 90


# -- v6.7 and later ----------------------------------------------------------------------------------------------------


def test_a_cpu_that_only_allocates_takes_twice_as_much_each_time() -> None:
    """nr_pcp_alloc(): 15 << alloc_factor, at most 32 batches; pcp->high grows by as much, up to high_max."""
    guard, pages = tuned()
    taken = [guard.to_allocate(pages) for _ in range(8)]
    assert taken == [15, 30, 60, 120, 240, 480, 480, 480]
    assert pages.high == 320 + sum(taken)
    for _ in range(20):
        guard.to_allocate(pages)
    assert pages.high == guard.high_max == 4096


def test_a_page_that_is_freed_halves_the_factor() -> None:
    guard, pages = tuned()
    for _ in range(6):
        guard.to_allocate(pages)
    guard.note_free(pages)
    assert (pages.alloc_factor, guard.to_allocate(pages)) == (2, 60)


def test_the_list_does_not_grow_while_the_zone_is_short() -> None:
    """ZONE_BELOW_HIGH: pcp->high stays, so a refill takes no more than there is room for."""
    guard, pages = tuned(ZoneFlags(below_high=True))
    assert [guard.to_allocate(pages) for _ in range(8)] == [15, 30, 60, 120, 240, 305, 305, 305]
    assert pages.high == 320


def test_a_cpu_that_only_frees_gives_back_as_many_as_it_freed_in_a_row() -> None:
    guard, pages = tuned()
    for pfn in range(320):
        pages.pages.append(pfn)
        limit = guard.limit(pages)
    # 320 in a row: pcp->high grows to hold them and a batch.
    assert (limit, pages.high, pages.free_count) == (320, 335, 320)
    assert guard.to_free(pages, limit) == 305
    guard.note_allocation(pages)
    assert pages.free_count == 160
    assert guard.to_free(pages, 320) == 160


def test_pcp_high_shrinks_while_kswapd_works_and_while_the_zone_is_short() -> None:
    flags = ZoneFlags()
    guard, pages = tuned(flags)
    for _ in range(12):
        guard.to_allocate(pages)
    before = pages.high
    flags.reclaim_active = True
    assert guard.limit(pages) == 60
    assert pages.high == before - 15
    flags.reclaim_active, flags.below_high = False, True
    pages.pages = list(range(1000))
    assert guard.limit(pages) == 1000
    assert pages.high == before - 30


# -- on a machine ------------------------------------------------------------------------------------------------------


async def refills(k: Kernel, count: int) -> int:
    """How often the list is refilled for so many pages, which are given back."""
    await k.drain_local_pages()
    before = k.machine.pages.zone.refills
    pages = [await k.get_free_page(GFP_NOWAIT) for _ in range(count)]
    needed = k.machine.pages.zone.refills - before
    for pfn in pages:
        await k.free_page(pfn)
    return needed


@pytest.mark.parametrize(("kernel", "needed"), [("v6.1-stable", 200), ("v6.6", 200), ("v6.12.0", 11), ("v7.3", 11)])
def test_3000_pages_take_eleven_refills_where_they_scale(kernel: str, needed: int) -> None:
    """15, 30, 60, 120, 240 and six times 480, where it was 15 each time."""

    async def script(k: Kernel) -> None:
        assert await refills(k, 3000) == needed

    assert run(scenario()(script), RunOptions(kernel=kernel), mem="256M").clean


def test_a_request_below_the_high_watermark_notes_it_and_freeing_unnotes_it() -> None:
    async def script(k: Kernel) -> None:
        zone = k.machine.pages.zone
        kept = []
        while zone.free > zone.watermark_high - 100:
            kept.append(await k.get_free_page(GFP_NOWAIT))
        kept.append(await k.get_free_page(GFP_NOWAIT))
        assert zone.flags.below_high
        high = zone.list_of(k.machine.this_cpu).high
        for pfn in kept:
            await k.free_page(pfn)
        assert not zone.flags.below_high
        assert zone.list_of(k.machine.this_cpu).high != high

    assert run(scenario()(script), RunOptions(kernel="v6.12"), mem="64M").clean


@pytest.mark.parametrize(("kernel", "parts"), [("v6.6", 1), ("v6.12", 4)])
def test_a_long_list_is_drained_in_parts(kernel: str, parts: int) -> None:
    """Of 32 batches each (v6.11), the lock let go of in between."""

    async def script(k: Kernel) -> None:
        zone = k.machine.pages.zone
        await k.drain_local_pages()
        own = zone.list_of(k.machine.this_cpu)
        zone.set_aside(3 * 480 + 1)
        own.pages = zone.take_set_aside(3 * 480 + 1)
        drains = zone.drains
        await k.drain_local_pages()
        assert (zone.drains - drains, k.pcp_count()) == (parts, 0)

    assert run(scenario()(script), RunOptions(kernel=kernel), mem="256M").clean


@pytest.mark.parametrize(("kernel", "batch_by_batch"), [("v6.18", False), ("v7.3", True)])
def test_from_v6_19_on_a_list_is_shortened_batch_by_batch(kernel: str, batch_by_batch: bool) -> None:
    async def script(k: Kernel) -> None:
        zone = k.machine.pages.zone
        pages = [await k.get_free_page(GFP_NOWAIT) for _ in range(1200)]
        await k.drain_local_pages()
        zone.list_of(k.machine.this_cpu).high = 0
        drains, free = zone.drains, zone.free
        while zone.drains == drains:
            await k.free_page(pages.pop())
        freed = zone.free - free
        assert freed == zone.high - zone.batch > 2 * zone.batch
        assert zone.drains - drains == (math.ceil(freed / zone.batch) if batch_by_batch else 1)
        for pfn in pages:
            await k.free_page(pfn)

    assert run(scenario()(script), RunOptions(kernel=kernel), mem="256M").clean


def test_pages_of_other_migrate_types_count_and_go_back_when_the_own_list_is_empty() -> None:
    """pcp->count is of all lists: so a CPU with many of the others gives back more; its own list is emptied first."""

    async def script(k: Kernel) -> None:
        zone, cpu = k.machine.pages.zone, k.machine.this_cpu
        await k.drain_local_pages()
        before = zone.statistics()
        zone.leave_on_lists(cpu, zone.high - 1)
        assert zone.statistics().free + zone.statistics().listed == before.free + before.listed
        page = await k.get_free_page(GFP_NOWAIT)
        own = zone.list_of(cpu)
        listed, free = len(own.pages), zone.free
        assert (k.pcp_count(), listed) == (zone.high - 1 + listed, 14)
        # One more is too many: a batch goes, all that the own list has.
        await k.free_page(page)
        assert (len(own.pages), zone.free - free, own.others) == (0, 15, zone.high - 1)
        await k.drain_local_pages()
        assert (own.count, zone.statistics().free) == (0, before.free)

    assert run(scenario()(script), RunOptions(kernel="v6.1-stable"), mem="256M").clean


@pytest.mark.parametrize(
    ("own", "others", "count", "in_turn"),
    [(10, 10, 9, 6), (10, 10, 1, 0), (10, 0, 9, 9), (0, 10, 9, 0), (2, 10, 9, 2), (10, 1, 9, 8), (3, 3, 9, 3)],
)
def test_of_which_type_pages_go_back(own: int, others: int, count: int, in_turn: int) -> None:
    """free_pcppages_bulk(): before v6.1.0 one of the next type, two of the one behind an empty list, and so on."""
    assert types_in_turn(own, others, count) == in_turn
    assert freed_type_first(own, others, count) == min(own, count)


@pytest.mark.parametrize(("kernel", "own", "others"), [("v5.11", 10, -5), ("v6.1-stable", 5, 0)])
def test_a_list_of_two_types_that_is_too_long(kernel: str, own: int, others: int) -> None:
    """With the last it is too long, and 15 go back: of both types on v5.11, first of the freed one's on v6.1."""

    async def script(k: Kernel) -> None:
        zone, cpu = k.machine.pages.zone, k.machine.this_cpu
        pages = [await k.get_free_page() for _ in range(20)]
        await k.drain_local_pages()
        zone.leave_on_lists(cpu, zone.high - 20)
        before = zone.list_of(cpu).others
        for page in pages:
            await k.free_page(page)
        found = zone.list_of(cpu)
        assert (len(found.pages), found.others - before) == (own, others)

    assert run(scenario()(script), RunOptions(kernel=kernel), mem="256M").clean


@pytest.mark.parametrize(("kernel", "shared_out"), [("v5.11", False), ("v6.1-stable", True), ("v6.12", True)])
def test_a_cpu_that_goes_leaves_its_share_to_the_others(kernel: str, shared_out: bool) -> None:
    """zone_pcp_update(), in page_alloc_cpu_dead() and page_alloc_cpu_online()."""

    async def script(k: Kernel) -> None:
        zone = k.machine.pages.zone
        before = zone.high
        await k.cpu_down(3)
        await k.cpu_down(2)
        assert zone.high == (zone.watermark_low // 2 if shared_out else before)
        await k.cpu_up(2)
        assert zone.high == (zone.watermark_low // 3 if shared_out else before)
        await k.cpu_up(3)
        assert zone.high == before

    assert run(scenario()(script), RunOptions(kernel=kernel), mem="512M", nr_cpus=4).clean


def test_who_moves_while_the_list_is_let_go_of_leaves_it_at_that() -> None:
    """kswapd of v7.3 frees into a list that is too long, and is on another CPU behind a batch: found by a campaign."""
    options = RunOptions(kernel="v7.3", strategy=make_strategy("random:present=64"), seed=258570571)
    checks = dict.fromkeys(("DEBUG_ATOMIC_SLEEP", "DEBUG_PREEMPT", "DEBUG_LOCKDEP", "DEBUG_IRQFLAGS", "KASAN"), "y")
    more = dict.fromkeys(("PROVE_RAW_LOCK_NESTING", "migrate", "DEBUG_OBJECTS_WORK", "debug_pagealloc"), "y")
    assert run(load_scenario("shrinker_pressure"), options, **checks, **more, objects=2).clean


# -- limits at their ends ---------------------------------------------------------------------------------------------


def test_a_zone_with_next_to_nothing_moves_page_by_page() -> None:
    """zone_batchsize() of 0: a batch of 1, and nothing that a list may keep."""
    tiny = sizes(0, 0, managed=8)
    assert (SixBatches(tiny, ZoneFlags()).high, SixBatches(tiny, ZoneFlags()).to_allocate(PageList())) == (0, 1)
    guard = TunedHigh(sizes(15, 0, managed=8), ZoneFlags())
    guard.high_min = guard.high_max = 0
    pages = PageList(pages=[1])
    assert guard.to_allocate(pages) == 1
    assert guard.limit(pages) == 0


def test_a_list_of_a_fixed_length_stays_so() -> None:
    """high_min and high_max are one: an administrator's percpu_pagelist_high_fraction, or a small zone."""
    guard, pages = tuned()
    guard.high_max = guard.high_min
    assert guard.limit(pages) == guard.high_min
    assert [guard.to_allocate(pages) for _ in range(3)] == [15, 30, 60]
    assert pages.high == guard.high_min


def test_pages_of_other_types_count_but_are_never_given() -> None:
    pages = PageList(pages=[3, 4], others=5)
    assert pages.count == 7
