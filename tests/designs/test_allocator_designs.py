"""The designs that ask the page allocator in the caller's context: where each is legal, with a list that has pages and
with an empty one (rcuactors/designs).

Whatever the caller holds, the design itself runs under krcp->lock, a raw spinlock: so a kernel that checks objects in
every context, or in none.
"""

from __future__ import annotations

import pytest

from rcuactors import BadInput, Gfp, Kernel, Result, Run, RunOptions, run, scenario
from rcuactors.builds import BUILDS, USUAL_BUILDS
from rcuactors.designs import DESIGNS
from rcuactors.lab import contexts as lab

KERNELS = {
    **{name: ("v5.11", BUILDS[name].settings) for name in USUAL_BUILDS},
    "6.1": ("v6.1-stable", BUILDS["prove"].settings),
    "6.1 rt": ("v6.1-stable", BUILDS["rt"].settings),
}
MINE = (
    "raw-zone-lock",
    "no-locks-flag",
    "no-locks-flag-late",
    "lockless",
    "gfp-zero",
    "pcp-peek",
    "alloc-pages-nolock",
)
CLEAN = ("clean", "clean")
SLEEPS = "sleeping-function"

# (with pages on the list, with an empty one), where that is not clean; the same in every context of CONTEXTS.
REPORTED = {
    ("raw-zone-lock", "rt"): (SLEEPS, SLEEPS),
    ("no-locks-flag-late", "rt"): (SLEEPS, SLEEPS),
    ("pcp-peek", "rt"): (SLEEPS, "clean"),
    ("direct", "prove"): ("clean", "invalid-wait-context"),
    ("direct", "rt"): (SLEEPS, SLEEPS),
    ("direct", "6.1"): ("clean", "invalid-wait-context"),
    ("direct", "6.1 rt"): ("clean", SLEEPS),
}


CONTEXTS = ("process", "preempt_disable", "irq_disable", "raw_spin", "hardirq")


def one_call(design: str, kernel: str, context: str, *, filled: bool, **settings: str) -> Result:
    """One kvfree_rcu() in the context, with the caches cold and the CPU's list as told."""

    async def script(k: Kernel) -> None:
        p = await k.kmalloc(64)

        async def body() -> None:
            await k.kvfree_rcu(p, "rcu")

        await k.cold_caches()
        if filled:
            await k.free_page(await k.get_free_page())
        assert (k.pcp_count() > 0) is filled
        await lab.CONTEXTS[context].enter(k, body)

    version, build = KERNELS[kernel]
    return run(scenario()(script), RunOptions(kernel=version, design=design), **{**build, **settings})


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("design", ["direct", *MINE])
def test_where_it_is_legal(design: str, kernel: str, context: str) -> None:
    """On PREEMPT_RT lockdep speaks first of a sleeping lock in hardirq, which threads have taken, too."""
    outcomes = [one_call(design, kernel, context, filled=filled).outcome() for filled in (True, False)]
    found = tuple(outcome.removeprefix("inconsistent-lock-state, ") for outcome in outcomes)
    assert found == REPORTED.get((design, kernel), CLEAN)


@pytest.mark.parametrize(
    ("design", "filled", "empty"),
    [
        ("raw-zone-lock", 1, 1),
        ("no-locks-flag", 1, 0),
        ("no-locks-flag-late", 1, 0),
        ("lockless", 1, 0),
        ("gfp-zero", 1, 0),
        ("pcp-peek", 1, 0),
        ("alloc-pages-nolock", 1, 1),
    ],
)
@pytest.mark.parametrize("kernel", ["prove", "6.1"])
def test_whether_there_is_a_page_under_a_raw_lock(design: str, filled: int, empty: int, kernel: str) -> None:
    """Without one the object goes to the rcu_head list, and nothing is reported."""
    for has_pages, expected in ((True, filled), (False, empty)):
        counters = one_call(design, kernel, "raw_spin", filled=has_pages).counters
        assert (counters["caller_pages"], counters["fallbacks_list"]) == (expected, 1 - expected)


@pytest.mark.parametrize("design", MINE)
def test_they_come_in_the_order_of_the_facts_and_the_worker_is_not_asked(design: str) -> None:
    assert [name for name in DESIGNS if name in MINE] == list(MINE)
    assert one_call(design, "plain", "process", filled=False).counters["refills_asked"] == 0


@pytest.mark.parametrize("design", MINE)
def test_no_page_is_lost(design: str) -> None:
    """Bursts on two CPUs, the lists now and then emptied under the design's feet."""

    async def script(k: Kernel) -> None:
        async def burst() -> None:
            for _ in range(4):
                for p in [await k.kmalloc(64) for _ in range(400)]:
                    await k.kvfree_rcu(p, "rcu")
                await k.drain_local_pages()

        async with k.open_nursery() as nursery:
            await nursery.start_soon(burst, cpu=0)
            await nursery.start_soon(burst, cpu=1)

    for kernel in ("v5.11", "v6.1-stable"):
        one = Run(scenario()(script), RunOptions(kernel=kernel, design=design, settings={"pcp_batch": "3"}))
        assert one.run().clean
        zone = one.machine.pages.zone.statistics()
        assert zone.free + zone.listed + zone.in_use == zone.managed


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("design", "filled", "refused"),
    [
        ("no-locks-flag", True, True),
        ("no-locks-flag", False, True),
        ("no-locks-flag-late", True, False),
        ("no-locks-flag-late", False, True),
    ],
)
@pytest.mark.parametrize("kernel", ["v5.11", "v6.1-stable"])
def test_no_locks_with_reclaim_is_refused_once_it_is_seen(
    design: str, filled: bool, refused: bool, kernel: str
) -> None:
    pages: list[int | None] = []

    async def script(k: Kernel) -> None:
        await k.drain_local_pages()
        if filled:
            await k.free_page(await k.get_free_page())
        for _ in range(2):
            pages.append(await k.get_free_page(Gfp.NO_LOCKS | Gfp.KSWAPD_RECLAIM))
            await k.free_page(pages[-1])

    result = run(scenario()(script), RunOptions(kernel=kernel, design=design))
    assert [page is None for page in pages] == [refused] * 2
    # WARN_ON_ONCE().
    assert [violation.kind.value for violation in result.violations] == ["bad-gfp"] * refused
    if refused:
        assert "gfp_mask=0x800800(GFP_NOWAIT|__GFP_NO_LOCKS)" in result.violations[0].text


def test_the_flag_means_nothing_to_a_kernel_without_it() -> None:
    async def script(k: Kernel) -> None:
        await k.drain_local_pages()
        await k.free_page(await k.get_free_page(Gfp.NO_LOCKS))
        assert k.machine.pages.zone.refills == 1

    assert run(scenario()(script), RunOptions(design="direct")).clean


def test_zone_lock_of_either_type_can_be_held_by_a_scenario() -> None:
    async def script(k: Kernel) -> None:
        flags = await k.zone_lock_irqsave()
        assert k.irqs_disabled()
        assert k.zone_lock().lock_class.kind.value == "raw_spinlock_t"
        await k.zone_unlock_irqrestore(flags)
        assert not k.irqs_disabled()
        with pytest.raises(BadInput, match="raw_spinlock_t"):
            await k.spin_lock(k.zone_lock())

    for rt in "yn":
        assert run(scenario()(script), RunOptions(design="raw-zone-lock"), PREEMPT_RT=rt).clean
