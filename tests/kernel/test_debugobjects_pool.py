"""The objects that debug objects need themselves (kernel/debugobjects_pool.py)."""

from __future__ import annotations

import pytest

from rcuactors import Kernel, Result, run, scenario
from rcuactors.eras import ERAS
from rcuactors.errors import BadInput

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
