"""Freed memory that slub_debug has filled with 0x6b, and who takes it for a lock, a timer, a work (poison.py)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from rcuactors import Kernel, Result, run, scenario

LOCKDEP = {"PROVE_LOCKING": "y", "slub_debug": "y"}
BARE = {"PROVE_LOCKING": "n", "slub_debug": "y"}
FAULT = "Oops: general protection fault, probably for non-canonical address 0x6b6b6b6b6b6b"

Use = Callable[[Kernel, Any], Awaitable[object]]


async def nothing(_p: object = None) -> None:
    """A function that only is there."""


def used(use: Use, **settings: str) -> tuple[list[str], list[object], Result]:
    """What the kernel says when something in a freed object is used; and what that returned, if it did."""
    came_back: list[object] = []

    @scenario()
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(
            k.struct(
                "foo",
                raw=k.raw_spinlock,
                spin=k.spinlock,
                rw=k.rwlock,
                mutex=k.mutex,
                sem=k.rwsem,
                done=k.completion,
                wait=k.wait_queue_head,
                timer=k.timer_list(nothing),
                work=k.work_struct(nothing),
                dwork=k.delayed_work_struct(nothing),
            )
        )
        await k.kfree(p)
        came_back.append(await use(k, p))

    result = run(script, **settings)
    return [found.title for found in result.violations if found.by == "kernel"], came_back, result


LOCKS: dict[str, Use] = {
    "raw_spin_lock": lambda k, p: k.raw_spin_lock(p.raw),
    "spin_lock": lambda k, p: k.spin_lock(p.spin),
    "down_read": lambda k, p: k.down_read(p.sem),
    "down_write": lambda k, p: k.down_write(p.sem),
    "wake_up": lambda k, p: k.wake_up(p.wait),
    "complete": lambda k, p: k.complete(p.done),
    "wait_for_completion": lambda k, p: k.wait_for_completion(p.done),
}


@pytest.mark.parametrize("name", list(LOCKS))
def test_a_spinlock_has_not_its_magic_number_and_its_owner_is_no_address(name: str) -> None:
    said, came_back, _ = used(LOCKS[name], **LOCKDEP)
    assert said[0].startswith("BUG: spinlock bad magic on CPU#0, script/")
    assert said[1].startswith(FAULT)
    assert not came_back


@pytest.mark.parametrize("name", list(LOCKS))
def test_without_lockdep_it_is_waited_for_behind_a_cpu_that_does_not_exist(name: str) -> None:
    said, came_back, _ = used(LOCKS[name], **BARE)
    assert (said, came_back) == (["BUG: unable to handle page fault for address: 000000000002b740"], [])


def test_so_it_is_when_lockdep_is_off_already() -> None:
    """A mutex that is freed while it is held, and let go of: its list of waiters has a lock, too."""

    @scenario()
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(k.struct("foo", mutex=k.mutex))
        await k.mutex_lock(p.mutex)
        await k.kfree(p)
        await k.mutex_unlock(p.mutex)

    titles = [found.title for found in run(script, **LOCKDEP).violations if found.by == "kernel"]
    assert titles[0].startswith("WARNING: held lock freed")
    assert titles[1:] == ["BUG: unable to handle page fault for address: 000000000002b740"]


def let_go(lock: str, held: str, **settings: str) -> list[str]:
    """A lock is let go of that somebody else has freed meanwhile, as kfree_rcu() does: no lock of his is in there."""

    @scenario()
    async def script(k: Kernel) -> None:
        async def frees() -> None:
            await k.kfree(p)

        p = await k.kmalloc(k.struct("foo", spin=k.spinlock, raw=k.raw_spinlock, rw=k.rwlock, mutex=k.mutex))
        await getattr(k, lock)(getattr(p, held))
        await k.kthread_run(frees, cpu=1)
        await k.udelay(1000)
        await getattr(k, lock.replace("lock", "unlock"))(getattr(p, held))

    return [found.title for found in run(script, **settings).violations if found.by == "kernel"]


@pytest.mark.parametrize(("lock", "held"), [("raw_spin_lock", "raw"), ("spin_lock", "spin")])
def test_who_lets_go_of_a_spinlock_looks_for_its_magic_number(lock: str, held: str) -> None:
    first, second = let_go(lock, held, **LOCKDEP)
    assert first.startswith("BUG: spinlock bad magic on CPU#0, script/")
    assert second.startswith(FAULT)
    assert not let_go(lock, held, **BARE)


def test_who_lets_go_of_a_mutex_is_not_its_owner() -> None:
    assert let_go("mutex_lock", "mutex", **LOCKDEP) == [
        "WARNING: DEBUG_LOCKS_WARN_ON(__owner_task(owner) != current)",
        "BUG: unable to handle page fault for address: 000000000002b740",
    ]


def test_a_mutex_faults_in_either_kernel() -> None:
    said, came_back, _ = used(lambda k, p: k.mutex_lock(p.mutex), **LOCKDEP)
    assert said[0] == "WARNING: DEBUG_LOCKS_WARN_ON(lock->magic != lock)"
    assert said[1].startswith(FAULT)
    assert used(lambda k, p: k.mutex_lock(p.mutex), **BARE)[0][0].startswith(FAULT)
    assert not came_back


@pytest.mark.parametrize("use", [lambda k, p: k.read_lock(p.rw), lambda k, p: k.write_lock(p.rw)])
def test_an_rwlock_says_so_and_is_waited_for(use: Use) -> None:
    said, came_back, _ = used(use, **LOCKDEP)
    assert said[0].startswith("BUG: rwlock bad magic on CPU#0, script/")
    assert said[1].startswith("BUG: unable to handle page fault")
    assert not came_back


@pytest.mark.parametrize("name", ["spin_trylock", "read_trylock", "mutex_trylock", "down_read_trylock"])
def test_a_trylock_finds_it_taken(name: str) -> None:
    member = {"spin_trylock": "spin", "read_trylock": "rw", "mutex_trylock": "mutex", "down_read_trylock": "sem"}

    async def tries(k: Kernel, p: Any) -> object:
        return getattr(k, name)(getattr(p, member[name]))

    assert used(tries, **LOCKDEP)[:2] == ([], [False])


@pytest.mark.parametrize(
    "use",
    [lambda k, p: k.schedule_work(p.work), lambda k, p: k.schedule_delayed_work(p.dwork, 1)],
    ids=["work", "delayed work"],
)
def test_a_work_is_pending(use: Use) -> None:
    assert used(use, **LOCKDEP)[:2] == ([], [False])


def test_a_work_that_is_pending_and_nowhere_cannot_be_cancelled() -> None:
    said, came_back, result = used(lambda k, p: k.cancel_work_sync(p.work), **LOCKDEP)
    assert (said, came_back) == ([], [])
    assert "deadlock" in result.outcome()


@pytest.mark.parametrize("use", [lambda k, p: k.timer_delete_sync(p.timer), lambda k, p: k.flush_work(p.work)])
def test_lockdep_faults_at_the_name_of_a_map(use: Use) -> None:
    said, came_back, _ = used(use, **LOCKDEP)
    assert said[0].startswith("WARNING: bad unlock balance detected!")
    assert said[1].startswith(f"{FAULT}6b6b")
    assert not came_back
    assert used(use, **BARE)[:2] == ([], [False])


def test_without_slub_debug_memory_is_what_it_was() -> None:
    for use in LOCKS.values():
        if use is not LOCKS["wait_for_completion"]:
            assert len(used(use, PROVE_LOCKING="y")[1]) == 1
