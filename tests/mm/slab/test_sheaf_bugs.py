"""Bugs that sheaves and kmalloc_nolock() had upstream: on a version that has one, or one put together, and mended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from rcuactors import Kernel, Result, RunOptions, run, scenario
from rcuactors.context.memory import FREED
from rcuactors.eras import ERAS, find_era
from rcuactors.errors import StepBoundExceeded
from rcuactors.mm.slab.pcs import flush_main
from rcuactors.mm.slab.rules import NolockContexts
from tests.schedules import Body, Moment, Schedule, held_up_anywhere

Neighbour = Callable[..., str]
PROVE = {"PROVE_RAW_LOCK_NESTING": "y"}
RT = {"PREEMPT_RT": "y", "DEBUG_ATOMIC_SLEEP": "y"}


@pytest.fixture
def neighbour(monkeypatch: pytest.MonkeyPatch) -> Neighbour:
    """A version like `base` but for these rules of its sheaves, or of mm/; the name by which a run finds it."""

    def composed(base: str, *, mm: dict[str, Any] | None = None, **sheaves: Any) -> str:
        era = find_era(base)
        rules = attrs.evolve(era.rules.mm, **mm or {})
        if sheaves:
            assert rules.sheaves is not None
            rules = attrs.evolve(rules, sheaves=attrs.evolve(rules.sheaves, **sheaves))
        made = attrs.evolve(era, name=f"{base}+", rules=attrs.evolve(era.rules, mm=rules))
        monkeypatch.setitem(ERAS, made.name, made)
        return made.name

    return composed


def ran(script: Any, kernel: str, settings: dict[str, str] | None = None) -> Result:
    return run(scenario()(script), RunOptions(kernel=kernel, settings=settings or {}))


# -- barriers ---------------------------------------------------------------------------------------------------------


async def destroyed_with_a_sheaf_in_flight(k: Kernel) -> None:
    """The objects lie in a partly filled sheaf, which kmem_cache_destroy() has flushed."""
    cache = k.kmem_cache_create("foo", 64)
    for _ in range(3):
        await k.kvfree_rcu(await k.kmem_cache_alloc(cache), "rcu")
    await k.kmem_cache_destroy(cache)


def test_b55b423e8518_the_barrier_on_a_cache_waits_for_the_sheaves_that_it_has_flushed(neighbour: Neighbour) -> None:
    """S1b: they came out of their grace period behind kasan_cache_shutdown(), into KASAN's quarantine, for good."""
    without = neighbour("v7.3", on_cache_waits=False)
    result = ran(destroyed_with_a_sheaf_in_flight, without, {"KASAN": "y"})
    assert result.outcome() == "leak"
    assert "Objects remaining on __kmem_cache_shutdown()" in result.violations[0].title
    assert ran(destroyed_with_a_sheaf_in_flight, "v7.3", {"KASAN": "y"}).clean
    assert ran(destroyed_with_a_sheaf_in_flight, without).clean, "__kmem_cache_shutdown() waits for the callbacks"


async def barrier_while_a_cpu_goes(k: Kernel) -> None:
    """An object lies in CPU 1's rcu_free sheaf. That CPU goes; meanwhile CPU 2 calls the barrier on its cache."""
    cache = k.kmem_cache_create("foo", 64)
    p = await k.kmem_cache_alloc(cache)

    async def frees() -> None:
        await k.kvfree_rcu(p, "rcu")

    async def down() -> None:
        await k.cpu_down(1)

    async def barrier() -> None:
        await k.msleep(60)
        await k.kvfree_rcu_barrier_on_cache(cache)
        freed.append(p.state == FREED)

    await k.kthread_join(await k.kthread_run(frees, cpu=1))
    for task in [await k.kthread_run(down, cpu=0), await k.kthread_run(barrier, cpu=2)]:
        await k.kthread_join(task)
    await k.msleep(50)
    await k.kmem_cache_destroy(cache)


freed: list[bool] = []


def cpu_that_goes_held_up(kernel: str) -> list[Schedule]:
    """For 200 ms, at each point of the thread that takes it down (stop_machine()): where the barrier comes back early.

    Lockdep is off: it complains as soon as nobody holds off hotplug.
    """
    moment = Moment("migration/1", 1, 200_000_000)
    schedules = held_up_anywhere(barrier_while_a_cpu_goes, kernel, moment, nr_cpus="3", PROVE_LOCKING="n")
    return [schedule for schedule in schedules if not freed.pop()]


def test_67ea9d353d0b_the_barrier_on_a_cache_holds_off_cpu_hotplug(neighbour: Neighbour) -> None:
    """The CPU counts as online, its work does not run any more, and what it has in the sheaf is flushed later."""
    early = cpu_that_goes_held_up(neighbour("v7.3", on_cache_reads_cpus=False))
    assert early
    (taken,) = early[0].decisions.taken
    assert taken.option == "cpu1:migration/1 for 200000000 ns"
    early[0].again()
    assert not freed.pop()
    assert not cpu_that_goes_held_up("v7.3")


def test_67ea9d353d0b_lockdep_says_so_on_every_schedule(neighbour: Neighbour) -> None:
    async def script(k: Kernel) -> None:
        cache = k.kmem_cache_create("foo", 64)
        await k.kvfree_rcu(await k.kmem_cache_alloc(cache), "rcu")
        await k.kvfree_rcu_barrier_on_cache(cache)
        await k.kmem_cache_destroy(cache)

    result = ran(script, neighbour("v7.3", on_cache_reads_cpus=False))
    assert "lockdep_assert_cpus_held" in result.violations[0].text
    assert "bad-unlock" not in result.outcome(), "nothing is let go of that was not taken"
    assert ran(script, "v7.3").clean


@pytest.mark.parametrize("first", [True, False])
def test_3bc999d944b3_what_was_put_off_is_waited_for_before_sheaves_are_flushed(
    neighbour: Neighbour, first: bool
) -> None:
    """S5b: the irq_work hands an object to kvfree_rcu(), which puts it into a sheaf; that must not have been flushed.

    On PREEMPT_RT the irq_work's thread can be held up: here by n->list_lock, which it needs for an object that was
    put off with the other.
    """

    async def script(k: Kernel) -> None:
        p, seen = await k.kmalloc(64), await k.kmalloc(64)
        holding = k.completion("holding")
        lock = k.machine.slab.cache_for(4096).list_lock

        async def handler() -> None:
            await k.kfree_nolock(q)
            await k.kfree_rcu_nolock(p, "rcu")

        async def holder() -> None:
            await k.spin_lock(lock)
            await k.complete(holding)
            await k.udelay(3_000)
            await k.spin_unlock(lock)

        async def there() -> None:
            nonlocal q
            q = await k.kmalloc_nolock(4096)
            # The CPU has a sheaf, which is flushed.
            await k.kvfree_rcu(seen, "rcu")
            await k.kthread_run(holder, cpu=2)
            await k.wait_for_completion(holding)
            await k.raise_irq(handler)

        q = None
        await k.kthread_join(await k.kthread_run(there, cpu=1))
        await k.kvfree_rcu_barrier()
        freed.append((p.state == FREED, seen.state == FREED))
        await k.kvfree_rcu_barrier()

    freed: list[tuple[bool, bool]] = []
    kernel = "v7.3" if first else neighbour("v7.3", deferred_first=False)
    assert ran(script, kernel, {**RT, "nr_cpus": "3"}).clean
    assert freed == [(first, True)]


@pytest.mark.parametrize(("kernel", "left"), [("v6.18", 2), ("v7.3", 0)])
def test_48647d3f9a64_a_flush_takes_the_lock(kernel: str, left: int) -> None:
    """What a task of PREEMPT_RT had locked, when it was preempted, stayed as it was, and nobody said so.

    Merged with others by 9a881ea3da16.
    """

    async def script(k: Kernel) -> None:
        machine = k.machine
        cache = k.kmem_cache_create("foo", 64, sheaf_capacity=32)
        objects = [await k.kmem_cache_alloc(cache) for _ in range(2)]
        sheaves, layer = cache.cache.sheaves, machine.slab.sheaves
        assert sheaves is not None
        assert layer is not None
        mine = sheaves.cpus[0]
        await flush_main(layer, machine.current, cache.cache)
        for p in objects:
            await k.kmem_cache_free(cache, p)
        holding = k.completion("holding")

        async def holder() -> None:
            assert layer.trylock(machine.this_cpu, mine)
            await k.complete(holding)
            await k.usleep_range(300, 300)
            await layer.unlock(machine.this_cpu, mine)

        task = await k.kthread_run(holder, cpu=0)
        await k.wait_for_completion(holding)
        await flush_main(layer, machine.current, cache.cache)
        found.append(len(mine.main.free))
        await k.kthread_join(task)
        await k.kmem_cache_destroy(cache)

    found: list[int] = []
    ran(script, kernel, {"PREEMPT_RT": "y"})
    assert found == [left]


async def flushed_while_somebody_has_the_cpus_sheaves(k: Kernel, destroyed: bool) -> None:
    """A user of the cache on CPU 0 has that CPU's lock, and blocks on a barn's: here on `some_lock`.

    Who has `some_lock` was preempted, on CPU 1. Meanwhile CPU 2 has the cache shrunk or destroyed. In the CPU's main
    sheaf are more objects than are flushed at a time.
    """
    cache = k.kmem_cache_create("foo", 64, sheaf_capacity=64)
    layer, sheaves, lock = k.machine.slab.sheaves, cache.cache.sheaves, k.spinlock("some_lock")
    taken, busy = k.completion("taken"), k.completion("busy")
    assert layer is not None
    assert sheaves is not None
    mine = sheaves.cpus[0]

    async def fills() -> None:
        for p in [await k.kmem_cache_alloc(cache) for _ in range(40)]:
            await k.kmem_cache_free(cache, p)

    async def owner() -> None:
        await k.spin_lock(lock)
        await k.complete(taken)
        await k.udelay(50)
        await k.spin_unlock(lock)

    async def preempts() -> None:
        await k.wait_for_completion(taken)
        await k.complete_all(busy)
        await k.udelay(8_000)

    async def user() -> None:
        await k.wait_for_completion(busy)
        await k.usleep_range(60, 60)
        if layer.trylock(k.machine.this_cpu, mine):
            await k.spin_lock(lock)
            await k.spin_unlock(lock)
            await layer.unlock(k.machine.this_cpu, mine)

    async def flushes() -> None:
        await k.wait_for_completion(busy)
        await (k.kmem_cache_destroy(cache) if destroyed else k.kmem_cache_shrink(cache))
        left.append(len(mine.main.free))

    await k.kthread_join(await k.kthread_run(fills, cpu=0))
    tasks = [await k.kthread_run(flushes, cpu=2)]
    tasks += [await k.kthread_run(user, cpu=0, urgent=True), await k.kthread_run(preempts, cpu=1, urgent=True)]
    tasks += [await k.kthread_run(owner, cpu=1)]
    for task in tasks:
        await k.kthread_join(task)


left: list[int] = []


async def shrunk(k: Kernel) -> None:
    """As memory hot-remove does."""
    await flushed_while_somebody_has_the_cpus_sheaves(k, destroyed=False)


async def destroyed(k: Kernel) -> None:
    """Which is that user's mistake, too."""
    await flushed_while_somebody_has_the_cpus_sheaves(k, destroyed=True)


def flush_held_up(body: Body, kernel: str) -> set[tuple[int, str]]:
    """What was left in the sheaf, and the outcome: with CPU 0's flush work held up at each of its points."""
    moment = Moment("cpu0:kworker/0", 1, 100_000)
    found = set()
    for schedule in held_up_anywhere(body, kernel, moment, PREEMPT_RT="y", nr_cpus="3"):
        outcome = schedule.result.outcome()
        found.add((left.pop(), outcome))
        if outcome != "clean":
            assert schedule.again().outcome() == outcome
            left.pop()
    return found


@pytest.mark.parametrize(("body", "outcome"), [(shrunk, "clean"), (destroyed, "leak")])
def test_48647d3f9a64_a_flush_that_fails_in_silence(body: Body, outcome: str, neighbour: Neighbour) -> None:
    """Merged with others by 9a881ea3da16: where the lock is tried, what was not flushed yet stays, and nobody hears.

    The destroyed cache has objects then. On one of the schedules at least; where the lock is taken, on none.
    """
    assert flush_held_up(body, "v6.18") == {(0, "clean"), (32, outcome)}
    for mended in (neighbour("v6.18", flush_takes_lock=True), "v7.3"):
        assert flush_held_up(body, mended) == {(0, "clean")}


# -- the callers' contexts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kernel", "outcome"), [("v6.18", "invalid-wait-context"), ("v7.3", "clean")])
def test_f8b4cd2dad09_lockdep_is_told_to_let_the_sheafs_locks_pass(kernel: str, outcome: str) -> None:
    """S2b: a spinlock_t under the caller's raw lock, where it spins; on PREEMPT_RT nothing goes that way."""

    async def script(k: Kernel) -> None:
        cache = k.kmem_cache_create("foo", 64, sheaf_capacity=32)
        objects = [await k.kmem_cache_alloc(cache) for _ in range(40)]
        lock = k.raw_spinlock("some_lock")
        flags = await k.raw_spin_lock_irqsave(lock)
        for p in objects:
            await k.kvfree_rcu(p, "rcu")
        await k.raw_spin_unlock_irqrestore(lock, flags)
        await k.kmem_cache_destroy(cache)

    assert ran(script, kernel, PROVE).outcome() == outcome
    assert ran(script, kernel).clean
    assert ran(script, kernel, RT).clean


@pytest.mark.parametrize("build", [{}, PROVE, RT], ids=["plain", "prove", "rt"])
@pytest.mark.parametrize("kernel", ["v6.12", "v7.3"])
def test_3bc999d944b3_an_nmi_in_the_middle_of_kfree_rcu(kernel: str, build: dict[str, str]) -> None:
    """S4b: kfree_rcu() in an NMI waits for krcp->lock, which what it has interrupted holds; kfree_rcu_nolock() never.

    vmalloc areas, since on 7.3 a sheaf takes kmalloc()'s before that lock.
    """

    async def script(k: Kernel) -> None:
        objects = [await k.vmalloc(64) for _ in range(4)]
        lock = k.machine.kvfree.krc(0).lock

        async def handler() -> None:
            for p in objects:
                await (k.kfree_rcu_nolock(p, "rcu") if k.has("kfree_rcu_nolock") else k.kvfree_rcu(p, "rcu"))

        flags = await k.raw_spin_lock_irqsave(lock)
        await k.raise_nmi(handler)
        await k.ndelay(1)
        await k.raw_spin_unlock_irqrestore(lock, flags)

    outcome = ran(script, kernel, build).outcome()
    assert outcome == "clean" if kernel == "v7.3" else "deadlock" in outcome


def test_99a3e3a1cfc9_kmalloc_nolock_on_preempt_rt_with_preemption_off(neighbour: Neighbour) -> None:
    """v6.18 looks for NMI and hardirq only, and takes the sleeping lock of the CPU's slab; 7.0 has no such lock."""

    async def script(k: Kernel) -> None:
        k.preempt_disable()
        p = await k.kmalloc_nolock(64)
        await k.preempt_enable()
        got.append(p is not None)
        await k.kfree_nolock(p)

    got: list[bool] = []
    assert "sleeping-function" in ran(script, "v6.18", RT).outcome()
    assert ran(script, neighbour("v6.18", mm={"kmalloc_nolock": NolockContexts.PREEMPTIBLE}), RT).clean
    assert ran(script, "v7.3", RT).clean
    assert ran(script, "v6.18").clean
    assert got == [True, False, True, True]


def test_c379b745e12a_kmalloc_nolock_does_not_go_on_for_ever(neighbour: Neighbour) -> None:
    """With slub_debug a new slab needs n->list_lock, which what the NMI has interrupted holds, and never lets go."""

    async def script(k: Kernel) -> None:
        # What the NMI asks for has no slab yet.
        lock = k.machine.slab.cache_for(2048).list_lock

        async def handler() -> None:
            got.append(await k.kmalloc_nolock(2048) is not None)

        flags = await k.spin_lock_irqsave(lock)
        await k.raise_nmi(handler)
        await k.ndelay(1)
        await k.spin_unlock_irqrestore(lock, flags)

    got: list[bool] = []
    assert ran(script, "v6.18", {"slub_debug": "y"}).clean
    assert got == [False]
    looping = neighbour("v6.18", mm={"kmalloc_nolock_retries": True})
    with pytest.raises(StepBoundExceeded):
        run(scenario()(script), RunOptions(kernel=looping, settings={"slub_debug": "y"}, max_steps=2_000))
