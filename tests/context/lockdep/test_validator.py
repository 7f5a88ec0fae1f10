"""context/lockdep/validator.py: nest locks, NMIs, contexts that are not crossed, locks of another machine."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import pytest

from rcuactors import Kernel, Result, ViolationKind
from rcuactors.context.locks import Lock
from rcuactors.errors import BadInput
from rcuactors.testing import RcuLab

Script = Callable[[Kernel], Awaitable[None]]


def only(result: Result, kind: ViolationKind) -> str:
    """The text of the only report, which is of this kind."""
    assert [violation.kind for violation in result.violations] == [kind]
    return result.violations[0].text


# -- nest locks ----------------------------------------------------------------------------------------------


async def ordered(k: Kernel, *locks: Lock) -> None:
    """Take locks in this order, let go in the other."""
    for lock in locks:
        await k.spin_lock(lock)
    for lock in reversed(locks):
        await k.spin_unlock(lock)


def test_the_first_lock_under_a_nest_lock_is_ordered_after_it(rcu_lab: RcuLab) -> None:
    """check_deadlock() says "nested" for the second of a class only; the first has its edge like any other."""

    async def script(k: Kernel) -> None:
        nest, lock = k.spinlock("N"), k.spinlock("A")
        await k.spin_lock(nest)
        await k.spin_lock_nest_lock(lock, nest)
        await k.spin_unlock(lock)
        await k.spin_unlock(nest)
        await ordered(k, lock, nest)

    only(rcu_lab.run(script), ViolationKind.CIRCULAR_LOCKING)


def test_a_nest_lock_serializes_what_is_taken_after_it_only(rcu_lab: RcuLab) -> None:
    """check_deadlock() goes through the held locks in the order in which they were taken."""

    async def script(k: Kernel) -> None:
        nest, first, second = k.spinlock("N"), k.spinlock("A"), k.spinlock("A")
        await k.spin_lock(first)
        await k.spin_lock(nest)
        await k.spin_lock_nest_lock(second, nest)
        await k.spin_unlock(second)
        await k.spin_unlock(nest)
        await k.spin_unlock(first)

    only(rcu_lab.run(script), ViolationKind.RECURSIVE_LOCKING)


def test_a_nest_lock_has_to_be_held(rcu_lab: RcuLab) -> None:
    async def script(k: Kernel) -> None:
        nest, other, lock = k.mutex("N"), k.spinlock("B"), k.spinlock("A")
        for held in (True, False):
            if held:
                await k.mutex_lock(nest)
            await k.spin_lock(other)
            await k.spin_lock_nest_lock(lock, nest)
            await k.spin_unlock(lock)
            await k.spin_unlock(other)
            if held:
                await k.mutex_unlock(nest)

    text = only(rcu_lab.run(script), ViolationKind.NEST_LOCK_NOT_HELD)
    shape = re.compile(
        r"\n={34}\nWARNING: Nested lock was not taken\n.* Not tainted\n-{34}\n"
        r"script/\d+ is trying to lock:\n"
        r"[0-9a-f]{16} \(A\)\{\+\.\+\.\}-\{2:2\}, at: script \(test_validator\.py:\d+\)\n"
        r"\nbut this task is not holding:\nN\n"
        r"\nstack backtrace:\n(?:.+\n)+"
        r"\nother info that might help us debug this:\n1 lock held by script/\d+:\n #0: .*\(B\).*\n"
        r"\nstack backtrace:\n(?:.+\n?)+"
    )
    assert shape.fullmatch(text)


def test_a_chain_that_is_known_does_not_excuse_from_holding_the_nest_lock(rcu_lab: RcuLab) -> None:
    """It is asked for each time, before the chain is looked up."""

    async def script(k: Kernel) -> None:
        nests, lock = [k.spinlock("N"), k.spinlock("N")], k.spinlock("A")
        for nest in nests:
            await k.spin_lock(nests[0])
            await k.spin_lock_nest_lock(lock, nest)
            await k.spin_unlock(lock)
            await k.spin_unlock(nests[0])

    only(rcu_lab.run(script), ViolationKind.NEST_LOCK_NOT_HELD)


def test_a_nest_lock_that_is_let_go_first_is_missed(rcu_lab: RcuLab) -> None:
    """reacquire_held_locks() takes the others anew, each with its nest lock."""

    async def script(k: Kernel) -> None:
        nest, lock = k.spinlock("N"), k.spinlock("A")
        await k.spin_lock(nest)
        await k.spin_lock_nest_lock(lock, nest)
        await k.spin_unlock(nest)
        await k.spin_unlock(lock)

    only(rcu_lab.run(script), ViolationKind.NEST_LOCK_NOT_HELD)


@pytest.mark.parametrize("first_out", [0, 1, 2])
def test_several_of_a_class_are_let_go_in_any_order(rcu_lab: RcuLab, first_out: int) -> None:
    """They are counted in one entry of the held locks (held_lock.references)."""

    async def script(k: Kernel) -> None:
        nest, inner = k.spinlock("N"), k.spinlock("B")
        locks = [k.spinlock("A") for _ in range(3)]
        await k.spin_lock(nest)
        for lock in locks:
            await k.spin_lock_nest_lock(lock, nest)
        await k.spin_lock(inner)
        await k.spin_unlock(locks.pop(first_out))
        await k.spin_unlock(inner)
        for lock in locks:
            await k.spin_unlock(lock)
        await k.spin_unlock(nest)

    assert rcu_lab.run(script).clean


# -- NMIs ----------------------------------------------------------------------------------------------------


def in_nmi(*, read: bool = False, trylock: bool = False, used: str = "") -> Script:
    """A lock in an NMI, perhaps used before with interrupts off."""

    async def script(k: Kernel) -> None:
        lock = k.rwlock("A")

        async def nmi() -> None:
            if trylock:
                assert k.write_trylock(lock)
                await k.write_unlock(lock)
            elif read:
                await k.read_lock(lock)
                await k.read_unlock(lock)
            else:
                await k.write_lock(lock)
                await k.write_unlock(lock)

        if used == "write":
            await k.write_unlock_irqrestore(lock, await k.write_lock_irqsave(lock))
        elif used:
            await k.read_unlock_irqrestore(lock, await k.read_lock_irqsave(lock))
        await k.raise_nmi(nmi)

    return script


@pytest.mark.parametrize(
    ("read", "used", "reported"),
    [
        (False, "", False),
        (False, "write", True),
        (False, "read", True),
        (True, "write", True),
        (True, "read", False),
    ],
)
def test_an_nmi_must_not_wait_for_a_lock_that_was_ever_used(
    rcu_lab: RcuLab, read: bool, used: str, reported: bool
) -> None:
    """verify_lock_unused(), and no other check: readers share, and wait types are not asked after."""
    result = rcu_lab.run(in_nmi(read=read, used=used), PROVE_RAW_LOCK_NESTING=True)
    if not reported:
        assert result.clean
        return
    text = only(result, ViolationKind.INCONSISTENT_LOCK_STATE)
    assert "inconsistent {INITIAL USE} -> {IN-NMI} usage." in text
    assert f"{{INITIAL USE}} state was registered at:\n  {used}_lock\n  script (test_validator.py:" in text
    assert " [HC1[1]:SC0[0]:HE0:SE1] takes:\n" in text


def test_an_nmi_may_try(rcu_lab: RcuLab) -> None:
    assert rcu_lab.run(in_nmi(trylock=True, used="write"), PROVE_RAW_LOCK_NESTING=True).clean


def test_what_was_silent_in_an_nmi_once_is_looked_at_again(rcu_lab: RcuLab) -> None:
    async def script(k: Kernel) -> None:
        lock = k.raw_spinlock("A")

        async def nmi() -> None:
            await k.raw_spin_lock(lock)
            await k.raw_spin_unlock(lock)

        await k.raise_nmi(nmi)
        await k.raw_spin_unlock_irqrestore(lock, await k.raw_spin_lock_irqsave(lock))
        await k.raise_nmi(nmi)

    only(rcu_lab.run(script), ViolationKind.INCONSISTENT_LOCK_STATE)


# -- interrupts and the locks of who was interrupted ---------------------------------------------------------


@pytest.mark.parametrize("with_own", [False, True])
def test_a_handler_with_a_lock_cannot_let_go_of_the_threads(rcu_lab: RcuLab, with_own: bool) -> None:
    """find_held_lock() does not cross into another context; without a lock of its own there is none to cross."""

    async def script(k: Kernel) -> None:
        outer, own = k.raw_spinlock("A"), k.raw_spinlock("B")

        async def handler() -> None:
            if with_own:
                await k.raw_spin_lock(own)
            await k.raw_spin_unlock(outer)
            if with_own:
                await k.raw_spin_unlock(own)
            k.preempt_disable()

        await k.raw_spin_lock(outer)
        await k.raise_irq(handler)
        await k.udelay(10)
        await k.preempt_enable()

    result = rcu_lab.run(script)
    if with_own:
        text = only(result, ViolationKind.BAD_UNLOCK)
        assert re.search(r"release lock \(A\) at:\nhandler \(test_validator\.py:\d+\)\n", text)
        assert "but there are no more locks to release!\n" in text
        assert "2 locks held by script/" in text
    else:
        assert result.clean


def test_interrupts_are_not_enabled_in_a_handler(rcu_lab: RcuLab) -> None:
    """lockdep_hardirqs_on_prepare(): it says so, and marks no lock."""

    async def script(k: Kernel) -> None:
        lock = k.raw_spinlock("A")

        async def handler() -> None:
            await k.raw_spin_lock(lock)
            await k.local_irq_enable()
            k.local_irq_disable()
            await k.raw_spin_unlock(lock)

        await k.raise_irq(handler)
        await k.udelay(10)

    text = only(rcu_lab.run(script), ViolationKind.BAD_CONTEXT)
    assert text.splitlines()[1] == "DEBUG_LOCKS_WARN_ON(lockdep_hardirq_context())"
    assert " at lockdep_hardirqs_on_prepare" in text


# -- other machines ------------------------------------------------------------------------------------------


def test_a_lock_of_another_machine_is_refused(rcu_lab: RcuLab) -> None:
    """The first lock of each run: nothing but the machine tells them apart."""
    kept: list[Lock] = []

    async def makes(k: Kernel) -> None:
        kept.append(k.spinlock("A"))
        await ordered(k, kept[0])

    async def takes(k: Kernel) -> None:
        await ordered(k, k.spinlock("A"), kept[0])

    assert rcu_lab.run(makes).clean
    with pytest.raises(BadInput, match="lock A: made by another machine"):
        rcu_lab.run(takes)


@pytest.mark.parametrize("name", ["", "two\nlines", None, 5])
def test_a_lock_has_a_name_for_reports(rcu_lab: RcuLab, name: object) -> None:
    async def script(k: Kernel) -> None:
        k.mutex(name)  # type: ignore[arg-type]

    with pytest.raises(BadInput, match=r"the name of a lock|mutex\(name=(None|5)\): needs a text"):
        rcu_lab.run(script)
