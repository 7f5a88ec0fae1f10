"""Locks that lie in objects (kernel/locking/common.py, _touch()): what is done with one is a use of its object."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
import pytest

from rcuactors import Kernel, RunOptions, run, scenario
from rcuactors.context.locks import Lock
from rcuactors.eras import ERAS

USES: dict[str, tuple[str, Callable[[Kernel, Lock], Awaitable[object]]]] = {}


def use(kind: str) -> Callable[[Callable[[Kernel, Lock], Awaitable[object]]], None]:
    """The uses by name; `kind` is the lock's constructor."""

    def note(function: Callable[[Kernel, Lock], Awaitable[object]]) -> None:
        USES[function.__name__] = (kind, function)

    return note


@use("raw_spinlock")
async def raw_spin(k: Kernel, lock: Lock) -> None:
    await k.raw_spin_lock(lock)
    await k.raw_spin_unlock(lock)


@use("spinlock")
async def spin(k: Kernel, lock: Lock) -> None:
    await k.spin_lock(lock)
    await k.spin_unlock(lock)


@use("spinlock")
async def spin_trylock(k: Kernel, lock: Lock) -> None:
    if k.spin_trylock(lock):
        await k.spin_unlock(lock)


@use("rwlock")
async def read(k: Kernel, lock: Lock) -> None:
    await k.read_lock(lock)
    await k.read_unlock(lock)


@use("rwlock")
async def read_trylock(k: Kernel, lock: Lock) -> None:
    if k.read_trylock(lock):
        await k.read_unlock(lock)


@use("rwlock")
async def write(k: Kernel, lock: Lock) -> None:
    await k.write_lock(lock)
    await k.write_unlock(lock)


@use("mutex")
async def mutex(k: Kernel, lock: Lock) -> None:
    await k.mutex_lock(lock)
    await k.mutex_unlock(lock)


@use("mutex")
async def mutex_trylock(k: Kernel, lock: Lock) -> None:
    if k.mutex_trylock(lock):
        await k.mutex_unlock(lock)


@use("rt_mutex")
async def rt_mutex(k: Kernel, lock: Lock) -> None:
    await k.rt_mutex_lock(lock)
    await k.rt_mutex_unlock(lock)


@use("rwsem")
async def rwsem_shared(k: Kernel, lock: Lock) -> None:
    await k.down_read(lock)
    await k.up_read(lock)


@use("rwsem")
async def rwsem_read_trylock(k: Kernel, lock: Lock) -> None:
    if k.down_read_trylock(lock):
        await k.up_read(lock)


@use("rwsem")
async def rwsem_alone(k: Kernel, lock: Lock) -> None:
    await k.down_write(lock)
    await k.up_write(lock)


@pytest.mark.parametrize("kernel", list(ERAS))
@pytest.mark.parametrize("rt", ["n", "y"])
@pytest.mark.parametrize("name", list(USES))
def test_taking_and_letting_go_are_uses(name: str, rt: str, kernel: str) -> None:
    make, function = USES[name]

    @scenario()
    async def script(k: Kernel, alive: bool = False) -> None:
        p = await k.kmalloc(128)
        lock = getattr(k, make)("&p->lock", inside=p)
        if not alive:
            await k.kfree(p)
        await function(k, lock)
        if alive:
            await k.kfree(p)

    options = RunOptions(kernel=kernel, settings={"PREEMPT_RT": rt})
    assert run(script, options, alive="y").clean
    result = run(script, options)
    assert result.outcome() == "use-after-free"
    # Both the operation that takes it and the one that lets it go, each at its line.
    lines = {violation.line for violation in result.violations}
    assert len(lines) == 2
    assert all(line.startswith("test_lock_in_freed_memory.py:") for line in lines)
    assert {violation.by for violation in result.violations} == {"oracle"}


@pytest.mark.parametrize("how", ["kfree", "kfree_rcu", "vfree"])
def test_however_it_was_freed(how: str) -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        p = await (k.vmalloc(8192) if how == "vfree" else k.kmalloc(128))
        lock = k.mutex("&p->lock", inside=p)
        await (k.kfree_rcu(p, "rcu") if how == "kfree_rcu" else getattr(k, how)(p))
        await k.msleep(500)
        await k.mutex_lock(lock)
        await k.mutex_unlock(lock)

    result = run(script)
    assert result.outcome() == "use-after-free"
    text = result.violations[0].text
    assert "object allocated at script (test_lock_in_freed_memory.py:" in text
    assert ("retired at script (test_lock_in_freed_memory.py:" in text) == (how == "kfree_rcu")
    assert ("freed by vfree() at script (" in text) == (how == "vfree")
    assert ("freed by kfree() at script (" in text) == (how == "kfree")


def test_a_lock_whose_object_is_freed_while_somebody_waits_for_it() -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(128)
        lock = k.mutex("&p->lock", inside=p)

        async def waiter() -> None:
            await k.mutex_lock(lock)
            await k.mutex_unlock(lock)

        await k.mutex_lock(lock)
        async with k.open_nursery() as nursery:
            await nursery.start_soon(waiter, cpu=1)
            await k.msleep(10)
            await k.kfree(p)
            await k.mutex_unlock(lock)

    result = run(script, PROVE_LOCKING="n")
    assert result.outcome() == "use-after-free"
    assert {violation.cpu for violation in result.violations} == {0, 1}


def test_with_kasan_the_kernel_sees_it_and_says_who_freed() -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(128)
        lock = k.mutex("&p->lock", inside=p)
        await k.kfree(p)
        await k.mutex_lock(lock)
        await k.mutex_unlock(lock)

    first, second = run(script, KASAN="y").violations
    assert (first.title, first.by) == ("BUG: KASAN: use-after-free in mutex_lock", "kernel")
    assert second.title == "BUG: KASAN: use-after-free in mutex_unlock"
    tail = first.text[first.text.index("Freed by task script/") :].splitlines()
    assert tail[1] == " kfree"
    assert tail[2].startswith(" script (test_lock_in_freed_memory.py:")


@scenario()
async def a_lock_is_let_go(k: Kernel, keep: bool = False, kind: str = "spinlock") -> None:
    """Who looks the object up ends its section under the lock in it, and the object is retired while it lets go."""
    p = await k.kmalloc(128)
    lock = getattr(k, kind)("&p->lock", inside=p)
    take, let_go = (k.raw_spin_lock, k.raw_spin_unlock) if kind == "raw_spinlock" else (k.spin_lock, k.spin_unlock)
    if kind == "rwlock":
        take, let_go = k.write_lock, k.write_unlock
    looks_with = (k.read_lock, k.read_unlock) if kind == "rwlock" else (take, let_go)
    alive = [p]

    async def looks_up() -> None:
        k.rcu_read_lock()
        if alive:
            k.rcu_dereference(p)
            await looks_with[0](lock)
            if not keep:
                k.rcu_read_unlock()
            await k.udelay(50)
            await looks_with[1](lock)
            if not keep:
                return
        k.rcu_read_unlock()

    async def removes() -> None:
        await take(lock)
        await k.udelay(20)
        alive.clear()
        await let_go(lock)
        await k.kfree_rcu(p, "rcu")

    async with k.open_nursery() as nursery:
        await nursery.start_soon(removes, cpu=0)
        await nursery.start_soon(looks_up, cpu=1)


@pytest.mark.parametrize("kernel", list(ERAS))
@pytest.mark.parametrize(
    ("rt", "kind", "found"),
    [("y", "spinlock", True), ("y", "rwlock", True), ("n", "spinlock", False), ("y", "raw_spinlock", False)],
)
def test_rt_spin_unlock_leaves_its_section_before_it_lets_go(kernel: str, rt: str, kind: str, found: bool) -> None:
    """What 89038cc87d80 mended: from the end of the section on nothing keeps an object that kfree_rcu() was given."""
    options = RunOptions(kernel=kernel, settings={"PREEMPT_RT": rt})
    result = run(a_lock_is_let_go, options, kind=kind)
    assert result.outcome() == ("use-after-free" if found else "clean")
    if found:
        assert "which was given to kvfree_rcu() and which no reader keeps any more" in result.violations[0].text
        assert result.violations[0].by == "oracle"
    assert run(a_lock_is_let_go, options, keep="y", kind=kind).clean


@pytest.mark.parametrize("kind", ["spinlock", "rwlock"])
def test_89038cc87d80_turns_it_round(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """v7.3 with that commit's rule and nothing else."""
    era = ERAS["v7.3"]
    rules = attrs.evolve(era.rules, kernel=attrs.evolve(era.rules.kernel, rt_section_ends_last=True))
    monkeypatch.setitem(ERAS, "v7.3", attrs.evolve(era, rules=rules))
    options = RunOptions(kernel="v7.3", settings={"PREEMPT_RT": "y"})
    assert run(a_lock_is_let_go, options, kind=kind).clean


def test_a_wait_queue_in_freed_memory() -> None:
    """Its lock lies where it does (fl v=wq)."""

    async def script(k: Kernel) -> None:
        p = await k.kmalloc(64)
        head = k.wait_queue_head("&o->wq", inside=p)
        await k.wake_up(head)
        await k.kfree(p)
        await k.wake_up(head)

    result = run(scenario()(script))
    assert result.outcome() == "use-after-free"
    assert "&o->wq" in result.violations[0].title
