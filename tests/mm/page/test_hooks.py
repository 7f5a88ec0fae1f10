"""What debug kernels do with every page on its way out and back (rcuactors/mm/hooks.py)."""

from __future__ import annotations

import pytest

from rcuactors import GFP_ATOMIC, GFP_KERNEL, GFP_NOWAIT, Gfp, Kernel, Result, Run, RunOptions, run, scenario
from rcuactors.kernel.locking.irqsave import spin_trylock_irqsave
from rcuactors.mm.page.hooks import DebugPagealloc, Kasan, PageOwner
from rcuactors.mm.page.lockless import alloc_pages_nolock

PROVE = {"PROVE_RAW_LOCK_NESTING": "y"}
RT = {"PREEMPT_RT": "y", "DEBUG_ATOMIC_SLEEP": "y"}


def page_in(run_in, context: str, gfp: Gfp = GFP_NOWAIT, **settings: str) -> Result:
    """Take a page off a list that has some, in the context; free it outside."""

    async def script(k: Kernel) -> None:
        pages: list[int | None] = []

        async def action() -> None:
            pages.append(await k.get_free_page(gfp))

        await k.free_page(await k.get_free_page())
        await run_in(k, context, action)
        while not pages:
            await k.udelay(10)
        await k.free_page(pages.pop())

    return run(scenario()(script), **settings)


def test_a_kernel_has_the_hooks_that_it_is_configured_with_and_no_others() -> None:
    async def script(k: Kernel) -> None:
        found.append([type(hook) for hook in k.machine.pages.hooks])

    found: list[list[type]] = []
    run(scenario()(script))
    run(scenario()(script), page_owner="y", KASAN="y", debug_pagealloc="y")
    # The order of post_alloc_hook().
    assert found == [[], [DebugPagealloc, Kasan, PageOwner]]


# -- debug_pagealloc ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("context", "prove", "rt"),
    [
        ("process", "clean", "clean"),
        ("preempt_disable", "clean", "sleeping-function"),
        ("raw_spin_irqsave", "invalid-wait-context", "sleeping-function"),
        ("hardirq", "invalid-wait-context", "inconsistent-lock-state, sleeping-function"),
        ("softirq_irq_exit", "clean", "clean"),
    ],
)
def test_mapping_a_page_takes_a_spinlock_t(run_in, context: str, prove: str, rt: str) -> None:
    """Of v6.1, whose lists themselves take no lock that is waited for."""

    async def script(k: Kernel) -> None:
        pages: list[int | None] = []

        async def action() -> None:
            pages.append(await k.get_free_page(GFP_NOWAIT))

        await k.free_page(await k.get_free_page())
        await run_in(k, context, action)
        while not pages:
            await k.udelay(10)
        # Not by free_page(), which would take the lock, too.
        k.machine.oracle.page_freed(pages[0])

    for preset, expected in ((PROVE, prove), (RT, rt)):
        options = RunOptions(kernel="v6.1-stable", settings=preset)
        assert run(scenario()(script), options).clean
        assert run(scenario()(script), options, debug_pagealloc="y").outcome() == expected


def test_freeing_a_page_takes_the_lock_as_well() -> None:
    async def script(k: Kernel) -> None:
        page, lock = await k.get_free_page(), k.raw_spinlock("L")
        await k.raw_spin_lock(lock)
        await k.free_page(page)
        await k.raw_spin_unlock(lock)

    assert run(scenario()(script), **PROVE).clean
    result = run(scenario()(script), **PROVE, debug_pagealloc="y")
    assert result.outcome() == "invalid-wait-context"
    assert "kernel_unmap_linear_page" in result.violations[0].text


# -- page_owner and the stack depot ------------------------------------------------------------------------------------


def test_a_new_stack_brings_memory_for_itself_and_a_known_one_does_not() -> None:
    async def script(k: Kernel) -> None:
        zone, owner = k.machine.pages.zone, k.machine.pages.hooks[0]
        assert isinstance(owner, PageOwner)
        before, in_use = owner.allocations, len(zone.in_use)
        pages = [await k.get_free_page() for _ in range(10)]
        # Ten pages by one line, and a page of the depot's for its stack, on which no stack is saved.
        assert (owner.allocations - before, len(zone.in_use) - in_use) == (1, 11)
        for page in pages:
            await k.free_page(page)
        assert (owner.allocations - before, len(zone.in_use) - in_use) == (2, 2)

    assert run(scenario()(script), page_owner="y").clean


@pytest.mark.parametrize(
    ("gfp", "asked"),
    [
        (GFP_NOWAIT, "GFP_NOWAIT|__GFP_NOWARN"),
        (GFP_KERNEL | Gfp.NORETRY, "GFP_KERNEL|__GFP_NOWARN"),
        (GFP_ATOMIC, "GFP_ATOMIC|__GFP_NOWARN"),
        (Gfp.NO_LOCKS | Gfp.ZERO, "__GFP_NOWARN"),
    ],
)
def test_the_depot_asks_with_what_is_left_of_the_callers_flags(gfp: Gfp, asked: str) -> None:
    async def script(k: Kernel) -> None:
        pages = k.machine.pages
        ask = pages.get_free_page

        async def get_free_page(cpu, gfp, *route) -> int | None:
            seen.append(gfp)
            return await ask(cpu, gfp, *route)

        pages.get_free_page = get_free_page  # type: ignore[method-assign]
        page = await k.get_free_page(gfp)
        pages.get_free_page = ask  # type: ignore[method-assign]
        await k.free_page(page)

    seen: list[Gfp] = []
    assert run(scenario()(script), RunOptions(kernel="v6.1-stable"), page_owner="y").clean
    assert seen[0] == gfp
    assert [str(flags) for flags in seen[1:]] == [str(flags_of(asked))]


def flags_of(text: str) -> Gfp:
    compound = {"GFP_NOWAIT": GFP_NOWAIT, "GFP_KERNEL": GFP_KERNEL, "GFP_ATOMIC": GFP_ATOMIC}
    found = Gfp(0)
    for name in text.split("|"):
        found |= compound.get(name) or Gfp[name.removeprefix("__GFP_")]
    return found


def test_an_interrupt_while_a_stack_is_saved_is_not_recorded() -> None:
    """current->in_page_owner belongs to the task, whose stack the handler is on."""

    async def script(k: Kernel) -> None:
        zone, owner = k.machine.pages.zone, k.machine.pages.hooks[0]
        assert isinstance(owner, PageOwner)
        buddy = zone.rmqueue_buddy

        async def handler() -> None:
            pages.append(await k.get_free_page(GFP_ATOMIC))

        async def rmqueue_buddy(cpu, route) -> int | None:
            """The depot's own request, in the middle of save_stack()."""
            zone.rmqueue_buddy = buddy  # type: ignore[method-assign]
            await k.raise_irq(handler)
            return await buddy(cpu, route)

        pages: list[int | None] = []
        await k.free_page(await k.get_free_page())
        before = owner.allocations
        zone.rmqueue_buddy = rmqueue_buddy  # type: ignore[method-assign]
        await k.free_page(await k.get_free_page())
        assert len(pages) == 1
        # That of the free is new, too.
        assert owner.allocations - before == 2
        await k.free_page(pages.pop())

    assert run(scenario()(script), page_owner="y").clean


def test_page_owner_reports_what_the_request_alone_does_not(run_in) -> None:
    assert page_in(run_in, "raw_spin_irqsave", **PROVE).clean
    result = page_in(run_in, "raw_spin_irqsave", **PROVE, page_owner="y")
    assert result.outcome() == "invalid-wait-context"
    assert "(&zone->lock)" in result.violations[0].text
    assert page_in(run_in, "process", GFP_KERNEL, **PROVE, page_owner="y").clean


# -- KASAN -------------------------------------------------------------------------------------------------------------


def test_kasan_takes_time_and_no_lock(run_in) -> None:
    assert page_in(run_in, "raw_spin_irqsave", **PROVE, KASAN="y").clean
    with_it = page_in(run_in, "process", KASAN="y").end_ns
    assert with_it > page_in(run_in, "process").end_ns


# -- slab has the same problem -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", ["v5.11", "v6.1-stable"])
def test_kmalloc_under_a_raw_lock_trips_when_its_slab_is_empty_and_gfp_nowait_is_no_help(kernel: str) -> None:
    """Fernandes, seed 000: "slab can have same issue right? If per-cpu cache is drained, it has to allocate page"."""

    async def script(k: Kernel, full: bool = False) -> None:
        lock = k.raw_spinlock("L")
        if full:
            await k.kfree(await k.kmalloc(64))
        await k.drain_local_pages()
        await k.raw_spin_lock(lock)
        p = await k.kmalloc(64, GFP_NOWAIT)
        await k.raw_spin_unlock(lock)
        await k.kfree(p)

    result = run(scenario()(script), RunOptions(kernel=kernel), **PROVE)
    assert result.outcome() == "invalid-wait-context"
    assert "(&zone->lock)" in result.violations[0].text
    assert "new_slab" in result.violations[0].trace
    # With an object on the CPU's own list it takes no lock at all.
    assert run(scenario()(script), RunOptions(kernel=kernel), **PROVE, full="y").clean


def test_a_no_locks_flag_makes_kmalloc_fail_instead() -> None:
    """The flag was meant for kmalloc() once (McKenney, seed 004); v5.11's slab passes it on to the page allocator."""

    async def script(k: Kernel) -> None:
        lock = k.raw_spinlock("L")
        await k.drain_local_pages()
        await k.raw_spin_lock(lock)
        assert await k.kmalloc(64, Gfp.NO_LOCKS) is None
        await k.raw_spin_unlock(lock)

    assert run(scenario()(script), RunOptions(kernel="v5.11", design="no-locks-flag"), **PROVE).clean


# -- locks that are only tried -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("design", ["direct", "raw-zone-lock"])
@pytest.mark.parametrize("rt", ["n", "y"])
def test_a_trylock_of_either_type_leaves_interrupts_as_they_were(design: str, rt: str) -> None:
    async def script(k: Kernel) -> None:
        cpu, zone = k.machine.this_cpu, k.machine.pages.zone
        off = rt == "n" or design == "raw-zone-lock"
        flags = await spin_trylock_irqsave(k.machine.system.locks, cpu, zone.lock, "here")
        assert flags is False
        assert k.irqs_disabled() is off
        assert await spin_trylock_irqsave(k.machine.system.locks, cpu, zone.lock, "here") is None
        assert k.irqs_disabled() is off
        await k.zone_unlock_irqrestore(flags)
        assert not k.irqs_disabled()

    assert run(scenario()(script), RunOptions(design=design), PREEMPT_RT=rt).clean


@pytest.mark.parametrize(("kernel", "got"), [("v5.11", False), ("v6.1-stable", True)])
def test_nolock_in_an_nmi(kernel: str, got: bool) -> None:
    """A list without a lock shows an NMI nothing, so there it gets none."""

    async def script(k: Kernel) -> None:
        async def nmi() -> None:
            pages.append(await alloc_pages_nolock(k.machine.pages, k.machine.this_cpu))

        await k.free_page(await k.get_free_page())
        await k.raise_nmi(nmi)
        await k.ndelay(1)

    pages: list[int | None] = []
    assert run(scenario()(script), RunOptions(kernel=kernel)).clean
    assert [page is not None for page in pages] == [got]


def test_nolock_in_an_nmi_of_who_holds_the_list_or_the_zone() -> None:
    """Re-entrant: it finds both locks taken by the thread that it has interrupted, and gets nothing."""

    async def script(k: Kernel) -> None:
        async def nmi() -> None:
            pages.append(await alloc_pages_nolock(k.machine.pages, k.machine.this_cpu))

        await k.drain_local_pages()
        flags = await k.zone_lock_irqsave()
        await k.raise_nmi(nmi)
        await k.ndelay(1)
        await k.zone_unlock_irqrestore(flags)
        await k.raise_nmi(nmi)
        await k.ndelay(1)

    pages: list[int | None] = []
    one = Run(scenario()(script), RunOptions(kernel="v6.1-stable", settings=PROVE))
    assert one.run().clean
    assert [page is not None for page in pages] == [False, True]


def test_fault_injection_spares_nolock() -> None:
    """prepare_alloc_pages() leaves should_fail_alloc_page() out with ALLOC_TRYLOCK."""

    async def script(k: Kernel) -> None:
        assert await k.get_free_page() is None
        assert await alloc_pages_nolock(k.machine.pages, k.machine.this_cpu) is not None

    assert run(scenario()(script), fail_page_alloc="100").clean
