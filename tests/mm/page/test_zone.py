"""The zone and the page lists of the CPUs (rcuactors/mm/page/zone.py, pcplist.py)."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rcuactors import GFP_ATOMIC, GFP_KERNEL, GFP_NOWAIT, Kernel, Run, RunOptions, ViolationKind, run, scenario
from rcuactors.eras import ERAS
from rcuactors.machine import Machine
from rcuactors.mm.page.zone import zone_batchsize


def accounted(machine: Machine) -> int:
    """Free in the zone, on the lists, in use, and set aside for the caches of CPUs that do not exist yet."""
    zone = machine.pages.zone.statistics()
    return zone.free + zone.listed + zone.in_use + zone.set_aside


@pytest.mark.parametrize(
    ("mib", "batch"),
    [(4, 0), (8, 0), (31, 0), (32, 1), (64, 3), (128, 7), (256, 15), (512, 31), (1024, 63), (4096, 63), (65536, 63)],
)
def test_batch_size(mib: int, batch: int) -> None:
    assert zone_batchsize(mib << 8) == batch


def test_a_big_zone_has_a_batch_of_63_and_a_limit_of_378() -> None:
    async def script(k: Kernel) -> None:
        zone = k.machine.pages.zone
        assert (zone.batch, zone.high) == (63, 378)
        assert zone.managed == 1 << 18
        # min_free_kbytes of 1 GiB: 4 * sqrt(1 GiB in KiB) = 4096 KiB
        assert (zone.watermark_min, zone.watermark_low, zone.watermark_high) == (1024, 1280, 1536)

    assert run(scenario()(script), mem="1G", kernel="v5.11").clean


def test_the_list_is_refilled_when_it_is_empty_and_drained_when_it_is_too_long() -> None:
    async def script(k: Kernel) -> None:
        zone = k.machine.pages.zone
        await k.drain_local_pages()
        refills, drains, free = zone.refills, zone.drains, zone.free
        taken = [await k.get_free_page() for _ in range(63)]
        assert (zone.refills - refills, free - zone.free) == (1, 63)
        taken.append(await k.get_free_page())
        assert (zone.refills - refills, free - zone.free) == (2, 126)
        taken += [await k.get_free_page() for _ in range(400 - 64)]
        pages = zone.list_of(k.machine.this_cpu).pages
        while len(pages) < 377:
            await k.free_page(taken.pop())
        assert zone.drains == drains
        await k.free_page(taken.pop())
        assert (zone.drains - drains, len(pages)) == (1, 378 - 63)
        for pfn in taken:
            await k.free_page(pfn)
        assert accounted(k.machine) == zone.managed

    assert run(scenario()(script), mem="1G", kernel="v5.11").clean


def test_the_page_freed_last_is_given_out_first() -> None:
    async def script(k: Kernel) -> None:
        first, second = await k.get_free_page(), await k.get_free_page()
        await k.free_page(first)
        await k.free_page(second)
        assert [await k.get_free_page(), await k.get_free_page()] == [second, first]
        await k.free_page(first)
        await k.free_page(second)

    assert run(scenario()(script)).clean


def test_pcp_batch_can_be_set() -> None:
    async def script(k: Kernel) -> None:
        await k.drain_local_pages()
        before = k.nr_free_pages()
        await k.free_page(await k.get_free_page())
        assert before - k.nr_free_pages() == 5

    assert run(scenario()(script), pcp_batch="5").clean


@pytest.mark.parametrize("gfp", [GFP_NOWAIT, GFP_ATOMIC])
@pytest.mark.parametrize("context", ["raw_spin", "hardirq"])
def test_the_zones_lock_is_reported_under_a_raw_lock_only_when_the_list_must_be_refilled(
    run_in, gfp, context: str
) -> None:
    """Recorded on a real 6.1 kernel: the first page from a filled list is silent, the forced refill is reported."""

    async def script(k: Kernel, empty: bool = False) -> None:
        async def allocate() -> None:
            await k.free_page(await k.get_free_page(gfp))

        await allocate()
        if empty:
            await k.drain_local_pages()
        await run_in(k, context, allocate)

    prove = {"kernel": "v6.1-stable", "PROVE_RAW_LOCK_NESTING": "y"}
    assert run(scenario()(script), **prove).clean
    result = run(scenario()(script), **prove, empty="y")
    assert result.outcome() == "invalid-wait-context"
    assert "(&zone->lock)" in result.violations[0].text
    # Lockdep of v5.11 looks at no lock that is the first one, and there the zone's is.
    older = run(scenario()(script), kernel="v5.11", PROVE_RAW_LOCK_NESTING="y", empty="y").outcome()
    assert older == ("clean" if context == "hardirq" else "invalid-wait-context")
    assert run(scenario()(script), empty="y").clean


def test_a_page_that_is_freed_twice_is_reported_and_the_run_goes_on() -> None:
    async def script(k: Kernel) -> None:
        pfn = await k.get_free_page()
        await k.free_page(pfn)
        await k.free_page(pfn)
        assert accounted(k.machine) == k.machine.pages.zone.managed

    result = run(scenario()(script))
    assert [violation.kind for violation in result.violations] == [ViolationKind.DOUBLE_FREE]
    assert result.violations[0].title.startswith("BUG: Bad page state in process script")


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 1 << 30),
    cpus=st.integers(1, 3),
    mem=st.sampled_from(["4M", "8M", "512M"]),
    rt=st.sampled_from(["y", "n"]),
    kernel=st.sampled_from(list(ERAS)),
)
def test_no_page_is_ever_lost_or_given_out_twice(seed: int, cpus: int, mem: str, rt: str, kernel: str) -> None:
    async def script(k: Kernel) -> None:
        held: set[int] = set()

        async def work(seed: int) -> None:
            rng = random.Random(seed)
            mine: list[int] = []
            for _ in range(150):
                if mine and rng.random() < 0.4:
                    pfn = mine.pop(rng.randrange(len(mine)))
                    held.remove(pfn)
                    await k.free_page(pfn)
                elif rng.random() < 0.05:
                    await k.drain_local_pages()
                elif (pfn := await k.get_free_page(rng.choice([GFP_NOWAIT, GFP_ATOMIC, GFP_KERNEL]))) is not None:
                    assert pfn not in held
                    held.add(pfn)
                    mine.append(pfn)
            for pfn in mine:
                held.remove(pfn)
                await k.free_page(pfn)

        rng = random.Random(seed)
        async with k.open_nursery() as nursery:
            for _ in range(2 * cpus):
                await nursery.start_soon(work, rng.getrandbits(30), cpu=rng.randrange(cpus))

    options = RunOptions(
        kernel=kernel, seed=seed, events=False, settings={"nr_cpus": str(cpus), "mem": mem, "PREEMPT_RT": rt}
    )
    one = Run(scenario()(script), options)
    assert one.run().outcome() in ("clean", "out-of-memory")
    assert accounted(one.machine) == one.machine.pages.zone.managed
    zone = one.machine.pages.zone
    assert zone.allocated - zone.freed == len(zone.in_use)


def test_a_cpu_that_goes_gives_its_list_back() -> None:
    """page_alloc_cpu_dead(). The other CPU's list stays."""

    async def script(k: Kernel) -> None:
        async def fill() -> None:
            await k.free_page(await k.get_free_page())

        await fill()
        await k.kthread_run(fill, cpu=1)
        await k.msleep(1)
        zone = k.machine.pages.zone
        before = zone.statistics()
        listed = len(zone.list_of(k.machine.system.cpu(1)).pages)
        assert 0 < listed < before.listed
        await zone.page_alloc_cpu_dead(k.machine.current, 1)
        after = zone.statistics()
        assert (after.listed, after.free) == (before.listed - listed, before.free + listed)
        # They are the zone's, each of them once.
        pages = [await k.get_free_page() for _ in range(after.listed + listed)]
        assert len(set(pages)) == len(pages)
        for page in pages:
            await k.free_page(page)

    assert run(scenario()(script)).clean


def test_what_user_space_leaves_on_a_cpu_s_lists_is_taken_from_the_zone_and_given_back() -> None:
    """So many in all; no more than are free, and what is too many goes back."""

    async def script(k: Kernel) -> None:
        zone, cpu = k.machine.pages.zone, k.machine.current.cpu
        pages, free = zone.list_of(cpu), zone.free
        for count, others in ((0, 0), (5, 5), (5, 5), (9, 9), (2, 2), (1 << 40, free), (3, 3), (0, 0)):
            zone.leave_on_lists(cpu, count)
            assert (pages.others, zone.free) == (others, free - others)
            assert accounted(k.machine) == zone.managed
        zone.leave_on_lists(cpu, 4)
        taken = [await k.get_free_page() for _ in range(200)]
        assert len(set(taken)) == 200
        for pfn in taken:
            await k.free_page(pfn)
        zone.leave_on_lists(cpu, 0)
        taken = [await k.get_free_page() for _ in range(200)]
        assert len(set(taken)) == 200, "those that came back are there once"
        for pfn in taken:
            await k.free_page(pfn)

    assert run(scenario()(script), mem="16M").clean
