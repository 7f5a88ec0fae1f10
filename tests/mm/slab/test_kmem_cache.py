"""Caches of one's own (mm/slab/kmem_cache.py)."""

from __future__ import annotations

from typing import Any

import pytest

from rcuactors import Kernel, Result, RunOptions, run, scenario
from rcuactors.context.trace import keep_trace
from rcuactors.eras import ERAS
from rcuactors.errors import BadInput
from rcuactors.mm.objects import KasanTrack


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
    if kernel in {"v6.18", "v7.3"}:
        # Its barrier flushes sheaves, and rcu_barrier() waits for what that leaves to call_rcu(), and for all else.
        assert unload(kernel, barrier=False, settings=settings).clean
        return
    (found,) = unload(kernel, barrier=False, settings=settings).violations
    assert (found.kind.value, found.by) == ("leak", "kernel")
    where = "" if kernel == "v6.12" else " in inode_cache"
    assert found.title == f"BUG inode_cache (Not tainted): Objects remaining{where} on __kmem_cache_shutdown()"
    assert "kmem_cache_destroy inode_cache: Slab cache still has objects" in found.text
    assert ("still has objects when called from script (" in found.text) == (kernel not in {"v5.9", "v5.11"})


@pytest.mark.parametrize("taken", [0, 1, 2])
def test_who_has_what_remains_is_named_where_all_of_it_is_taken(taken: int) -> None:
    """An object that nobody has is a leak of the caller's own, whatever else is under way."""

    @scenario()
    async def script(k: Kernel) -> None:
        cache = k.kmem_cache_create("inode_cache", 64)
        objects = [await k.kmem_cache_alloc(cache) for _ in range(2)]
        who = KasanTrack("kworker/0", 1, 0, "kvfree_rcu_drain_ready", keep_trace())
        for p in objects[:taken]:
            assert p is not None
            p.note_taken(who)
        await k.kmem_cache_destroy(cache)

    (found,) = [violation for violation in run(script).violations if "Objects remaining" in violation.title]
    named = "Taken by task kworker/0 on CPU 0 at 1 ns, by kvfree_rcu_drain_ready():" in found.text
    assert named == (taken == 2)


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
        slabs = cache.cache.slabs
        assert slabs == 0
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


@pytest.mark.parametrize("kernel", list(ERAS))
def test_6c6c47b063b5_kmem_cache_destroy_waits_for_kvfree_rcu(kernel: str) -> None:
    """B16: rcu_barrier() in a module's exit does not wait for kvfree_rcu(); since v6.12 kmem_cache_destroy() does."""

    @scenario()
    async def script(k: Kernel) -> None:
        cache = k.kmem_cache_create("foo", 64)
        for _ in range(3):
            await k.kvfree_rcu(await k.kmem_cache_alloc(cache), "rcu")
        await k.rcu_barrier()
        await k.kmem_cache_destroy(cache)
        stayed.append(not cache.cache.destroyed)

    stayed: list[bool] = []
    result = run(script, RunOptions(kernel=kernel))
    waits = kernel in {"v6.12.0", "v6.12", "v6.18", "v7.3"}
    assert result.outcome() == ("clean" if waits else "leak")
    assert stayed == [not waits]


@pytest.mark.parametrize("kernel", ["v6.6", "v6.12"])
def test_nothing_is_listed_of_slabs_that_are_full(kernel: str) -> None:
    """list_slab_objects() sees the node's list of partial slabs; who has left 4,096-byte objects finds a WARN only."""

    @scenario()
    async def script(k: Kernel) -> None:
        cache = k.kmem_cache_create("foo", 4096)
        p = await k.kmem_cache_alloc(cache)
        await k.kmem_cache_destroy(cache)
        await k.kmem_cache_destroy(cache)
        await k.kmem_cache_free(cache, p)

    (found,) = run(script, RunOptions(kernel=kernel)).violations
    assert found.title.startswith("WARNING: kmem_cache_destroy foo: Slab cache still has objects when called from ")


@pytest.mark.parametrize("kernel", list(ERAS))
def test_a_cache_that_shrinks_gives_its_empty_slabs_back(kernel: str) -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        cache = k.kmem_cache_create("foo", 1024)
        objects = [await k.kmem_cache_alloc(cache) for _ in range(40)]
        assert not await k.kmem_cache_shrink(cache)
        for p in objects[1:]:
            await k.kmem_cache_free(cache, p)
        assert not await k.kmem_cache_shrink(cache)
        slabs = cache.cache.slabs
        assert slabs == 1
        await k.kmem_cache_free(cache, objects[0])
        assert await k.kmem_cache_shrink(cache)
        await k.kmem_cache_destroy(cache)

    assert run(script, RunOptions(kernel=kernel)).clean


@pytest.mark.parametrize("function", ["create", "destroy", "shrink"])
def test_caches_are_made_and_go_where_one_may_sleep(function: str) -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        cache = k.kmem_cache_create("foo", 64)
        k.preempt_disable()
        if function == "create":
            k.kmem_cache_create("bar", 64)
        else:
            await (k.kmem_cache_destroy if function == "destroy" else k.kmem_cache_shrink)(cache)
        await k.preempt_enable()

    result = run(script, DEBUG_ATOMIC_SLEEP="y")
    assert "sleeping-function" in result.outcome()


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

    (found,) = run(script, RunOptions(kernel="v6.1-stable"), slub_debug="y").violations
    assert (found.title, found.by) == ("BUG kmalloc (Not tainted): Object already free", "kernel")


@pytest.mark.parametrize("size", [0, 5000])
def test_sizes_that_a_page_cannot_hold(size: int) -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        k.kmem_cache_create("foo", size)

    with pytest.raises(BadInput, match=rf"kmem_cache_create\('foo', {size}\): needs 1 to 4096 bytes"):
        run(script)
