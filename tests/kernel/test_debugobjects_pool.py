"""The objects that debug objects need themselves (kernel/debugobjects_pool.py)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
import pytest

from rcuactors import Kernel, Result, run, scenario
from rcuactors.eras import ERAS
from rcuactors.errors import BadInput
from rcuactors.kernel.debugobjects_pool import ObjPool
from rcuactors.kernel.thread import Thread

ON = {"nr_cpus": "1", "DEBUG_OBJECTS_RCU_HEAD": "y", "DEBUG_OBJECTS_FREE": "y", "PROVE_RAW_LOCK_NESTING": "y"}
RT = {"nr_cpus": "1", "DEBUG_OBJECTS_RCU_HEAD": "y", "PREEMPT_RT": "y", "DEBUG_ATOMIC_SLEEP": "y"}
LOW = {"debug_objects_pool": "10"}
B18 = "BUG: Invalid wait context: &zone->lock at rmqueue_bulk"


@scenario()
async def under_no_lock(k: Kernel, held: int = 0) -> None:
    """A preemptible caller; the CPU's page list is shorter by `held`."""
    pages = [await k.get_free_page() for _ in range(held)]
    foo = k.struct("foo", rcu=k.rcu_head)
    for p in [await k.kmalloc(foo) for _ in range(400)]:
        await k.kfree_rcu(p, "rcu")
    for page in pages:
        await k.free_page(page)


@scenario()
async def under_raw_lock(k: Kernel, objects: int = 40) -> None:
    """A caller with a raw lock; then one that queues the same rcu_head twice."""
    lock, foo = k.raw_spinlock("lock"), k.struct("foo", rcu=k.rcu_head)
    some = [await k.kmalloc(foo) for _ in range(objects)]
    twice = await k.kmalloc(foo)
    await k.raw_spin_lock(lock)
    for p in some:
        await k.call_rcu(p.rcu, nothing)
    await k.raw_spin_unlock(lock)
    await k.call_rcu(twice.rcu, nothing)
    await k.call_rcu(twice.rcu, nothing)


def titles(result: Result) -> list[str]:
    return [found.title for found in result.violations]


def first_under_raw_lock(kernel: str, **settings: str) -> str:
    return titles(run(under_raw_lock, kernel=kernel, **ON, **settings))[0]


def somewhere(kernel: str, **settings: str) -> set[str]:
    """What is told of a preemptible caller, wherever the CPU's page list runs out."""
    runs = (run(under_no_lock, kernel=kernel, held=held, **ON, **settings) for held in range(0, 40, 4))
    return {title for result in runs for title in titles(result)}


def test_the_pool_is_filled_under_krc_lock_until_v5_11() -> None:
    """B18: kfree_rcu() of v5.11 told debug objects with its raw lock held, and they asked for memory there."""
    assert somewhere("v5.11", **LOW) == {B18}
    assert somewhere("v5.11") == set()
    assert somewhere("v6.1.0", **LOW) == set()


def test_b18_names_who_asked() -> None:
    runs = (run(under_no_lock, kernel="v5.11", held=held, **ON, **LOW) for held in range(0, 40, 4))
    text = next(result.violations[0].text for result in runs if result.violations)
    assert "krc.lock" in text
    assert " fill_pool\n debug_objects_fill_pool\n" in text


@pytest.mark.parametrize("kernel", ["v6.1.0", "v6.1-stable"])
def test_lockdep_sees_the_allocator_under_a_caller_s_raw_lock(kernel: str) -> None:
    assert first_under_raw_lock(kernel, **LOW).startswith("BUG: Invalid wait context: &c->lock")


@pytest.mark.parametrize("kernel", ["v6.6", "v6.12.0", "v6.12", "v6.18", "v7.3"])
def test_lockdep_looks_away_since_0cce06ba859a(kernel: str) -> None:
    assert first_under_raw_lock(kernel, **LOW).startswith("WARNING: ODEBUG: activate active")


@pytest.mark.parametrize("kernel", ["v6.1.0", "v6.1-stable", "v6.6", "v6.12", "v6.18", "v7.3"])
def test_preempt_rt_runs_out_where_it_may_not_fill_the_pool(kernel: str) -> None:
    """From then on a second call_rcu() of one rcu_head is news to nobody but us."""
    result = run(under_raw_lock, kernel=kernel, PREEMPT_RT="y", **ON, **LOW)
    assert titles(result)[0] == "ODEBUG: Out of memory. ODEBUG disabled"
    assert not any("ODEBUG: activate" in title for title in titles(result))
    assert any(found.by == "oracle" for found in result.violations)


def test_preempt_rt_of_v5_11_fills_it_all_the_same() -> None:
    assert "Invalid wait context" in first_under_raw_lock("v5.11", PREEMPT_RT="y", **LOW)


@pytest.mark.parametrize("kernel", list(ERAS))
def test_a_full_pool_asks_for_nothing(kernel: str) -> None:
    result = run(under_raw_lock, kernel=kernel, **ON)
    assert titles(result)[0].startswith("WARNING: ODEBUG: activate active")


@pytest.mark.parametrize("kernel", ["v6.1-stable", "v6.12", "v6.18"])
def test_what_was_tracked_comes_back_with_its_memory(kernel: str) -> None:
    """4,000 objects, a few at a time, on PREEMPT_RT, where nothing is filled up: 1,040 are enough."""

    @scenario()
    async def script(k: Kernel) -> None:
        foo, lock = k.struct("foo", rcu=k.rcu_head), k.raw_spinlock("lock")
        for _ in range(20):
            some = [await k.kmalloc(foo) for _ in range(200)]
            await k.raw_spin_lock(lock)
            for p in some:
                await k.call_rcu(p.rcu, nothing)
            await k.raw_spin_unlock(lock)
            await k.rcu_barrier()
            for p in some:
                await k.kfree(p)

    assert run(script, kernel=kernel, PREEMPT_RT="y", **ON).outcome() == "clean"
    leaking = run(script, kernel=kernel, PREEMPT_RT="y", **{**ON, "DEBUG_OBJECTS_FREE": "n"})
    assert leaking.outcome() == "clean", "a tracked address needs no second object"


def test_more_than_the_pool_holds() -> None:
    with pytest.raises(BadInput, match=r"debug_objects_pool=2000: needs at most 1040 with nr_cpus=1"):
        run(under_no_lock, kernel="v6.12", debug_objects_pool="2000", **ON)


@pytest.mark.parametrize(
    ("kernel", "settings", "commit"),
    [
        *((kernel, ON, "0cce06ba859a") for kernel in ("v5.9", "v5.11", "v6.1.0", "v6.1-stable")),
        *((kernel, RT, "4bedcc28469a") for kernel in ("v5.9", "v5.11")),
    ],
)
def test_where_it_is_filled_too_early_is_a_known_bug(kernel: str, settings: dict[str, str], commit: str) -> None:
    runs = [run(under_raw_lock, kernel=kernel, **settings, **LOW)]
    runs += [run(under_no_lock, kernel=kernel, held=held, **settings, **LOW) for held in range(0, 40, 4)]
    found = [(result, found) for result in runs for found in result.violations if "fill_pool" in found.trace]
    assert found
    for result, violation in found:
        bugs = [bug for bug in ERAS[kernel].known_bugs if bug.explains(violation, result.design)]
        assert commit in {bug.commit for bug in bugs}
    later = run(under_raw_lock, kernel="v6.6", **settings, **LOW)
    assert not [found for found in later.violations if "fill_pool" in found.trace]


async def nothing(_head: object) -> None:
    """A callback."""


# -- how many are where ------------------------------------------------------------------------------------------------


@attrs.define
class Memory:
    """Where the pool's memory comes from in these tests: `left` objects more, and how often it was asked."""

    left: int
    given_back: int = 0
    preemptible: list[bool] = attrs.field(factory=list)
    meanwhile: Callable[[Thread], Awaitable[None]] | None = None
    """Done when it is asked next."""

    async def alloc(self, thread: Thread, *, preemptible: bool) -> object | None:
        self.preemptible.append(preemptible)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            await meanwhile(thread)
        self.left -= 1
        return object() if self.left >= 0 else None

    async def free(self, _thread: Thread, _block: object) -> None:
        self.given_back += 1


Counts = tuple[int, int, int, int]


def counts(pool: ObjPool) -> Counts:
    """Free, on CPUs' lists, to be freed, from the allocator."""
    return attrs.astuple(pool.statistics())


def with_pool(
    kernel: str, then: Callable[[Kernel, ObjPool], Awaitable[None]], size: int = 1040, memory: Memory | None = None
) -> None:
    """Do it with a pool of that many, on a machine that has one of its own."""
    memory = memory or Memory(0)

    @scenario()
    async def script(k: Kernel) -> None:
        system = k.machine.system
        pool = ObjPool(system, system.rules.debug_objects, memory)
        pool.free = size
        await then(k, pool)

    assert run(script, kernel=kernel, **ON).outcome() == "clean"


SINGLE, BATCHES = ["v5.9", "v6.1-stable", "v6.12"], ["v6.18", "v7.3"]


@pytest.mark.parametrize("kernel", SINGLE)
def test_a_cpu_takes_a_batch_and_the_one_that_it_needs(kernel: str) -> None:
    async def then(k: Kernel, pool: ObjPool) -> None:
        cpu = k.machine.current.cpu
        assert counts(pool) == (1040, 0, 0, 0)
        assert pool.alloc_object(cpu)
        assert counts(pool) == (1023, 16, 0, 0)
        assert all(pool.alloc_object(cpu) for _ in range(16))
        assert counts(pool) == (1023, 0, 0, 0)
        assert pool.alloc_object(cpu)
        assert counts(pool) == (1006, 16, 0, 0)

    with_pool(kernel, then)


@pytest.mark.parametrize("kernel", BATCHES)
def test_a_cpu_takes_a_whole_batch(kernel: str) -> None:
    async def then(k: Kernel, pool: ObjPool) -> None:
        cpu = k.machine.current.cpu
        assert pool.alloc_object(cpu)
        assert counts(pool) == (1024, 15, 0, 0)
        assert all(pool.alloc_object(cpu) for _ in range(15))
        assert counts(pool) == (1024, 0, 0, 0)

    with_pool(kernel, then)


@pytest.mark.parametrize("kernel", SINGLE)
def test_a_cpu_s_list_is_full_with_sixty_four(kernel: str) -> None:
    """The next one has a batch go with it: to the pool, or, where that has more than its size, to obj_to_free."""

    async def then(k: Kernel, pool: ObjPool) -> None:
        cpu = k.machine.current.cpu
        for _ in range(64):
            pool.free_object(cpu)
        assert counts(pool) == (1040, 64, 0, 0)
        pool.free_object(cpu)
        assert counts(pool) == (1057, 48, 0, 0)
        for _ in range(16):
            pool.free_object(cpu)
        assert counts(pool) == (1057, 64, 0, 0)
        pool.free_object(cpu)
        assert counts(pool) == (1057, 48, 17, 0)

    with_pool(kernel, then)


@pytest.mark.parametrize("kernel", BATCHES)
def test_a_cpu_s_list_gives_a_whole_batch_back(kernel: str) -> None:
    """With 128; to the pool where a batch more is not above its size. From obj_to_free a CPU takes first."""

    async def then(k: Kernel, pool: ObjPool) -> None:
        cpu = k.machine.current.cpu
        for _ in range(127):
            pool.free_object(cpu)
        assert counts(pool) == (1024, 127, 0, 0)
        pool.free_object(cpu)
        assert counts(pool) == (1040, 112, 0, 0)
        for _ in range(16):
            pool.free_object(cpu)
        assert counts(pool) == (1040, 112, 16, 0)
        assert all(pool.alloc_object(cpu) for _ in range(112))
        assert counts(pool) == (1040, 0, 16, 0)
        assert pool.alloc_object(cpu)
        assert counts(pool) == (1040, 15, 0, 0)
        assert all(pool.alloc_object(cpu) for _ in range(16))
        assert counts(pool) == (1024, 15, 0, 0)

    with_pool(kernel, then, size=1024)


@pytest.mark.parametrize("kernel", [*SINGLE, *BATCHES])
def test_the_pool_is_filled_from_its_lowest_level_only(kernel: str) -> None:
    """Of 272 with one CPU: from what waits on obj_to_free, then by batches of 16, the last one beyond that level."""

    async def then(k: Kernel, pool: ObjPool) -> None:
        thread = k.machine.current
        await pool.debug_objects_fill_pool(thread)
        assert counts(pool) == (272, 0, 0, 0)
        pool.free = 271
        await pool.debug_objects_fill_pool(thread)
        assert counts(pool) == (287, 0, 0, 16)
        pool.free = 240
        await pool.debug_objects_fill_pool(thread)
        assert counts(pool) == (272, 0, 0, 48)

    memory = Memory(100)
    with_pool(kernel, then, 272, memory)
    assert memory.preemptible == [True] * 48
    assert memory.given_back == 0


@pytest.mark.parametrize(("kernel", "left"), [("v6.12", (267, 7)), ("v6.18", (260, 0))])
def test_where_memory_runs_out_a_batch_is_not_whole(kernel: str, left: Counts) -> None:
    """Older versions keep what they got; v6.18 gives it back."""

    async def then(k: Kernel, pool: ObjPool) -> None:
        k.preempt_disable()
        await pool.debug_objects_fill_pool(k.machine.current)
        await k.preempt_enable()
        assert counts(pool) == (left[0], 0, 0, left[1])
        pool.enabled = False
        await pool.debug_objects_fill_pool(k.machine.current)

    memory = Memory(7)
    with_pool(kernel, then, 260, memory)
    assert memory.preemptible == [False] * (8 if kernel == "v6.18" else 9)
    assert memory.given_back == (7 if kernel == "v6.18" else 0)


@pytest.mark.parametrize("kernel", [*SINGLE, *BATCHES])
def test_what_waits_to_be_freed_is_used_again(kernel: str) -> None:
    batches = kernel in BATCHES

    async def then(k: Kernel, pool: ObjPool) -> None:
        cpu = k.machine.current.cpu
        for _ in range(128 + 32 if batches else 65 + 34):
            pool.free_object(cpu)
        assert counts(pool) == ((1040, 112, 48, 0) if batches else (1058, 48, 51, 0))
        pool.free = 250
        await pool.debug_objects_fill_pool(k.machine.current)
        assert counts(pool) == ((282, 112, 16, 0) if batches else (272, 48, 29, 0))

    with_pool(kernel, then, size=1040 if batches else 1058)


def test_one_cpu_at_a_time_fills_it_since_v6_18() -> None:
    """Unless it is below half of its lowest level."""

    memory, seen = Memory(1000), list[int]()

    async def then(k: Kernel, pool: ObjPool) -> None:
        async def another(thread: Thread) -> None:
            seen.append(pool.free)
            await pool.debug_objects_fill_pool(thread)
            seen.append(pool.free)

        for free in (136, 135):
            memory.meanwhile, pool.free = another, free
            await pool.debug_objects_fill_pool(k.machine.current)
        assert counts(pool) == (295, 0, 0, 304)

    with_pool("v6.18", then, memory=memory)
    assert seen == [136, 136, 135, 279]


@pytest.mark.parametrize("kernel", ["v6.12", "v6.18"])
def test_the_last_one_is_given_out_and_then_it_is_off(kernel: str) -> None:
    """What has its place goes on being tracked, and what is given back then is forgotten."""

    @scenario()
    async def script(k: Kernel) -> None:
        cpu, pool = k.machine.current.cpu, k.machine.system.debug_objects.pool
        assert pool is not None
        assert pool.alloc_object(cpu, (4096, "rcu"))
        assert all(pool.alloc_object(cpu) for _ in range(15))
        assert pool.enabled
        assert pool.alloc_object(cpu, (4096, "rcu"))
        assert not pool.alloc_object(cpu, (4096, "other"))
        assert not pool.enabled
        pool.free_object(cpu)
        assert counts(pool) == (0, 0, 0, 0)

    result = run(script, kernel=kernel, debug_objects_pool="16", **ON)
    assert titles(result) == ["ODEBUG: Out of memory. ODEBUG disabled"]
    assert "debug_objects_oom" in result.violations[0].text
