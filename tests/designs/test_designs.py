"""The ways to get a page, and what each is reported for (rcuactors/designs)."""

from __future__ import annotations

import pytest

from rcuactors import BadInput, Kernel, Run, RunOptions, run, scenario
from rcuactors.builds import BUILDS
from rcuactors.designs import DESIGNS, make_design
from rcuactors.mm.gfp import GFP_KERNEL


async def one_call_from_a_cold_cpu(k: Kernel) -> None:
    objects = [await k.kmalloc(64) for _ in range(3)]
    await k.cold_caches()
    for p in objects:
        await k.kvfree_rcu(p, "rcu")


@pytest.mark.parametrize(
    ("design", "build", "expected"),
    [
        ("direct", "plain", "clean"),
        ("direct", "prove", "invalid-wait-context"),
        ("direct", "rt", "sleeping-function"),
        ("skip-on-rt", "plain", "clean"),
        ("skip-on-rt", "prove", "invalid-wait-context"),
        ("skip-on-rt", "rt", "clean"),
        ("hrtimer-work", "plain", "clean"),
        ("hrtimer-work", "prove", "clean"),
        ("hrtimer-work", "rt", "clean"),
    ],
)
def test_what_each_design_is_reported_for(design: str, build: str, expected: str) -> None:
    result = run(
        scenario()(one_call_from_a_cold_cpu), RunOptions(kernel="v5.9", design=design), **BUILDS[build].settings
    )
    assert result.outcome() == expected
    assert result.design == design


def test_where_the_page_comes_from() -> None:
    figures = {
        design: run(scenario()(one_call_from_a_cold_cpu), RunOptions(kernel="v5.9", design=design)).counters
        for design in DESIGNS
    }
    for design in ("direct", "skip-on-rt"):
        assert (figures[design]["caller_pages"], figures[design]["refills_asked"]) == (1, 0)
        assert figures[design]["bulk_objects"] == 3
    hrtimer = figures["hrtimer-work"]
    assert (hrtimer["caller_pages"], hrtimer["refills_asked"], hrtimer["fallbacks_list"] >= 1) == (0, 1, True)


def test_the_zones_lock_is_held_by_the_caller_self_deadlock_of_the_direct_allocation() -> None:
    """Why no kind of zone->lock would have saved the direct allocation: the caller may hold it."""

    async def script(k: Kernel) -> None:
        p = await k.kmalloc(64)
        await k.cold_caches()
        await k.spin_lock(k.zone_lock())
        await k.kvfree_rcu(p, "rcu")
        await k.spin_unlock(k.zone_lock())

    direct = run(scenario()(script), RunOptions(kernel="v5.9"), PROVE_LOCKING="n")
    assert direct.outcome() == "deadlock"
    assert "&zone->lock, held by itself" in direct.violations[0].text
    assert run(scenario()(script), RunOptions(kernel="v5.11")).clean


@pytest.mark.parametrize("name", sorted(DESIGNS))
def test_each_says_what_it_is(name: str) -> None:
    design = make_design(name)
    assert design.name == name
    assert design.about


def test_an_unknown_design_is_bad_input() -> None:
    with pytest.raises(BadInput) as caught:
        run(scenario()(one_call_from_a_cold_cpu), RunOptions(design="mempool"))
    assert "mempool" in str(caught.value)
    assert "hrtimer-work" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_design_of_ones_own() -> None:
    """An object with the two methods of the protocol: here a reserve that is never refilled."""

    class Reserve:
        name = "reserve"
        about = "four pages, set aside"

        def __init__(self) -> None:
            self.pages: list[int] = []

        async def get_page(self, _kvfree, _cpu, _krcp) -> int | None:
            return self.pages.pop() if self.pages else None

        async def missed(self, kvfree, _cpu, _krcp) -> None:
            kvfree.figures.refills_asked += 1

    reserve = Reserve()

    async def script(k: Kernel) -> None:
        for _ in range(4):
            reserve.pages.append(await k.machine.pages.get_free_page(k.machine.current, GFP_KERNEL))
        objects = [await k.kmalloc(64) for _ in range(510 * 5)]
        for p in objects:
            await k.kvfree_rcu(p, "rcu")

    one = Run(scenario()(script), RunOptions(design=reserve), kernel="v5.11")
    result = one.run()
    assert result.clean
    assert result.design == "reserve"
    assert result.counters["fallbacks_list"] == result.counters["refills_asked"] == 510
    assert result.counters["bulk_sizes_in_order"] == [510] * 4
