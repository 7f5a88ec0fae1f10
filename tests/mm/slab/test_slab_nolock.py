"""kmalloc_nolock(), the irq_work that frees, and sheaves (rcuactors/mm/slab_nolock.py, sheaf.py)."""

from __future__ import annotations

import pytest

from rcuactors import Kernel, Run, RunOptions, run, scenario
from rcuactors.kernel.cpu import Cpu
from rcuactors.machine import Machine
from rcuactors.mm.objects import KObject
from rcuactors.mm.slab.deferred import DeferredPercpuWork
from rcuactors.mm.slab.sheaf import (
    MAX_EMPTY_SHEAVES,
    MAX_FULL_SHEAVES,
    CacheSheaves,
    SheafLayer,
    sheaf_bytes,
    sheaf_capacity,
)
from rcuactors.mm.slab.slab_nolock import kmalloc_nolock

RT = {"PREEMPT_RT": "y", "DEBUG_ATOMIC_SLEEP": "y"}


def _machine(script, design: str = "hrtimer-work", kernel: str = "v6.1-stable", **settings: str) -> tuple[Run, list]:
    """Run a script that is given the kernel, the machine and a list for what it finds."""
    found: list = []

    async def body(k: Kernel) -> None:
        await script(k, one.machine, found)

    one = Run(scenario()(body), RunOptions(kernel=kernel, design=design, settings=settings))
    assert one.run().clean
    return one, found


def _cpu(machine: Machine) -> Cpu:
    cpu = machine.conductor.running
    assert isinstance(cpu, Cpu)
    return cpu


@pytest.mark.parametrize("settings", [{}, {"PROVE_RAW_LOCK_NESTING": "y"}, RT], ids=["plain", "prove", "rt"])
def test_a_cache_that_is_busy_sends_it_to_the_next_larger_one_once(settings: dict) -> None:
    async def script(k: Kernel, machine: Machine, found: list[int | None]) -> None:
        cpu, slab = _cpu(machine), machine.slab

        items: list[KObject | None] = []

        async def ask() -> None:
            items.append(await kmalloc_nolock(slab, cpu, 1000))

        held = [slab.cpu_slab(cpu, slab.cache_for(size)) for size in (1024, 2048)]
        await ask()
        first = await slab.try_lock(cpu, held[0])
        await ask()
        second = await slab.try_lock(cpu, held[1])
        await ask()
        await slab.unlock(cpu, held[1], bool(second))
        await slab.unlock(cpu, held[0], bool(first))
        await ask()
        for item in items:
            found.append(None if item is None else item.size)
            if item is not None:
                await slab.kfree_own(cpu.current, item)

    assert _machine(script, **settings)[1] == [1024, 2048, None, 1024]


def test_there_is_no_larger_cache_than_a_page() -> None:
    async def script(_k: Kernel, machine: Machine, found: list[object]) -> None:
        cpu, slab = _cpu(machine), machine.slab
        mine = slab.cpu_slab(cpu, slab.cache_for(4096))
        flags = await slab.try_lock(cpu, mine)
        found.append(await kmalloc_nolock(slab, cpu, 4096))
        await slab.unlock(cpu, mine, bool(flags))

    assert _machine(script)[1] == [None]


@pytest.mark.parametrize(
    ("kernel", "settings", "given"),
    [("v6.1-stable", {}, True), ("v6.1-stable", RT, False), ("v5.11", {}, False)],
    ids=["plain", "rt", "no lock to try"],
)
def test_in_an_nmi(kernel: str, settings: dict, given: bool) -> None:
    async def script(k: Kernel, machine: Machine, found: list[KObject | None]) -> None:
        async def handler() -> None:
            found.append(await kmalloc_nolock(machine.slab, _cpu(machine), 64))

        await k.raise_nmi(handler)
        await k.ndelay(1)
        await k.udelay(10)

    assert (_machine(script, kernel=kernel, **settings)[1][0] is not None) == given


@pytest.mark.parametrize("way", ["zone", "list"])
def test_locks_that_are_held_are_not_waited_for(way: str) -> None:
    """n->list_lock with a partial slab behind it, then zone->lock with an empty page list."""

    async def script(k: Kernel, machine: Machine, found: list[object]) -> None:
        cpu, slab = _cpu(machine), machine.slab
        cache = slab.cache_for(2048)
        lock = k.zone_lock() if way == "zone" else cache.list_lock
        await k.drain_local_pages()
        flags = await k.spin_lock_irqsave(lock)
        found.append(await kmalloc_nolock(slab, cpu, 2048))
        await k.spin_unlock_irqrestore(lock, flags)

    found = _machine(script, PROVE_RAW_LOCK_NESTING="y")[1]
    assert (found[0] is None) == (way == "zone")


def test_objects_come_from_the_cpus_partial_slabs_before_a_new_page() -> None:
    async def script(k: Kernel, machine: Machine, found: list[int]) -> None:
        cpu, slab = _cpu(machine), machine.slab
        items = [await kmalloc_nolock(slab, cpu, 2048) for _ in range(8)]
        slabs = slab.cache_for(2048).slabs
        for item in items:
            assert item is not None
            await slab.kfree_own(cpu.current, item)
        again = [await kmalloc_nolock(slab, cpu, 2048) for _ in range(8)]
        assert len({item.address for item in again if item is not None}) == 8
        found += [slabs, slab.cache_for(2048).slabs]
        for item in again:
            assert item is not None
            await slab.kfree_own(cpu.current, item)

    assert _machine(script)[1] == [4, 4]


@pytest.mark.parametrize(
    ("settings", "kind"), [({}, "hardirq"), (RT, "process")], ids=["plain: hardirq", "rt: the thread"]
)
def test_deferred_work_runs_once_for_all_that_waits(settings: dict, kind: str) -> None:
    async def script(k: Kernel, machine: Machine, found: list[tuple[int, str, str]]) -> None:
        async def function(cpu: Cpu, what: int) -> None:
            found.append((what, cpu.ctx.kind(), cpu.ctx.comm))

        deferred = DeferredPercpuWork(machine.system, "later").new_list(function)
        flags = k.local_irq_save()
        for number in range(3):
            await deferred.add(_cpu(machine), number)
        assert not found
        await k.local_irq_restore(flags)
        await k.msleep(1)
        await deferred.add(_cpu(machine), 3)
        await k.msleep(1)

    _, found = _machine(script, **settings)
    assert [what for what, _, _ in found] == [0, 1, 2, 3]
    assert {where for _, where, _ in found} <= {kind, "irqs_off"}
    assert ("irq_work/0" in {comm for _, _, comm in found}) == bool(settings)


# -- sheaves ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "taken", "capacity"), [(64, 512, 60), (256, 256, 28), (1024, 128, 12), (4096, 64, 4)])
def test_a_sheaf_fills_a_bucket(size: int, taken: int, capacity: int) -> None:
    assert (sheaf_bytes(size), sheaf_capacity(size)) == (taken, capacity)


def _layer(machine: Machine) -> SheafLayer:
    layer = machine.slab.sheaves
    assert isinstance(layer, SheafLayer)
    return layer


def _sheaves(machine: Machine) -> CacheSheaves:
    sheaves = machine.slab.cache_for(64).sheaves
    assert sheaves is not None
    return sheaves


def test_what_comes_out_of_a_sheaf_is_allocated_again() -> None:
    """The barn keeps full sheaves; kmalloc() takes from them when the CPU's slab is used up, and the slabs stay few."""

    async def script(k: Kernel, machine: Machine, found: list[int]) -> None:
        for _ in range(6):
            objects = [await k.kmalloc(64) for _ in range(120)]
            for p in objects:
                await k.kvfree_rcu(p, "rcu")
            await k.msleep(50)
            found.append(machine.slab.cache_for(64).slabs)

    _, found = _machine(script, "sheaves")
    assert found[-1] == found[2]
    assert found[-1] < 6 * 120 * 64 // 4096


def test_a_barn_takes_so_many_full_sheaves_and_the_rest_goes_to_the_slabs() -> None:
    async def script(k: Kernel, machine: Machine, found: list[int]) -> None:
        objects = [await k.kmalloc(64) for _ in range(60 * (MAX_FULL_SHEAVES + MAX_EMPTY_SHEAVES + 7))]
        for p in objects:
            await k.kvfree_rcu(p, "rcu")
        await k.msleep(100)
        barn = _sheaves(machine).barn
        found += [len(barn.full), len(barn.empty)]

    one, found = _machine(script, "sheaves")
    assert found == [MAX_FULL_SHEAVES, MAX_EMPTY_SHEAVES]
    slabs = {item_slab for sheaf in _sheaves(one.machine).barn.full for item_slab, _ in sheaf.free}
    assert sum(slab.in_use for slab in slabs) == 60 * MAX_FULL_SHEAVES


def test_who_finds_the_cpus_sheaves_taken_goes_the_other_way() -> None:
    async def script(k: Kernel, machine: Machine, found: list[int]) -> None:
        p = await k.kmalloc(64)
        cpu, layer = _cpu(machine), _layer(machine)
        mine = _sheaves(machine).cpus[cpu.cpu_id]
        assert layer.trylock(cpu, mine)
        await k.kvfree_rcu(p, "rcu")
        found.append(machine.kvfree.figures.fallbacks_list)
        await layer.unlock(cpu, mine)

    assert _machine(script, "sheaves")[1] == [1]


@pytest.mark.parametrize("design", ["sheaves", "nolock-sheaves", "kmalloc-nolock"])
def test_a_reader_holds_a_sheaf_and_a_block_up(design: str) -> None:
    """The oracle would report an object that is freed under it."""

    async def script(k: Kernel, machine: Machine, found: list[int]) -> None:
        objects = [await k.kmalloc(64) for _ in range(60)]
        open_now = k.completion("a reader")

        async def reader() -> None:
            k.rcu_read_lock()
            await k.complete(open_now)
            await k.udelay(30_000)
            found.append(machine.kvfree.figures.bulk_objects)
            k.rcu_read_unlock()

        task = await k.kthread_run(reader, cpu=1)
        await k.wait_for_completion(open_now)
        for p in objects:
            await k.kvfree_rcu(p, "rcu")
        await k.kthread_join(task)

    one, found = _machine(script, design)
    assert found == [0]
    assert one.machine.kvfree.figures.bulk_objects == 60


@pytest.mark.parametrize("kernel", ["v5.11", "v6.1-stable"])
def test_a_slab_that_is_used_up_and_left_is_no_longer_the_cpus(kernel: str) -> None:
    """Where no other could be had, what is freed into it later must not be on the CPU's list."""

    async def script(k: Kernel, machine: Machine, found: list[bool]) -> None:
        cpu, slab = _cpu(machine), machine.slab
        items = [await kmalloc_nolock(slab, cpu, 2048) for _ in range(2)]
        await k.drain_local_pages()
        flags = await k.spin_lock_irqsave(k.zone_lock())
        found.append(await kmalloc_nolock(slab, cpu, 2048) is None)
        await k.spin_unlock_irqrestore(k.zone_lock(), flags)
        for item in items:
            assert item is not None
            await slab.kfree_own(cpu.current, item)
        again = await kmalloc_nolock(slab, cpu, 2048)
        assert again is not None
        found.append(slab.cache_for(2048).slabs == 1)
        await slab.kfree_own(cpu.current, again)

    assert _machine(script, kernel=kernel)[1] == [True, True]


@pytest.mark.parametrize("seed", [*range(10), 11, 34])
def test_who_allocates_may_be_moved_on_the_way(seed: int) -> None:
    """On PREEMPT_RT it is preemptible between sheaf and slabs: the locks behind are those of the CPU it is on then."""

    @scenario(settings={"nr_cpus": "3", "PREEMPT_RT": "y", "migrate": "y", "latitude": "y"})
    async def several(k: Kernel) -> None:
        async def allocates() -> None:
            held = []
            for _ in range(6):
                p = await k.kmalloc_nolock(64)
                if p is not None:
                    held.append(p)
                if len(held) > 2:
                    await k.kfree_nolock(held.pop())
            for p in held:
                await k.kfree_nolock(p)

        for task in [await k.kthread_run(allocates) for _ in range(6)]:
            await k.kthread_join(task)

    assert run(several, RunOptions(kernel="v7.3", strategy="random", seed=seed, events=False)).clean
