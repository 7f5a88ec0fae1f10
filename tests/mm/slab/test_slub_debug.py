"""slub_debug=y: freed memory that was written to is found by the next caller, and the slab is given up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from rcuactors import Kernel, Result, RunOptions, run, scenario

VERSIONS = ("v5.11", "v6.1-stable", "v6.12.0", "v6.12", "v6.18", "v7.3")
NEW = ("v6.12", "v6.18", "v7.3")
"""Whose object_err() warns."""

Write = Callable[[Kernel, Any], Awaitable[object]]


async def nothing(_p: object = None) -> None:
    """A function that only is there."""


def found(result: Result) -> list[str]:
    """What the kernel says."""
    return [violation.title for violation in result.violations if violation.by == "kernel"]


def told(version: str) -> list[str]:
    """What it says of poison that was written to."""
    if version in NEW:
        return ["BUG kmalloc-1024 (Not tainted): Object corrupt", "WARNING: WARN_ON(1) at object_err"]
    return ["BUG kmalloc-1024 (Not tainted): Poison overwritten"]


async def writes(k: Kernel, p: Any) -> None:
    """Through a pointer that one has kept."""
    k.write_once(p)


def asked(
    version: str, write: Write = writes, slub_debug: str = "y", *, locked: bool = False
) -> tuple[Result, Any, list[Any]]:
    """An object is freed and written to, then another CPU asks for three: the result, that object, and the three.

    With `locked` it has a lock that is held.
    """
    freed: list[Any] = []
    again: list[Any] = []

    @scenario()
    async def script(k: Kernel) -> None:
        async def asks() -> None:
            again.extend([await k.kmalloc(1024) for _ in range(3)])
            for p in again:
                await k.kfree(p)

        kept = await k.kmalloc(1024)
        p = await k.kmalloc(
            k.struct(
                "foo", 1024, spin=k.spinlock, timer=k.timer_list(nothing), rh=k.rcu_head, work=k.work_struct(nothing)
            )
        )
        freed.append(p)
        if locked:
            await k.spin_lock(p.spin)
        await k.kfree(p)
        await write(k, p)
        await k.kthread_run(asks, cpu=1)
        await k.msleep(100)
        await k.kfree(kept)

    return run(script, RunOptions(kernel=version, settings={"slub_debug": slub_debug})), freed[0], again


@pytest.mark.parametrize("version", VERSIONS)
def test_the_next_caller_on_whatever_cpu_finds_it(version: str) -> None:
    result, freed, again = asked(version, writes)
    assert found(result) == told(version)
    assert "First byte 0x0 instead of 0x6b" in result.violations[-1 - (version in NEW)].text
    assert all(p.address // 4096 != freed.address // 4096 for p in again)


@pytest.mark.parametrize("version", VERSIONS)
def test_without_slub_debug_nobody_looks(version: str) -> None:
    result, _, _ = asked(version, writes, "n")
    assert not found(result)


@pytest.mark.parametrize("version", VERSIONS)
def test_what_was_freed_last_is_given_out_first(version: str) -> None:
    """To the next on whatever CPU, for no CPU has a slab."""

    async def does_not_write(_k: Kernel, _p: Any) -> None:
        """Keeps away from it."""

    result, freed, again = asked(version, does_not_write)
    assert not found(result)
    assert again[0].address == freed.address


async def reads(k: Kernel, p: Any) -> None:
    """The same, and nothing is written."""
    k.deref(p)


WRITES: dict[str, Write] = {
    "spin_unlock": lambda k, p: k.spin_unlock(p.spin),
    "mod_timer": lambda k, p: k.mod_timer(p.timer, 1),
    "call_rcu": lambda k, p: k.call_rcu(p.rh, nothing),
}
LEAVES_ALONE: dict[str, Write] = {
    "queue_work": lambda k, p: k.schedule_work(p.work),
    "reads": reads,
}


@pytest.mark.parametrize("name", WRITES)
def test_who_writes(name: str) -> None:
    result, _, _ = asked("v6.12", WRITES[name], locked=name == "spin_unlock")
    assert "WARNING: WARN_ON(1) at object_err" in found(result)


@pytest.mark.parametrize("name", LEAVES_ALONE)
def test_who_leaves_poison_as_it_is(name: str) -> None:
    """0x6b has the bit set by which a work is pending."""
    result, _, _ = asked("v6.12", LEAVES_ALONE[name])
    assert not found(result)


@pytest.mark.parametrize("version", ["v6.1-stable", "v6.12"])
def test_it_goes_on_with_slabs_that_are_given_back(version: str) -> None:
    """Many objects: empty slabs go when the cache has enough, and none is lost."""
    left: list[int] = []

    @scenario()
    async def script(k: Kernel) -> None:
        for _ in range(2):
            for p in [await k.kmalloc(1024) for _ in range(60)]:
                await k.kfree(p)
        left.append(k.machine.slab.statistics().slabs)

    assert run(script, RunOptions(kernel=version, settings={"slub_debug": "y"})).clean
    assert left[0] <= 6


def test_lockdep_and_the_message_in_v6_12() -> None:
    """add_taint(TAINT_BAD_PAGE, LOCKDEP_NOW_UNRELIABLE)."""

    @scenario()
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(64)
        await k.kfree(p)
        k.write_once(p)
        await k.kfree(await k.kmalloc(64))
        raw, lock = k.raw_spinlock("raw"), k.spinlock("lock")
        await k.raw_spin_lock(raw)
        await k.spin_lock(lock)
        await k.spin_unlock(lock)
        await k.raw_spin_unlock(raw)

    result = run(script, RunOptions(kernel="v6.12", settings={"slub_debug": "y", "PROVE_LOCKING": "y"}))
    assert found(result) == ["BUG kmalloc-64 (Not tainted): Object corrupt", "WARNING: WARN_ON(1) at object_err"]
    assert result.violations[1].text.startswith("[Poison overwritten] 0x")
