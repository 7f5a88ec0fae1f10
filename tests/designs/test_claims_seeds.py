"""Claims of the seeds and of the facts' table that concern no single design's verdict: what blocks are for, what each
way costs or leaves undone, and proposals that came to a sentence only. Who claims it is named at each.
"""

from __future__ import annotations

import functools

import attrs
import pytest

from rcuactors import GFP_ATOMIC, GFP_KERNEL, GFP_NOWAIT, BadInput, Gfp, Kernel, Run, RunOptions, run, scenario
from rcuactors.context.locks import LockKind
from rcuactors.designs.direct import Direct
from rcuactors.designs.reserve import Reserve
from rcuactors.eras import ERAS, find_era
from rcuactors.kernel.costs import CostModel
from rcuactors.kvfree.rules import EraRules
from rcuactors.mm.page.no_locks import NoLocks, Route
from tests.one_argument import one_argument

PROVE = {"PROVE_RAW_LOCK_NESTING": "y"}
RT = {"PREEMPT_RT": "y", "DEBUG_ATOMIC_SLEEP": "y"}


async def _cold_objects(k: Kernel, count: int) -> list:
    objects = [await k.kmalloc(64) for _ in range(count)]
    await k.cold_caches()
    return objects


# -- what blocks are for (Rezki, seed 002) ----------------------------------------------------------------------------


@pytest.mark.parametrize("blocks", [1, 7])
def test_a_page_for_each_510_objects(blocks: int) -> None:
    """Seed 002: a page of pointers a block; the facts (4.6): one page for some 500 calls."""

    async def script(k: Kernel) -> None:
        for p in await _cold_objects(k, 510 * blocks):
            await k.kvfree_rcu(p, "rcu")

    assert run(scenario()(script), RunOptions(design="direct"), kernel="v5.11").counters["caller_pages"] == blocks


@functools.cache
def freeing_takes(design: str, objects: int) -> int:
    """Virtual time that the worker needs for them after the grace period."""
    one = Run(scenario()(freed_at_once), RunOptions(design=design, settings={"nr_cpus": "1", "objects": str(objects)}))
    drain, spans = one.machine.kvfree.drain, []
    real = drain.kfree_rcu_work

    async def timed(cpu, krcp, batch) -> None:
        began = cpu.clock
        await real(cpu, krcp, batch)
        spans.append(cpu.clock - began)

    drain.kfree_rcu_work = timed
    assert one.run().clean
    return sum(spans)


async def freed_at_once(k: Kernel, objects: int = 0) -> None:
    for p in await _cold_objects(k, objects):
        await k.kvfree_rcu(p, "rcu")


def test_blocks_shorten_the_time_that_freeing_takes() -> None:
    """Seed 002, a) and e): kfree_bulk() "reduces the per-object overhead"; b) no "pointer chasing" between objects.

    `unlocked` has no blocks for these callers: its objects hang on each other by their rcu_heads.
    """
    objects = 5_100
    in_blocks, in_list = freeing_takes("direct", objects), freeing_takes("unlocked", objects)
    assert in_list > 3 * in_blocks


def test_an_object_without_an_rcu_head_cannot_be_queued_without_a_block() -> None:
    """Seed 002, c): so its caller does what people did before, synchronize_rcu(), which "can be long and blocks"."""
    times: list[int] = []

    async def script(k: Kernel) -> None:
        with_head, without = await _cold_objects(k, 2)
        for p, field in ((with_head, "rcu"), (without, None)):
            before = k.now
            await k.kvfree_rcu(p, field)
            times.append(k.now - before)

    result = run(scenario()(script), RunOptions(design="lockless"), kernel="v5.11")
    assert (result.counters["fallbacks_list"], result.counters["fallbacks_synchronize"]) == (1, 1)
    assert times[0] < 1_000
    assert times[1] > 1_000_000


def test_the_worker_is_asked_only_when_the_cache_is_empty() -> None:
    """Seed 001: "this deferred allocation is required only when kvfree_rcu()'s per-CPU page cache is empty"."""
    asked: list[int] = []

    async def script(k: Kernel) -> None:
        figures = k.machine.kvfree.figures
        for p in await _cold_objects(k, 1):
            await k.kvfree_rcu(p, "rcu")
        await k.msleep(1)
        asked.append(figures.refills_asked)
        for p in [await k.kmalloc(64) for _ in range(510 * 5)]:
            await k.kvfree_rcu(p, "rcu")
        asked.append(figures.refills_asked)
        await k.kvfree_rcu(await k.kmalloc(64), "rcu")
        asked.append(figures.refills_asked)

    assert run(scenario()(script), RunOptions(design="hrtimer-work"), nr_cpus=1, kernel="v5.11").clean
    # Five pages hold that many; the next object finds none.
    assert asked == [1, 1, 2]


# -- D1 and D2 --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("design", "clean"), [("direct", False), ("lockless", True), ("no-locks-flag", True)])
def test_gfp_nowait_wakes_kswapd_which_needs_the_schedulers_locks(design: str, clean: bool) -> None:
    """D1 counts deadlocks on the allocator's locks. Short of memory there is one more, found by the model.

    __GFP_KSWAPD_RECLAIM wakes a thread, with the caller's &rq->lock held. Requests without reclaim bits wake nobody.
    """

    async def script(k: Kernel) -> None:
        (p,) = await _cold_objects(k, 1)
        pages = []
        while k.machine.pages.zone.free > k.machine.pages.zone.watermark_low:
            pages.append(await k.get_free_page(GFP_ATOMIC))
        await k.drain_local_pages()
        flags = await k.raw_spin_lock_irqsave(k.this_rq_lock())
        await k.kvfree_rcu(p, "rcu")
        await k.raw_spin_unlock_irqrestore(k.this_rq_lock(), flags)
        for page in pages:
            await k.free_page(page)

    result = run(scenario()(script), RunOptions(kernel="v5.11", design=design), mem="8M", PROVE_LOCKING="n")
    assert result.outcome() == ("clean" if clean else "deadlock")
    assert clean or "&rq->lock, held by itself" in result.violations[0].text


@pytest.mark.parametrize(("settings", "pages"), [(RT, 0), ({}, 2)])
def test_the_exemption_means_cache_or_fallback_on_rt_only(settings: dict, pages: int) -> None:
    """4d2919411867 (D2): more fallbacks on PREEMPT_RT, where the one-argument form waits for a grace period."""

    async def script(k: Kernel) -> None:
        with_head, without = await _cold_objects(k, 2)
        await k.kvfree_rcu(with_head, "rcu")
        for p in [await k.kmalloc(64) for _ in range(509)]:
            await k.kvfree_rcu(p, "rcu")
        await one_argument(k, without)

    counters = run(scenario()(script), RunOptions(design="skip-on-rt"), **settings, kernel="v5.11").counters
    assert counters["caller_pages"] == pages
    assert (counters["fallbacks_list"], counters["fallbacks_synchronize"]) == ((0, 0) if pages else (510, 1))


# -- D4 and D5 --------------------------------------------------------------------------------------------------------


def time_of_a_miss(design: str) -> int:
    """Of one call that finds neither a block nor a page, without lockdep."""
    took: list[int] = []

    async def script(k: Kernel) -> None:
        first, second = [await k.kmalloc(64) for _ in range(2)]
        await k.cold_caches()
        await k.kvfree_rcu(first, "rcu")
        before = k.now
        await k.kvfree_rcu(second, "rcu")
        took.append(k.now - before)

    result = run(scenario()(script), RunOptions(kernel="v5.11", design=design), PROVE_LOCKING="n")
    assert result.counters["fallbacks_list"] == 2
    return took[0]


def test_lockless_is_fast_where_it_fails_but_each_call_looks_again() -> None:
    """Rezki, seed 002: "super fast". A look at an empty list costs the same whoever looks, and is no allocation."""
    costs = CostModel()
    # Under one lock throughout; who drops it in between takes it once more.
    nobody_looks = time_of_a_miss("unlocked") - costs.lock_ns
    assert time_of_a_miss("lockless") == time_of_a_miss("pcp-peek") == nobody_looks + costs.page_look_ns
    # Through the allocator's front door the flag is looked at besides.
    assert time_of_a_miss("no-locks-flag") == time_of_a_miss("lockless") + costs.gfp_test_ns
    assert costs.page_look_ns < costs.page_alloc_ns


def test_the_flag_is_good_for_single_pages_only() -> None:
    """Zijlstra (D4): "order 0 only". The lists hold nothing larger, so the answer is always NULL."""
    got: list[bool] = []

    async def script(k: Kernel) -> None:
        pages = k.machine.pages
        await k.free_page(await k.get_free_page())
        for route in (Route.ANY, Route.ZONE):
            page = await pages.get_free_page(k.machine.current, Gfp.NO_LOCKS, route)
            got.append(page is not None)
            if page is not None:
                await k.free_page(page)

    assert run(scenario()(script), RunOptions(design="no-locks-flag")).clean
    assert got == [True, False]


@pytest.mark.parametrize(("design", "woken"), [("lockless", False), ("no-locks-flag", False), ("direct", True)])
def test_whoever_goes_by_the_lists_alone_does_not_wake_kswapd(design: str, woken: bool) -> None:
    """Hocko and Gorman (D5): no refill, no watermarks, no kswapd: the memory that is taken so is nobody's worry."""
    seen: list[int] = []

    async def script(k: Kernel) -> None:
        (p,) = await _cold_objects(k, 1)
        zone, reclaim = k.machine.pages.zone, k.machine.pages.reclaim
        pages = []
        while zone.free > zone.watermark_low:
            pages.append(await k.get_free_page(GFP_ATOMIC))
        before = reclaim.kswapd.wakeups
        await k.kvfree_rcu(p, "rcu")
        seen.append(reclaim.kswapd.wakeups - before)
        for page in pages:
            await k.free_page(page)

    assert run(scenario()(script), RunOptions(design=design), mem="8M").clean
    assert seen == [int(woken)]


# -- seed 003: the hook that could be repaired; seed 004: the flag that could be changed ------------------------------


@pytest.mark.parametrize("kind", [LockKind.SPINLOCK, LockKind.RAW_SPINLOCK])
def test_the_mapping_lock_made_raw_would_do(kind: LockKind, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rezki, seed 003: powerpc's lock "can be easily converted to raw variant". That helps the flag indeed."""

    async def script(k: Kernel) -> None:
        (p,) = await _cold_objects(k, 1)
        await k.free_page(await k.get_free_page())
        lock = k.raw_spinlock("L")
        await k.raw_spin_lock(lock)
        await k.kvfree_rcu(p, "rcu")
        await k.raw_spin_unlock(lock)

    era = find_era("v5.11")
    mm = attrs.evolve(era.rules.mm, linear_map_lock=kind)
    monkeypatch.setitem(ERAS, era.name, attrs.evolve(era, rules=attrs.evolve(era.rules, mm=mm)))
    settings = {**PROVE, "debug_pagealloc": "y"}
    one = Run(scenario()(script), RunOptions(kernel=era.name, design="no-locks-flag", settings=settings))
    assert one.run().outcome() == ("clean" if kind is LockKind.RAW_SPINLOCK else "invalid-wait-context")


class _NowaitTakesNoLocks(NoLocks):
    """GFP_NOWAIT, and whatever else may not reclaim directly, gets NULL rather than a lock."""

    def route(self, _cpu, gfp: Gfp) -> Route | None:
        return Route.ANY if gfp & Gfp.DIRECT_RECLAIM else Route.LIST_ONLY


class _ChangedNowait(Direct):
    name = "changed-nowait"
    about = "GFP_NOWAIT means no locks (McKenney asks, seed 004)"

    def rules(self, era_rules: EraRules) -> EraRules:
        no_locks = functools.partial(_NowaitTakesNoLocks, at_entry=True)
        return attrs.evolve(era_rules, mm=attrs.evolve(era_rules.mm, no_locks=no_locks))


def test_a_gfp_nowait_without_locks_is_legal_and_takes_from_everybody_else() -> None:
    """McKenney, seed 004: another way "might be modifying the GFP_NOWAIT handling so that it avoided" the locks.

    Legal where the flag is, with no bit spent; but whoever allocates in an interrupt now fails at an empty list.
    """
    got: list[bool] = []

    async def script(k: Kernel) -> None:
        (p,) = await _cold_objects(k, 1)
        lock = k.raw_spinlock("L")
        await k.raw_spin_lock(lock)
        await k.kvfree_rcu(p, "rcu")
        await k.raw_spin_unlock(lock)
        for gfp in (GFP_NOWAIT, GFP_ATOMIC, GFP_KERNEL):
            await k.drain_local_pages()
            page = await k.get_free_page(gfp)
            got.append(page is not None)
            if page is not None:
                await k.free_page(page)

    assert run(scenario()(script), RunOptions(design=_ChangedNowait()), **PROVE).clean
    assert run(scenario()(script), RunOptions(design="direct"), **PROVE).outcome() == "invalid-wait-context"
    assert got == [False, False, True, True, True, True]


# -- D8 and D9 --------------------------------------------------------------------------------------------------------


def test_two_thousand_pages_on_64_cpus_are_half_a_gigabyte() -> None:
    """The facts (D8, 4.6): 2,000 pages a CPU are some 500 MB on 64 CPUs; a machine of that size has none left."""
    settings = {"nr_cpus": "64", "mem": "2G"}
    with_reserve, without = (
        Run(scenario()(freed_at_once), RunOptions(design=design, settings=settings)).machine.pages.zone.free
        for design in (Reserve(2_000), "direct")
    )
    assert (without - with_reserve) * 4096 == 500 << 20
    with pytest.raises(BadInput, match="too little for a reserve of 2000 pages"):
        Run(scenario()(freed_at_once), RunOptions(design=Reserve(2_000), settings={**settings, "mem": "500M"}))


@pytest.mark.parametrize("build", [{}, PROVE, RT], ids=["plain", "prove", "rt"])
@pytest.mark.parametrize(
    ("context", "pages"),
    [("process", 1), ("preempt_disable", 0), ("raw_spin", 0), ("irq_disable", 0), ("hardirq", 0)],
)
def test_the_guard_allocates_in_preemptible_context_only(run_in, context: str, pages: int, build: dict) -> None:
    """D9: legal in process context only, on every kernel; elsewhere it does not try."""

    async def script(k: Kernel) -> None:
        (p,) = await _cold_objects(k, 1)

        async def call() -> None:
            await k.kvfree_rcu(p, "rcu")

        await run_in(k, context, call)

    result = run(scenario()(script), RunOptions(design="preemptible-guard"), **build)
    assert result.clean
    assert (result.counters["caller_pages"], result.counters["fallbacks_list"]) == (pages, 1 - pages)
