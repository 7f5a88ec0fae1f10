"""Caches of one's own (mm/slab/kmem_cache.py)."""

from __future__ import annotations

from typing import Any

import pytest

from rcuactors import Kernel, Result, RunOptions, run, scenario
from rcuactors.eras import ERAS
from rcuactors.errors import BadInput


def unload(kernel: str, *, barrier: bool, settings: dict[str, str] | None = None) -> Result:
    """A module's objects are freed by RCU, and its cache goes with it."""

    @scenario()
    async def script(k: Kernel) -> None:
        cache = k.kmem_cache_create("inode_cache", k.struct("inode", number=0, rcu=k.rcu_head))

        async def i_callback(p: Any) -> None:
            await k.kmem_cache_free(cache, p)

        for number in range(40):
            p = await k.kmem_cache_alloc(cache)
            p.number = number
            await k.call_rcu(p.rcu, i_callback)
        if barrier:
            await k.rcu_barrier()
        await k.kmem_cache_destroy(cache)
        await k.rcu_barrier()

    return run(script, RunOptions(kernel=kernel, settings=settings or {}))


@pytest.mark.parametrize("rt", ["n", "y"])
@pytest.mark.parametrize("kernel", list(ERAS))
def test_objects_remain_when_the_cache_goes_before_the_callbacks(kernel: str, rt: str) -> None:
    settings = {"PREEMPT_RT": rt}
    result = unload(kernel, barrier=True, settings=settings)
    assert result.clean
    (found,) = unload(kernel, barrier=False, settings=settings).violations
    assert (found.kind.value, found.by) == ("leak", "kernel")
    assert found.title == ("BUG inode_cache (Not tainted): Objects remaining in inode_cache on __kmem_cache_shutdown()")
    assert "kmem_cache_destroy inode_cache: Slab cache still has objects" in found.text
    assert ("still has objects when called from script (" in found.text) == (kernel not in {"v5.9", "v5.11"})


@pytest.mark.parametrize("kernel", list(ERAS))
def test_a_cache_that_goes_gives_all_its_pages_back(kernel: str) -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        async def some(cache: Any) -> None:
            objects = [await k.kmem_cache_alloc(cache) for _ in range(100)]
            for p in objects:
                await k.kmem_cache_free(cache, p)

        await k.drain_local_pages()
        before = k.nr_free_pages() + k.pcp_count()
        cache = k.kmem_cache_create("foo", 200)
        async with k.open_nursery() as nursery:
            await nursery.start_soon(some, cache, cpu=1)
            await some(cache)
        assert k.machine.statistics().slab.slabs > 0
        await k.kmem_cache_destroy(cache)
        assert cache.cache.slabs == 0
        # Where every cache has sheaves, these take memory of kmalloc()'s.
        taken = k.machine.statistics().slab.slabs
        assert taken <= (kernel == "v7.3")
        zone = k.machine.pages.zone
        assert zone.free + sum(len(zone.list_of(k.machine.system.cpu(cpu)).pages) for cpu in (0, 1)) == before - taken

    assert run(script, RunOptions(kernel=kernel)).clean


@pytest.mark.parametrize(("slub_debug", "by"), [("y", "kernel"), ("n", "oracle")])
def test_an_object_of_another_cache(slub_debug: str, by: str) -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        one, other = k.kmem_cache_create("one", 64), k.kmem_cache_create("other", 64)
        p, q = await k.kmem_cache_alloc(one), await k.kmalloc(64)
        await k.kmem_cache_free(other, p)
        await k.kmem_cache_free(one, q)
        await k.kmem_cache_destroy(one)
        await k.kmem_cache_destroy(other)

    first, second = run(script, slub_debug=slub_debug).violations
    assert {found.kind.value for found in (first, second)} == {"wrong-free"}
    assert (first.title, first.by) == (
        "WARNING: cache_from_obj: Wrong slab cache. other but object is from one",
        by,
    )
    assert second.title == "WARNING: cache_from_obj: Wrong slab cache. one but object is from kmalloc-64"


def test_a_cache_is_used_after_it_went() -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        cache = k.kmem_cache_create("gone", 64)
        await k.kmem_cache_destroy(cache)
        await k.kmem_cache_destroy(cache)

    result = run(script)
    assert result.outcome() == "use-after-free"
    assert result.violations[0].line.startswith("test_kmem_cache.py:")


def test_who_freed_an_object_of_a_cache() -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        cache = k.kmem_cache_create("foo", 64)
        p = await k.kmem_cache_alloc(cache)
        await k.kmem_cache_free(cache, p)
        k.deref(p)

    text = run(script).violations[0].text
    assert "object allocated at script (test_kmem_cache.py:" in text
    assert "freed by kmem_cache_free() at script (test_kmem_cache.py:" in text


def test_slub_debug_sees_a_second_free() -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(64)
        await k.kfree(p)
        await k.kfree(p)

    (found,) = run(script, slub_debug="y").violations
    assert (found.title, found.by) == ("BUG kmalloc (Not tainted): Object already free", "kernel")


@pytest.mark.parametrize("size", [0, 5000])
def test_sizes_that_a_page_cannot_hold(size: int) -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        k.kmem_cache_create("foo", size)

    with pytest.raises(BadInput, match=rf"kmem_cache_create\('foo', {size}\): needs 1 to 4096 bytes"):
        run(script)
