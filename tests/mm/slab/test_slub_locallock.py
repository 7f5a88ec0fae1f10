"""The slab allocator of v6.1: &c->lock and partial slabs (rcuactors/mm/slub_locallock.py)."""

from __future__ import annotations

import pytest

from rcuactors import GFP_ATOMIC, GFP_NOWAIT, Kernel, RunOptions, run, scenario
from rcuactors.mm.slab.cache import MIN_PARTIAL, SIZES, Cache, CpuSlab
from rcuactors.mm.slab.slub_locallock import cpu_partial_slabs

V6_1 = RunOptions(kernel="v6.1-stable")
PROVE = {"PROVE_RAW_LOCK_NESTING": "y"}
SIZE = 1024
PER_SLAB = 4


def cache_of(k: Kernel, size: int = SIZE) -> Cache:
    return k.machine.slab.cache_for(size)


def mine_of(k: Kernel, size: int = SIZE) -> CpuSlab:
    return cache_of(k, size).cpus[k.machine.this_cpu.cpu_id]


def consistent(k: Kernel, size: int = SIZE) -> None:
    """Every slab is in exactly one place, and its objects are counted."""
    cache = cache_of(k, size)
    places = [slab for cpu in cache.cpus.values() for slab in ([cpu.slab] if cpu.slab else []) + cpu.partial]
    assert all(slab.frozen and not slab.listed for slab in places)
    assert len(set(map(id, places))) == len(places)
    for slab in cache.partial.values():
        assert slab.listed
        assert not slab.frozen
        assert len(slab.free) == cache.per_slab - slab.in_use
    for cpu in cache.cpus.values():
        for slab in cpu.partial:
            assert len(slab.free) == cache.per_slab - slab.in_use > 0
        if cpu.slab is not None:
            assert len(cpu.slab.free) + len(cpu.free) == cache.per_slab - cpu.slab.in_use


@pytest.mark.parametrize("context", ["raw_spin_irqsave", "hardirq"])
@pytest.mark.parametrize(
    ("what", "reported"),
    [
        ("kmalloc", False),
        ("kmalloc many", True),
        ("kfree", False),
        ("kfree many", True),
        ("kmalloc elsewhere", True),
        ("kfree elsewhere", False),
    ],
)
def test_what_takes_the_cpus_lock(run_in, context: str, what: str, reported: bool) -> None:
    """Recorded: an object off the CPU's list is silent, a loop is not; on a CPU without a slab the first one is not.

    An object that lies in another CPU's slab goes back without a lock.
    """

    async def script(k: Kernel) -> None:
        await k.kfree(await k.kmalloc(SIZE))
        await k.free_page(await k.get_free_page())
        objects = [await k.kmalloc(SIZE) for _ in range(1 if what in ("kfree", "kfree elsewhere") else 30)]

        async def action() -> None:
            if what.startswith("kfree"):
                while objects:
                    await k.kfree(objects.pop())
            else:
                objects.extend([await k.kmalloc(SIZE, GFP_NOWAIT) for _ in range(30 if what.endswith("many") else 1)])

        async def elsewhere() -> None:
            await k.free_page(await k.get_free_page())
            await run_in(k, context, action)

        if what == "kmalloc":
            await k.kfree(objects.pop())
        if what.endswith("elsewhere"):
            await k.kthread_join(await k.kthread_run(elsewhere, cpu=1))
        else:
            await run_in(k, context, action)
        await k.udelay(100)
        for p in objects:
            await k.kfree(p)
        consistent(k)

    result = run(scenario()(script), V6_1, **PROVE)
    if reported:
        assert result.outcome() == "invalid-wait-context"
        assert "(&c->lock)" in result.violations[0].text.partition("other info")[0]
    else:
        assert result.clean
    assert run(scenario()(script), V6_1).clean


def test_the_lock_is_taken_with_interrupts_off_and_preempt_count_is_the_pins_alone() -> None:
    async def script(k: Kernel) -> None:
        acquire, seen = k.machine.system.lockdep.acquire, []

        def watch(cpu, lock, **how) -> None:
            if lock.name == "&c->lock":
                seen.append((cpu.ctx.irqs_disabled, cpu.ctx.preempt_count))
            acquire(cpu, lock, **how)

        k.machine.system.lockdep.acquire = watch  # type: ignore[method-assign]
        objects = [await k.kmalloc(SIZE) for _ in range(PER_SLAB + 1)]
        assert seen
        assert set(seen) == {(True, 1)}
        seen.clear()
        await k.kfree(objects[0])
        # put_cpu_partial() does not pin.
        assert seen == [(True, 0)]
        for p in objects[1:]:
            await k.kfree(p)
        assert (k.preempt_count(), k.irqs_disabled()) == (0, False)

    assert run(scenario()(script), V6_1).clean


@pytest.mark.parametrize(("size", "slabs"), [(8, 1), (64, 4), (256, 7), (512, 13), (1024, 12), (2048, 24), (4096, 12)])
def test_how_many_partial_slabs_a_cpu_keeps(size: int, slabs: int) -> None:
    assert cpu_partial_slabs(Cache("c", size, None, None)) == slabs


def test_slabs_that_were_full_go_to_the_cpus_list_and_from_there_to_the_node() -> None:
    async def script(k: Kernel) -> None:
        keeps = cpu_partial_slabs(cache_of(k))
        objects = [await k.kmalloc(SIZE) for _ in range(PER_SLAB * (keeps + 3))]
        full = objects[: PER_SLAB * (keeps + 2)]
        for index in range(keeps):
            await k.kfree(full[index * PER_SLAB])
            assert len(mine_of(k).partial) == index + 1
        assert not cache_of(k).partial
        await k.kfree(full[keeps * PER_SLAB])
        # The list was long enough: all of it has gone to the node.
        assert len(mine_of(k).partial) == 1
        assert len(cache_of(k).partial) == keeps
        consistent(k)
        for index, p in enumerate(full):
            if index % PER_SLAB or index > keeps * PER_SLAB:
                await k.kfree(p)
        for p in objects[len(full) :]:
            await k.kfree(p)
        consistent(k)
        assert len(cache_of(k).partial) <= keeps
        assert all(slab.in_use == 0 for slab in cache_of(k).partial.values())

    assert run(scenario()(script), V6_1).clean


def test_partial_slabs_are_used_again_newest_first_before_the_nodes() -> None:
    async def script(k: Kernel) -> None:
        objects = [await k.kmalloc(SIZE) for _ in range(PER_SLAB * 4)]
        older, newer = objects[1], objects[PER_SLAB + 1]
        await k.kfree(older)
        await k.kfree(newer)
        rest = [await k.kmalloc(SIZE) for _ in range(2)]
        assert [p.address for p in rest] == [newer.address, older.address]
        for p in [*objects, *rest]:
            if p not in (older, newer):
                await k.kfree(p)

    assert run(scenario()(script), V6_1).clean


def test_from_the_node_a_cpu_takes_some_to_keep() -> None:
    async def script(k: Kernel) -> None:
        keeps = cpu_partial_slabs(cache_of(k))
        objects = [await k.kmalloc(SIZE) for _ in range(PER_SLAB * (keeps + 2))]
        for p in objects[: PER_SLAB * (keeps + 1) : PER_SLAB]:
            await k.kfree(p)
        assert len(cache_of(k).partial) == keeps

        async def elsewhere() -> None:
            kept.append(await k.kmalloc(SIZE))
            assert len(mine_of(k).partial) == keeps // 2 + 1
            assert len(cache_of(k).partial) == keeps - 1 - (keeps // 2 + 1)
            consistent(k)

        kept: list = []
        await k.kthread_join(await k.kthread_run(elsewhere, cpu=1))
        gone = set(map(id, objects[: PER_SLAB * (keeps + 1) : PER_SLAB]))
        for p in [*objects, *kept]:
            if id(p) not in gone:
                await k.kfree(p)
        consistent(k)

    assert run(scenario()(script), V6_1).clean


def test_what_others_freed_into_the_cpus_slab_is_found_there() -> None:
    async def script(k: Kernel) -> None:
        objects = [await k.kmalloc(SIZE) for _ in range(PER_SLAB)]
        slabs = cache_of(k).slabs

        async def free() -> None:
            for p in objects[:2]:
                await k.kfree(p)

        await k.kthread_join(await k.kthread_run(free, cpu=1))
        # Neither is on this CPU's list yet: get_freelist() takes both.
        assert not mine_of(k).free
        again = [await k.kmalloc(SIZE) for _ in range(2)]
        assert {p.address for p in again} == {p.address for p in objects[:2]}
        assert cache_of(k).slabs == slabs
        for p in [*objects[2:], *again]:
            await k.kfree(p)

    assert run(scenario()(script), V6_1).clean


def test_an_interrupt_that_fills_the_cpus_place_meanwhile() -> None:
    async def script(k: Kernel) -> None:
        pages = k.machine.pages
        get = pages.get_free_page

        async def handler() -> None:
            mine.append(await k.kmalloc(SIZE, GFP_ATOMIC))

        async def get_free_page(*request) -> int | None:
            pfn = await get(*request)
            if len(mine) < 1:
                mine.append(None)
                await k.raise_irq(handler)
                await k.udelay(10)
            return pfn

        mine: list = []
        pages.get_free_page = get_free_page  # type: ignore[method-assign]
        p = await k.kmalloc(SIZE)
        # The interrupt's slab was put away, onto the node's list.
        assert len(cache_of(k).partial) == 1
        assert p.address not in (q.address for q in mine[1:])
        consistent(k)
        for q in [p, *mine[1:]]:
            await k.kfree(q)

    assert run(scenario()(script), V6_1).clean


def test_a_slab_of_one_object_goes_back_when_the_node_has_enough() -> None:
    async def script(k: Kernel) -> None:
        zone = k.machine.pages.zone
        before = len(zone.in_use)
        objects = [await k.kmalloc(SIZES[-1]) for _ in range(100)]
        assert len(zone.in_use) - before == 100
        for p in objects:
            await k.kfree(p)
        consistent(k, SIZES[-1])
        cache = cache_of(k, SIZES[-1])
        # The CPU's slab, its list, and what the node keeps.
        assert len(zone.in_use) - before == cache.slabs <= 1 + cpu_partial_slabs(cache) + MIN_PARTIAL
        assert len(cache.partial) == MIN_PARTIAL

    assert run(scenario()(script), V6_1).clean


def test_on_rt_there_is_no_lockless_way() -> None:
    """kmalloc() with an object at hand, and kfree() into the CPU's own slab, both take the sleeping local_lock."""

    async def script(k: Kernel, what: str = "kmalloc") -> None:
        p, q = await k.kmalloc(SIZE), await k.kmalloc(SIZE)
        await k.kfree(q)
        k.preempt_disable()
        if what == "kmalloc":
            q = await k.kmalloc(SIZE, GFP_NOWAIT)
        else:
            await k.kfree(p)
        await k.preempt_enable()
        await k.kfree(q if what == "kmalloc" else None)
        if what == "kmalloc":
            await k.kfree(p)

    for what in ("kmalloc", "kfree"):
        rt = {"PREEMPT_RT": "y", "DEBUG_ATOMIC_SLEEP": "y"}
        assert run(scenario()(script), V6_1, what=what, **rt).outcome() == "sleeping-function"
        assert run(scenario()(script), V6_1, what=what, DEBUG_ATOMIC_SLEEP="y").clean
        # Older kernels, with the patches of their time, have it lockless there too.
        assert run(scenario()(script), RunOptions(kernel="v5.11"), what=what, **rt).clean


def test_on_rt_two_threads_of_a_cpu_take_turns() -> None:
    async def script(k: Kernel) -> None:
        live: set[int] = set()

        async def worker() -> None:
            mine = []
            for _ in range(120):
                p = await k.kmalloc(SIZE)
                assert p.address not in live
                live.add(p.address)
                mine.append(p)
                if len(mine) > 7:
                    gone = mine.pop(0)
                    live.remove(gone.address)
                    await k.kfree(gone)
            for p in mine:
                live.remove(p.address)
                await k.kfree(p)

        async with k.open_nursery() as nursery:
            for index in range(6):
                await nursery.start_soon(worker, cpu=index % 2, urgent=index > 3)
        consistent(k)

    for seed in range(5):
        for rt in ("y", "n"):
            options = RunOptions(kernel="v6.1-stable", seed=seed, events=False)
            assert run(scenario()(script), options, PREEMPT_RT=rt, **PROVE).clean
