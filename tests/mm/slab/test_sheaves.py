"""Sheaves as the slab's own: v6.18's caches that ask, and v7.3, where every cache has some (rcuactors/mm/slab/)."""

from __future__ import annotations

from typing import Any

import pytest

from rcuactors import Kernel, Result, Run, RunOptions, run, scenario
from rcuactors.context.memory import FREED
from rcuactors.errors import BadInput
from rcuactors.mm.objects import KObject
from rcuactors.mm.slab.cache import Slab
from rcuactors.mm.slab.sheaf import MAX_EMPTY_SHEAVES, MAX_FULL_SHEAVES, Sheaf

KERNELS = pytest.mark.parametrize("kernel", ["v6.18", "v7.3"])
RT = {"PREEMPT_RT": "y", "DEBUG_ATOMIC_SLEEP": "y"}


def ran(script: Any, kernel: str, **settings: str) -> Result:
    return run(scenario()(script), RunOptions(kernel=kernel, settings=settings))


@KERNELS
@pytest.mark.parametrize("rt", ["n", "y"])
def test_which_caches_kfree_rcu_puts_into_sheaves(kernel: str, rt: str) -> None:
    """v6.18: those that ask, and none on PREEMPT_RT; 7.3: all."""

    async def script(k: Kernel) -> None:
        asks, does_not = k.kmem_cache_create("asks", 64, sheaf_capacity=32), k.kmem_cache_create("foo", 64)
        objects = [await k.kmem_cache_alloc(asks), await k.kmem_cache_alloc(does_not), await k.kmalloc(64)]
        for p in objects:
            await k.kfree_rcu(p, "rcu")
            found.append(k.machine.statistics().slab.sheaves.retired)
        await k.kvfree_rcu_barrier()
        assert {p.state for p in objects} == {FREED}
        await k.kmem_cache_destroy(asks)
        await k.kmem_cache_destroy(does_not)

    found: list[int] = []
    assert ran(script, kernel, PREEMPT_RT=rt).clean
    assert found == ([1, 2, 3] if kernel == "v7.3" else [0, 0, 0] if rt == "y" else [1, 1, 1])


@KERNELS
def test_a_full_sheaf_is_one_callback_and_is_allocated_from_again(kernel: str) -> None:
    async def script(k: Kernel) -> None:
        cache = k.kmem_cache_create("foo", 512, sheaf_capacity=32)
        objects = [await k.kmem_cache_alloc(cache) for _ in range(32)]
        for p in objects:
            await k.kfree_rcu(p, "rcu")
        await k.rcu_barrier()
        assert {p.state for p in objects} == {FREED}
        statistics, slabs = k.machine.statistics().slab.sheaves, cache.cache.slabs
        found.append(statistics.full)
        again = [await k.kmem_cache_alloc(cache) for _ in range(64)]
        assert {p.address for p in objects} <= {p.address for p in again}
        assert cache.cache.slabs <= slabs + 8
        for p in again:
            await k.kmem_cache_free(cache, p)
        await k.kmem_cache_destroy(cache)

    found: list[int] = []
    assert ran(script, kernel).clean
    assert found == [1]


@KERNELS
def test_a_barn_has_its_limits(kernel: str) -> None:
    async def script(k: Kernel) -> None:
        cache = k.kmem_cache_create("foo", 64, sheaf_capacity=60)
        objects = [await k.kmem_cache_alloc(cache) for _ in range(60 * (MAX_FULL_SHEAVES + MAX_EMPTY_SHEAVES + 7))]
        for p in objects:
            await k.kfree_rcu(p, "rcu")
        await k.rcu_barrier()
        sheaves = cache.cache.sheaves
        assert sheaves is not None
        found.append((len(sheaves.barn.full) <= MAX_FULL_SHEAVES, len(sheaves.barn.empty) <= MAX_EMPTY_SHEAVES + 1))
        await k.kmem_cache_destroy(cache)

    found: list[tuple[bool, bool]] = []
    assert ran(script, kernel).clean
    assert found == [(True, True)]


@KERNELS
@pytest.mark.parametrize("build", [{}, RT], ids=["plain", "rt"])
def test_objects_go_round_between_two_cpus(kernel: str, build: dict[str, str]) -> None:
    """Main and spare sheaves fill up and are exchanged; the oracle would see an object given out twice."""

    async def script(k: Kernel) -> None:
        cache = k.kmem_cache_create("foo", 128, sheaf_capacity=28)

        async def user() -> None:
            mine: list[KObject] = []
            for burst in (200, 7, 90, 300, 1):
                mine += [await k.kmem_cache_alloc(cache) for _ in range(burst)]
                assert len({p.address for p in mine}) == len(mine)
                for p in mine[: len(mine) // 2]:
                    await k.kmem_cache_free(cache, p)
                del mine[: len(mine) // 2]
            for p in mine:
                await k.kfree_rcu(p, "rcu")

        async with k.open_nursery() as nursery:
            await nursery.start_soon(user, cpu=1)
            await user()
        await k.kmem_cache_destroy(cache)
        assert cache.cache.destroyed

    assert ran(script, kernel, **build).clean


@KERNELS
def test_what_a_dead_cpu_has_in_sheaves_goes_back(kernel: str) -> None:
    """slub_cpu_dead(): __pcs_flush_all_cpu()."""

    async def script(k: Kernel) -> None:
        cache = k.kmem_cache_create("foo", 64, sheaf_capacity=32)
        retired: list[KObject] = []

        async def there() -> None:
            objects = [await k.kmem_cache_alloc(cache) for _ in range(9)]
            for p in objects[:4]:
                await k.kmem_cache_free(cache, p)
            for p in objects[4:]:
                await k.kfree_rcu(p, "rcu")
            retired.extend(objects[4:])

        await k.kthread_join(await k.kthread_run(there, cpu=1))
        assert await k.cpu_down(1) == 0
        sheaves = cache.cache.sheaves
        assert sheaves is not None
        used = sheaves.cpus[1].used()
        assert not used
        await k.rcu_barrier()
        assert {p.state for p in retired} == {FREED}
        await k.kmem_cache_destroy(cache)

    assert ran(script, kernel).clean


def test_a_partly_filled_sheaf_waits_for_who_comes() -> None:
    """A version's own does, and that is no report; `slab.sheaves.retired` tells of it."""

    async def script(k: Kernel) -> None:
        await k.kfree_rcu(await k.kmalloc(64), "rcu")
        await k.msleep(20_000)

    one = Run(scenario()(script), RunOptions(kernel="v7.3"))
    assert one.run().clean
    sheaves = one.machine.statistics().slab.sheaves
    assert sheaves is not None
    assert sheaves.retired == 1


@pytest.mark.parametrize("kernel", ["v6.18", "v7.3"])
def test_kmalloc_nolock_in_an_nmi_and_back(kernel: str) -> None:
    async def script(k: Kernel) -> None:
        async def handler() -> None:
            p = await k.kmalloc_nolock(64)
            got.append(p is not None)
            await k.kfree_nolock(p)

        await k.raise_nmi(handler)
        await k.ndelay(1)
        await k.msleep(1)

    got: list[bool] = []
    assert ran(script, kernel).clean
    assert got == [True]


def test_functions_that_a_version_does_not_have() -> None:
    async def nolock(k: Kernel) -> None:
        await k.kmalloc_nolock(64)

    async def by_rcu(k: Kernel) -> None:
        await k.kfree_rcu_nolock(await k.kmalloc(64), "rcu")

    async def capacity(k: Kernel) -> None:
        k.kmem_cache_create("foo", 64, sheaf_capacity=32)

    for script, kernel, what in (
        (nolock, "v6.12", r"kmalloc_nolock\(\): v\d\S+ has no such function; it came with v6.18"),
        (by_rcu, "v6.18", r"kfree_rcu_nolock\(\): v\d\S+ has no such function; it came with v7.3"),
        (capacity, "v6.12", r"sheaf_capacity=\): v\d\S+ has no such function; it came with v6.18"),
    ):
        with pytest.raises(BadInput, match=what):
            ran(script, kernel)


def test_objects_that_wait_in_a_sheaf_at_the_end_are_named() -> None:
    """Clean says no more than that nothing was wrong with what was done: on v7.3 these are not freed."""

    async def script(k: Kernel) -> None:
        for _ in range(20):
            await k.kvfree_rcu(await k.kmalloc(64), "rcu")

    assert run(scenario()(script), RunOptions(kernel="v7.3")).waste["objects_left_in_sheaves"] == 20
    assert "objects_left_in_sheaves" not in run(scenario()(script), RunOptions(kernel="v6.12")).waste


def is_free(memory: KObject | None) -> bool:
    """Whether it lies with its slab, or in a sheaf of its cache."""
    assert memory is not None
    slab = memory.home
    assert isinstance(slab, Slab)
    sheaves = slab.cache.sheaves
    waiting = [place.address for sheaf in sheaves.all() for place in sheaf.free] if sheaves is not None else []
    return memory.address in [*slab.free, *waiting]


def given_to_kfree_nolock(slabs: Any, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Added to from now on."""
    given: list[object] = []
    really = slabs.kfree_nolock_own

    async def kfree_nolock_own(cpu: Any, item: Any) -> None:
        given.append(item)
        await really(cpu, item)

    monkeypatch.setattr(slabs, "kfree_nolock_own", kfree_nolock_own)
    return given


@pytest.mark.parametrize("meanwhile", ["locked", "brought one"])
@pytest.mark.parametrize(("kernel", "spin"), [("v6.18", True), ("v7.3", True), ("v7.3", False)])
def test_a_sheaf_that_is_not_needed_any_more_is_given_back(
    kernel: str, spin: bool, meanwhile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """__kfree_rcu_sheaf(): the lock is dropped for alloc_empty_sheaf(); then it is taken, or somebody else had one."""

    async def script(k: Kernel) -> None:
        layer, rcu_sheaves = k.machine.slab.sheaves, k.machine.slab.rcu_sheaves
        handle = k.kmem_cache_create("foo", 64, sheaf_capacity=8)
        sheaves = handle.cache.sheaves
        assert layer is not None and rcu_sheaves is not None and sheaves is not None  # noqa: PT018
        p = await k.kmem_cache_alloc(handle)
        mine, thread = sheaves.cpus[k.smp_processor_id()], k.machine.this_cpu.current
        assert thread is not None
        made: list[Sheaf] = []
        mine.spare = None
        sheaves.barn.empty.clear()
        really = layer.alloc_empty

        async def alloc_empty(*args: Any, **named: Any) -> Sheaf | None:
            sheaf = await really(*args, **named)
            assert sheaf is not None
            made.append(sheaf)
            if meanwhile == "locked":
                monkeypatch.setattr(layer, "trylock", lambda _cpu, _mine: False)
            else:
                mine.rcu_free = Sheaf(handle.cache, None)
            return sheaf

        monkeypatch.setattr(layer, "alloc_empty", alloc_empty)
        nolock = given_to_kfree_nolock(layer.slabs, monkeypatch)
        stored = await rcu_sheaves.store(thread, p, spin=spin)
        monkeypatch.undo()
        assert stored is (meanwhile == "brought one")
        assert mine.lock.owner is None
        assert (mine.rcu_free is not None) is stored
        assert made[0] is not mine.rcu_free
        kept = kernel == "v6.18"
        assert (made[0] in sheaves.barn.empty) is kept
        assert is_free(made[0].memory) is not kept
        assert nolock == ([] if spin else [made[0].memory]), "who must not spin frees by trylocks"
        if not stored:
            await k.kfree(p)
        await k.kvfree_rcu_barrier()
        await k.kmem_cache_destroy(handle)

    assert ran(script, kernel).clean
