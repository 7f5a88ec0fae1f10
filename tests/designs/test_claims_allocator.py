"""What the debate claims of the designs that ask the page allocator, each claim held against the model.

Who claims it is named at each: a seed of the debate by its number and author, or the facts' table of designs (D3 and
so on), which names the mail.
"""

from __future__ import annotations

import contextlib
import functools

import attrs
import pytest

from rcuactors import GFP_KERNEL, Gfp, Kernel, KernelBug, Result, Run, RunOptions, run, scenario
from rcuactors.userfiles import load_scenario

OBJECTS = 510 * 24


@attrs.frozen
class AfterLoop:
    """What a loop that frees a lot leaves behind."""

    pages_listed: int
    refills_meanwhile: int
    result: Result


@functools.cache
def free_in_a_loop(design: str) -> AfterLoop:
    """What close(open()) in a loop of user space comes to: one free after the other, here of 24 blocks' worth.

    The objects are there before, so that no page is taken for them meanwhile.
    """
    seen: list[int] = []

    async def script(k: Kernel) -> None:
        objects = [await k.kmalloc(64) for _ in range(OBJECTS)]
        await k.cold_caches()
        await k.free_page(await k.get_free_page())
        zone = k.machine.pages.zone
        refills = zone.refills
        for p in objects:
            await k.kvfree_rcu(p, "rcu")
        seen.extend((k.pcp_count(), zone.refills - refills))

    result = run(scenario()(script), RunOptions(kernel="v5.9", design=design), pcp_batch="16")
    return AfterLoop(*seen, result)


# -- D5, __rcu_alloc_page_lockless() ----------------------------------------------------------------------------------


def test_lockless_fails_more_often() -> None:
    """Rezki, seed 002: "a higher rate of fails is also expected"."""
    failed = {
        design: free_in_a_loop(design).result.counters["fallbacks_list"]
        for design in ("direct", "hrtimer-work", "lockless")
    }
    # 16 pages were on the list; each later object finds neither a block nor a page.
    assert failed["lockless"] == OBJECTS - 16 * 510
    assert failed["direct"] == 0
    assert failed["hrtimer-work"] < failed["lockless"] / 3
    assert free_in_a_loop("lockless").result.clean


def test_lockless_lets_a_loop_of_user_space_take_the_list_empty() -> None:
    """Hocko and Gorman (D5): it drains the pcplists from loops that users control, and does not refill them."""
    lockless, direct = free_in_a_loop("lockless"), free_in_a_loop("direct")
    assert (lockless.pages_listed, lockless.refills_meanwhile) == (0, 0)
    assert direct.pages_listed > 0
    assert direct.refills_meanwhile == 1


@pytest.mark.parametrize(("design", "pages"), [("lockless", 1), ("no-locks-flag", 0), ("direct", 0)])
def test_lockless_goes_below_every_watermark(design: str, pages: int) -> None:
    """Hocko (D5): it ignores watermarks."""

    async def script(k: Kernel) -> None:
        p = await k.kmalloc(64)
        page = await k.get_free_page()
        await k.cold_caches()
        k.machine.pages.zone.set_aside(k.nr_free_pages() - k.min_wmark_pages())
        await k.free_page(page)
        assert k.pcp_count() == 1
        await k.kvfree_rcu(p, "rcu")
        assert k.machine.kvfree.figures.caller_pages == pages

    assert run(scenario()(script), RunOptions(design=design), mem="32M").clean


@pytest.mark.parametrize(
    ("hook", "title"),
    [("debug_pagealloc", "BUG: unable to handle page fault for address"), ("KASAN", "BUG: KASAN: use-after-free")],
)
def test_lockless_gives_out_pages_that_a_debug_kernel_has_not_prepared(hook: str, title: str) -> None:
    """[analysis] (D5): the draft never calls prep_new_page()."""

    async def script(k: Kernel) -> None:
        await k.free_page(await k.get_free_page())
        await k.kvfree_rcu(await k.kmalloc(64), "rcu")

    result = run(scenario()(script), RunOptions(kernel="v5.11", design="lockless"), **{hook: "y"})
    assert result.violations[0].title.startswith(title)
    assert run(scenario()(script), RunOptions(kernel="v5.11", design="no-locks-flag"), **{hook: "y"}).clean


# -- D4, ___GFP_NO_LOCKS ----------------------------------------------------------------------------------------------


def test_the_flag_consumes_a_bit() -> None:
    """Hocko, seed 003: "strongly opposed against consuming another flag"; the quoted patch gives it 0x800000."""
    assert int(Gfp.NO_LOCKS) == 0x800000
    account = 0x400000
    assert int(Gfp.NO_LOCKS) == account << 1
    others = [int(flag) for flag in Gfp if flag is not Gfp.NO_LOCKS]
    assert not any(int(Gfp.NO_LOCKS) & other for other in others)


def time_and_looks(design: str, *, filled: bool) -> tuple[int, int]:
    """Of eight ordinary allocations by somebody who has never heard of the flag."""
    seen: list[int] = []

    async def script(k: Kernel) -> None:
        zone = k.machine.pages.zone
        await k.drain_local_pages()
        if filled:
            await k.free_page(await k.get_free_page(GFP_KERNEL))
        before, looks = k.now, zone.no_locks.looks if zone.no_locks else 0
        pages = [await k.get_free_page(GFP_KERNEL) for _ in range(8)]
        seen.extend((k.now - before, (zone.no_locks.looks if zone.no_locks else 0) - looks))
        for pfn in pages:
            await k.free_page(pfn)

    assert run(scenario()(script), RunOptions(design=design)).clean
    return seen[0], seen[1]


def test_the_late_variant_touches_no_fast_path() -> None:
    """Babka, seed 002: looking at the flag only when the pcplist is empty adds nothing "when pcpclist is not empty"."""
    as_it_was, _ = time_and_looks("direct", filled=True)
    assert time_and_looks("no-locks-flag", filled=True) == (as_it_was + 8, 8)
    assert time_and_looks("no-locks-flag-late", filled=True) == (as_it_was, 0)
    # With an empty list it looks once, before the refill.
    as_it_was, _ = time_and_looks("direct", filled=False)
    assert time_and_looks("no-locks-flag-late", filled=False) == (as_it_was + 1, 1)
    assert time_and_looks("no-locks-flag", filled=False) == (as_it_was + 8, 8)


def under_raw_lock(design: str, kernel: str = "v5.11", **settings: str) -> Result:
    """A call under a raw lock, with pages on the CPU's list."""

    async def script(k: Kernel) -> None:
        p, lock = await k.kmalloc(64), k.raw_spinlock("L")
        await k.cold_caches()
        await k.free_page(await k.get_free_page())
        await k.raw_spin_lock(lock)
        await k.kvfree_rcu(p, "rcu")
        await k.raw_spin_unlock(lock)

    return run(scenario()(script), RunOptions(kernel=kernel, design=design), **settings)


def test_the_late_variant_is_too_late_where_the_list_itself_has_a_sleeping_lock() -> None:
    """D4 is listed as legal on PREEMPT_RT. Of Babka's variant that is not so before v6.1: contradicted.

    The flag is found after the list's local_lock was taken. The variant that tests it at the entry can try that lock.
    """
    rt = {"PREEMPT_RT": "y", "DEBUG_ATOMIC_SLEEP": "y"}
    assert under_raw_lock("no-locks-flag-late", **rt).outcome() == "sleeping-function"
    assert under_raw_lock("no-locks-flag", **rt).clean
    assert under_raw_lock("no-locks-flag-late", "v6.1-stable", **rt).clean


@pytest.mark.parametrize("design", ["no-locks-flag", "no-locks-flag-late", "gfp-zero", "pcp-peek", "direct"])
def test_the_allocators_hooks_lock_all_the_same(design: str) -> None:
    """Rezki, seed 003: post_alloc_hook() maps the page "invoking kernel_map_pages()", with sleepable locks."""
    settings = {"PROVE_RAW_LOCK_NESTING": "y"}
    assert under_raw_lock(design, **settings).clean
    result = under_raw_lock(design, **settings, debug_pagealloc="y")
    assert result.outcome() == "invalid-wait-context"
    assert "(linear_map_hash_lock)" in result.violations[0].text


def test_a_flag_does_not_reach_the_stack_depot_but_a_missing_one_does() -> None:
    """Hocko, seed 003, is "not sure about kasan, page owner": the depot's request keeps GFP_ATOMIC | GFP_KERNEL only.

    So ___GFP_NO_LOCKS is lost on the way and zone->lock is taken; no reclaim bit is still none.
    """
    settings = {"PROVE_RAW_LOCK_NESTING": "y", "page_owner": "y"}
    for design in ("no-locks-flag", "no-locks-flag-late", "direct", "pcp-peek"):
        result = under_raw_lock(design, **settings)
        assert result.outcome() == "invalid-wait-context"
        assert "(&zone->lock)" in result.violations[0].text
    for design in ("gfp-zero", "alloc-pages-nolock", "lockless", "hrtimer-work"):
        assert under_raw_lock(design, **settings).clean


# -- D6, GFP_NO_LOCK == 0 ---------------------------------------------------------------------------------------------


def boot(design: str | None, **settings: str) -> tuple[list[str], str]:
    """Kinds of violation and the text of the first, of scenarios/gfp_zero_boot.py."""
    one = Run(load_scenario("gfp_zero_boot"), RunOptions(design=design, settings=settings))
    with contextlib.suppress(KernelBug):
        one.run()
    violations = one.result().violations
    return [violation.kind.value for violation in violations], violations[0].text if violations else ""


def test_gfp_zero_oopses_at_boot() -> None:
    """Rezki, seed 003: "BUG: kernel NULL pointer dereference" at 0.65 s, in __find_event_file()."""
    kinds, text = boot("gfp-zero")
    assert kinds == ["null-dereference"]
    lines = text.splitlines()
    assert lines[:3] == [
        "BUG: kernel NULL pointer dereference, address: 0000000000000010",
        "#PF: supervisor read access in kernel mode",
        "#PF: error_code(0x0000) - not-present page",
    ]
    assert lines[-1].startswith("RIP: 0010:__find_event_file ")


@pytest.mark.parametrize(
    "design", [None, "direct", "no-locks-flag", "no-locks-flag-late", "lockless", "pcp-peek", "alloc-pages-nolock"]
)
def test_no_other_design_oopses_at_boot(design: str | None) -> None:
    """Only D6 gives those a meaning who have always passed 0."""
    assert boot(design) == ([], "")


def test_gfp_zero_boots_when_the_list_happens_to_have_a_page() -> None:
    """Why such callers are not found by reading: whether one gets NULL depends on who was there before."""
    assert boot("gfp-zero", warm="y") == ([], "")


# -- D3, a raw zone->lock ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", ["v5.11", "v6.1-stable"])
@pytest.mark.parametrize("design", ["raw-zone-lock", "direct"])
def test_a_caller_that_holds_zone_lock_stands_still_whatever_its_type(design: str, kernel: str) -> None:
    """Gleixner (D3): impossible "independent of raw/non-raw ordering"."""

    async def script(k: Kernel) -> None:
        p = await k.kmalloc(64)
        await k.cold_caches()
        flags = await k.zone_lock_irqsave()
        await k.kvfree_rcu(p, "rcu")
        await k.zone_unlock_irqrestore(flags)

    result = run(scenario()(script), RunOptions(kernel=kernel, design=design), PROVE_LOCKING="n")
    assert result.outcome() == "deadlock"
    assert "&zone->lock, held by itself" in result.violations[0].text
    for other in ("no-locks-flag", "lockless", "alloc-pages-nolock", "hrtimer-work"):
        assert run(scenario()(script), RunOptions(kernel=kernel, design=other), PROVE_LOCKING="n").clean


def test_a_raw_zone_lock_satisfies_lockdep() -> None:
    """D3: that it would. True, where the list itself has no sleeping lock; contradicted on PREEMPT_RT before v6.1."""
    for kernel in ("v5.11", "v6.1-stable"):
        for settings in ({"PROVE_RAW_LOCK_NESTING": "y"}, {"PREEMPT_RT": "y", "DEBUG_ATOMIC_SLEEP": "y"}):
            found = run(cold_call, RunOptions(kernel=kernel, design="raw-zone-lock"), **settings).outcome()
            assert found == ("sleeping-function" if kernel == "v5.11" and "PREEMPT_RT" in settings else "clean")
    before = run(cold_call, RunOptions(kernel="v5.11", design="direct"), PROVE_RAW_LOCK_NESTING="y")
    assert before.outcome() == "invalid-wait-context"


@scenario()
async def cold_call(k: Kernel) -> None:
    p = await k.kmalloc(64)
    await k.cold_caches()
    await k.kvfree_rcu(p, "rcu")


def test_a_raw_zone_lock_delays_interrupts_on_rt() -> None:
    """D3: RT latency. An interrupt in the middle of another's refill waits for the whole batch."""
    served: dict[str, int] = {}
    for design in ("raw-zone-lock", "direct"):

        async def script(k: Kernel, which: str = design) -> None:
            async def handler() -> None:
                served[which] = k.now - raised

            async def device() -> None:
                nonlocal raised
                zone = k.machine.pages.zone
                while zone.lock.owner is None:
                    await k.ndelay(5)
                raised = k.now
                await k.raise_irq(handler, cpu=0)

            raised = 0
            await k.drain_local_pages()
            await k.kthread_run(device, cpu=1)
            await k.udelay(5)
            await k.free_page(await k.get_free_page())

        assert run(scenario()(script), RunOptions(kernel="v6.1-stable", design=design), PREEMPT_RT="y").clean
    assert served["raw-zone-lock"] > served["direct"] + 31 * 25 // 2


# -- D7, a look at the list first -------------------------------------------------------------------------------------


def test_in_v6_1_a_page_that_was_seen_may_not_be_had_without_the_zones_lock() -> None:
    """D7: "races none (irqs off)". True of lists without a lock; contradicted in v6.1, whose lists others drain."""

    async def script(k: Kernel) -> None:
        p = await k.kmalloc(64)
        await k.cold_caches()
        await k.free_page(await k.get_free_page())
        listed = k.machine.pages.zone.list_of(k.machine.this_cpu)
        done = False

        async def drain_of_another_cpu() -> None:
            """drain_pages_zone() of CPU 1 for CPU 0's list (drain_all_pages() in v6.1)."""
            await k.machine.system.locks.spin_lock(k.machine.current, listed.lock)
            while not done:
                await k.ndelay(50)
            await k.machine.system.locks.spin_unlock(k.machine.this_cpu, listed.lock)

        if listed.lock is not None:
            await k.kthread_run(drain_of_another_cpu, cpu=1)
            await k.udelay(10)
        await k.kvfree_rcu(p, "rcu")
        done = True

    settings = {"PROVE_RAW_LOCK_NESTING": "y"}
    assert run(scenario()(script), RunOptions(kernel="v5.11", design="pcp-peek"), **settings).clean
    result = run(scenario()(script), RunOptions(kernel="v6.1-stable", design="pcp-peek"), **settings)
    assert result.outcome() == "invalid-wait-context"
    assert "rmqueue_buddy" in result.violations[0].text


# -- D14, alloc_pages_nolock() ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", ["v5.11", "v6.1-stable"])
@pytest.mark.parametrize(("rt", "in_hardirq", "pages"), [("y", True, 0), ("y", False, 1), ("n", True, 1)])
def test_nolock_gets_nothing_in_hardirq_on_rt(rt: str, in_hardirq: bool, pages: int, kernel: str) -> None:
    """Commit 97769a53f117 (D14): NULL at once in NMI or hardirq; legal elsewhere, also with interrupts off."""

    async def script(k: Kernel) -> None:
        p = await k.kmalloc(64)

        async def free() -> None:
            assert k.irqs_disabled()
            await k.kvfree_rcu(p, "rcu")

        await k.cold_caches()
        await k.free_page(await k.get_free_page())
        if in_hardirq:
            await k.raise_irq(free)
            return
        flags = k.local_irq_save()
        await free()
        await k.local_irq_restore(flags)

    settings = {"PREEMPT_RT": rt, "DEBUG_ATOMIC_SLEEP": "y", "PROVE_RAW_LOCK_NESTING": "y"}
    result = run(scenario()(script), RunOptions(kernel=kernel, design="alloc-pages-nolock"), **settings)
    assert result.clean
    assert (result.counters["caller_pages"], result.counters["fallbacks_list"]) == (pages, 1 - pages)


@pytest.mark.parametrize("kernel", ["v5.11", "v6.1-stable"])
@pytest.mark.parametrize("rt", ["n", "y"])
def test_nolock_gets_nothing_under_contention_and_a_cleared_page_without(rt: str, kernel: str) -> None:
    """D14: "NULL under contention"; its cost is "zeroing the page"."""

    async def script(k: Kernel, busy: bool = False) -> None:
        async def holder() -> None:
            flags = await k.zone_lock_irqsave()
            await k.udelay(50)
            await k.zone_unlock_irqrestore(flags)

        p = await k.kmalloc(64)
        await k.cold_caches()
        if busy:
            await k.kthread_run(holder, cpu=1)
            await k.udelay(20)
        await k.kvfree_rcu(p, "rcu")

    options = RunOptions(kernel=kernel, design="alloc-pages-nolock", settings={"PREEMPT_RT": rt})
    assert run(scenario()(script), options).counters["caller_pages"] == 1
    busy = run(scenario()(script), options, busy="y")
    assert busy.clean
    assert (busy.counters["caller_pages"], busy.counters["fallbacks_list"]) == (0, 1)


def test_nolock_clears_its_page() -> None:
    """D14's cost, in virtual time; `direct` takes the same page with GFP_NOWAIT."""
    took: dict[str, int] = {}
    for design in ("alloc-pages-nolock", "direct"):

        async def script(k: Kernel, which: str = design) -> None:
            p = await k.kmalloc(64)
            await k.cold_caches()
            await k.free_page(await k.get_free_page())
            before = k.now
            await k.kvfree_rcu(p, "rcu")
            took[which] = k.now - before

        assert run(scenario()(script), RunOptions(kernel="v5.11", design=design)).clean
    assert took["alloc-pages-nolock"] - took["direct"] == 200


# -- the allocator's hooks --------------------------------------------------------------------------------------------


def test_page_owner_allocates_when_a_page_is_freed() -> None:
    """The facts (6.3): on free save_stack(GFP_NOWAIT), so even free_page() in a raw section can allocate."""

    async def script(k: Kernel) -> None:
        page, lock = await k.get_free_page(), k.raw_spinlock("L")
        await k.free_page(await k.get_free_page())
        await k.raw_spin_lock(lock)
        await k.free_page(page)
        await k.raw_spin_unlock(lock)

    assert run(scenario()(script), PROVE_RAW_LOCK_NESTING="y").clean
    result = run(scenario()(script), PROVE_RAW_LOCK_NESTING="y", page_owner="y")
    assert result.outcome() == "invalid-wait-context"
    trace = result.violations[0].trace
    assert "(&zone->lock)" in result.violations[0].text
    assert [any(line.startswith(name) for line in trace) for name in ("get_free_page", "free_page")] == [True, True]
