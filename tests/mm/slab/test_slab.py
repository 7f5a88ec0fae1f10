"""kmalloc() and kfree() (rcuactors/mm/slab.py)."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rcuactors import GFP_NOWAIT, BadInput, Kernel, Run, RunOptions, ViolationKind, run, scenario
from rcuactors.mm.slab.cache import MIN_PARTIAL, SIZES
from rcuactors.mm.slab.slub_locallock import cpu_partial_slabs


@pytest.mark.parametrize(
    ("size", "cache"), [(1, 8), (8, 8), (9, 16), (64, 64), (65, 96), (97, 128), (129, 192), (2049, 4096), (4096, 4096)]
)
def test_a_size_is_served_by_the_next_larger_cache(size: int, cache: int) -> None:
    async def script(k: Kernel) -> None:
        assert k.machine.slab.cache_for(size).size == cache
        p = await k.kmalloc(size)
        assert p is not None
        assert p.size == size
        assert p.address % 8 == 0
        await k.kfree(p)

    assert run(scenario()(script)).clean


@pytest.mark.parametrize("size", [0, -1, 4097, 1 << 20])
def test_other_sizes_are_bad_input(size: int) -> None:
    async def script(k: Kernel) -> None:
        await k.kmalloc(size)

    with pytest.raises(BadInput, match=rf"kmalloc\({size}\).*1 to 4096"):
        run(scenario()(script))


def test_objects_do_not_overlap() -> None:
    async def script(k: Kernel) -> None:
        spans = []
        objects = []
        for size in SIZES * 30:
            p = await k.kmalloc(size)
            objects.append(p)
            spans.append((p.address, p.address + size))
        spans.sort()
        assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))
        for p in objects:
            await k.kfree(p)

    assert run(scenario()(script)).clean


def test_empty_slabs_go_back_to_the_page_allocator() -> None:
    async def script(k: Kernel) -> None:
        zone = k.machine.pages.zone
        before = len(zone.in_use)
        objects = [await k.kmalloc(512) for _ in range(8 * 100)]
        assert len(zone.in_use) - before == 100
        for p in objects:
            await k.kfree(p)
        # The CPU's own slab and MIN_PARTIAL others stay.
        assert len(zone.in_use) - before == MIN_PARTIAL + 1

    assert run(scenario()(script), kernel="v5.11").clean


def test_an_address_is_used_again_and_the_old_pointer_is_still_told_from_the_new() -> None:
    async def script(k: Kernel) -> None:
        old = await k.kmalloc(64)
        await k.kfree(old)
        new = await k.kmalloc(64)
        assert new.address == old.address
        k.deref(new)
        k.deref(old)
        await k.kfree(new)

    assert [violation.kind for violation in run(scenario()(script)).violations] == [ViolationKind.USE_AFTER_FREE]


def test_a_double_kfree_is_reported_and_frees_once() -> None:
    async def script(k: Kernel) -> None:
        p, q = await k.kmalloc(64), await k.kmalloc(64)
        await k.kfree(p)
        await k.kfree(p)
        fresh = [await k.kmalloc(64) for _ in range(10)]
        assert len({item.address for item in [q, *fresh]}) == 11
        for item in [q, *fresh]:
            await k.kfree(item)

    result = run(scenario()(script))
    assert [violation.kind for violation in result.violations] == [ViolationKind.DOUBLE_FREE]
    assert "test_slab.py" in result.violations[0].text


def test_what_is_never_freed_is_a_leak_that_names_the_line() -> None:
    async def script(k: Kernel) -> None:
        for _ in range(3):
            await k.kmalloc(64)

    result = run(scenario()(script))
    assert result.outcome() == "leak"
    assert "3 objects" in result.violations[0].title
    assert "3 allocated at script (test_slab.py:" in result.violations[0].text


def test_kmalloc_fails_when_there_is_no_page() -> None:
    async def script(k: Kernel) -> None:
        assert await k.kmalloc(64, GFP_NOWAIT) is None
        await k.kfree(None)

    assert run(scenario()(script), fail_page_alloc="100").clean


def test_kfree_of_another_cpus_object() -> None:
    async def script(k: Kernel) -> None:
        objects = [await k.kmalloc(64) for _ in range(300)]

        async def free() -> None:
            for p in objects:
                await k.kfree(p)

        await k.kthread_join(await k.kthread_run(free, cpu=1))
        again = [await k.kmalloc(64) for _ in range(300)]
        assert len({p.address for p in again}) == 300
        for p in again:
            await k.kfree(p)

    assert run(scenario()(script)).clean


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 1 << 30),
    cpus=st.integers(1, 3),
    rt=st.sampled_from(["y", "n"]),
    kernel=st.sampled_from(["v5.11", "v6.1-stable"]),
)
def test_no_two_live_objects_share_an_address(seed: int, cpus: int, rt: str, kernel: str) -> None:
    async def script(k: Kernel) -> None:
        live: dict[int, object] = {}
        shared: list = []

        async def work(seed: int) -> None:
            rng = random.Random(seed)
            for _ in range(120):
                if shared and rng.random() < 0.45:
                    p = shared.pop(rng.randrange(len(shared)))
                    del live[p.address]
                    await k.kfree(p)
                else:
                    p = await k.kmalloc(rng.choice([512, 1024, 4096]))
                    assert p.address not in live
                    live[p.address] = p
                    shared.append(p)

        rng = random.Random(seed)
        async with k.open_nursery() as nursery:
            for _ in range(2 * cpus):
                await nursery.start_soon(work, rng.getrandbits(30), cpu=rng.randrange(cpus))
        for p in shared:
            await k.kfree(p)

    settings = {"nr_cpus": str(cpus), "PREEMPT_RT": rt}
    one = Run(scenario()(script), RunOptions(kernel=kernel, seed=seed, events=False, settings=settings))
    assert one.run().clean
    caches = one.machine.slab.caches()
    of_a_cpu = {cache.size: 1 + cpu_partial_slabs(cache) if kernel == "v6.1-stable" else 1 for cache in caches}
    kept = sum(MIN_PARTIAL + cpus * of_a_cpu[cache.size] for cache in caches)
    figures = one.machine.statistics()
    assert figures.slab.slabs == figures.zone.in_use - figures.kvfree.cached_pages
    # What lies half empty on the node's list may be more than that, when many CPUs freed into full slabs.
    empty = [slab for cache in caches for slab in cache.partial.values() if not slab.in_use]
    assert len(empty) <= kept


def test_kfree_bulk_frees_each_object_once_and_refuses_vmalloc_memory() -> None:
    async def script(k: Kernel) -> None:
        objects = [await k.kmalloc(64) for _ in range(200)]
        await k.kfree_bulk(objects)
        await k.kfree_bulk(objects[:1])
        area = await k.vmalloc(4096)
        await k.kfree_bulk([area])
        await k.vfree(area)

    assert run(scenario()(script)).outcome() == "double-free, wrong-free"
