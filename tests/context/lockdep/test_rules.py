"""context/lockdep/rules.py: what lockdep of v5.9 and v5.11 sees and what it does not, side by side with v6.1's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from rcuactors import Kernel
from rcuactors.context.locks import Lock
from rcuactors.testing import RcuLab

Script = Callable[[Kernel], Awaitable[None]]
KERNELS = ("v5.9", "v5.11", "v6.1-stable")


def outcomes(rcu_lab: RcuLab, script: Script, **settings: object) -> tuple[str, ...]:
    """What comes of a script on each kernel, in the order of `KERNELS`."""
    return tuple(rcu_lab.run(script, kernel=kernel, **settings).outcome() for kernel in KERNELS)


async def in_hardirq(k: Kernel, handler: Callable[[], Awaitable[None]]) -> None:
    await k.raise_irq(handler)
    await k.udelay(10)


# -- the first lock (f8b298cc39f0) -------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["hardirq", "irq_work", "hrtimer"])
def test_a_spinlock_that_is_the_first_lock_of_a_handler(rcu_lab: RcuLab, where: str) -> None:
    async def script(k: Kernel) -> None:
        lock = k.spinlock("some_spinlock")

        async def handler() -> None:
            await k.spin_lock(lock)
            await k.spin_unlock(lock)

        if where == "hardirq":
            await in_hardirq(k, handler)
        elif where == "irq_work":
            await k.irq_work_queue(k.irq_work(handler, hard=True))
            await k.udelay(10)
        else:
            await k.hrtimer_start(k.hrtimer(handler, hard=True), 1000)
            await k.udelay(10)

    prove = {"PROVE_RAW_LOCK_NESTING": "y"}
    assert outcomes(rcu_lab, script, **prove) == ("clean", "clean", "invalid-wait-context")


def test_under_a_lock_the_context_counts_in_every_version(rcu_lab: RcuLab) -> None:
    async def script(k: Kernel) -> None:
        raw, lock = k.raw_spinlock("raw"), k.spinlock("some_spinlock")

        async def handler() -> None:
            await k.raw_spin_lock(raw)
            await k.spin_lock(lock)
            await k.spin_unlock(lock)
            await k.raw_spin_unlock(raw)

        await in_hardirq(k, handler)

    assert set(outcomes(rcu_lab, script, PROVE_RAW_LOCK_NESTING="y")) == {"invalid-wait-context"}


def test_a_lock_of_who_was_interrupted_is_held_too(rcu_lab: RcuLab) -> None:
    """The test is for lockdep_depth, which the interrupted thread's locks count in."""

    async def script(k: Kernel) -> None:
        outer, lock = k.mutex("outer"), k.spinlock("some_spinlock")

        async def handler() -> None:
            await k.spin_lock(lock)
            await k.spin_unlock(lock)

        await k.mutex_lock(outer)
        await in_hardirq(k, handler)
        await k.mutex_unlock(outer)

    assert set(outcomes(rcu_lab, script, PROVE_RAW_LOCK_NESTING="y")) == {"invalid-wait-context"}


# -- readers (e918188611f0, 621c9dac0eea) ------------------------------------------------------------------------------


def test_a_rwlock_that_is_read_twice(rcu_lab: RcuLab) -> None:
    async def script(k: Kernel) -> None:
        lock = k.rwlock("A")
        await k.read_lock(lock)
        await k.read_lock(lock)
        await k.read_unlock(lock)
        await k.read_unlock(lock)

    assert outcomes(rcu_lab, script) == ("clean", "recursive-locking", "recursive-locking")


async def under(k: Kernel, outer: Lock, inner: Lock, *, reads: bool = False) -> None:
    """A spinlock under a rwlock_t that is written or read."""
    await (k.read_lock if reads else k.write_lock)(outer)
    await k.spin_lock(inner)
    await k.spin_unlock(inner)
    await (k.read_unlock if reads else k.write_unlock)(outer)


async def above(k: Kernel, outer: Lock, inner: Lock, *, reads: bool = False) -> None:
    """A rwlock_t that is written or read under a spinlock."""
    await k.spin_lock(outer)
    await (k.read_lock if reads else k.write_lock)(inner)
    await (k.read_unlock if reads else k.write_unlock)(inner)
    await k.spin_unlock(outer)


def test_a_rwlock_that_is_read_twice_around_another_lock(rcu_lab: RcuLab) -> None:
    """check_deadlock() of v5.9 returned at the first one read before, and left all else of the new reader alone."""

    async def script(k: Kernel) -> None:
        a, b = k.rwlock("A"), k.spinlock("B")
        await under(k, a, b)
        await k.read_lock(a)
        await k.spin_lock(b)
        await k.read_lock(a)
        await k.read_unlock(a)
        await k.spin_unlock(b)
        await k.read_unlock(a)

    # B was taken under A, and A is wanted under B; but it is held already, outside of B.
    assert rcu_lab.run(script, kernel="v5.9").clean


def test_a_reader_left_no_dependency(rcu_lab: RcuLab) -> None:
    async def script(k: Kernel) -> None:
        a, b = k.rwlock("A"), k.spinlock("B")
        await under(k, a, b, reads=True)
        await above(k, b, a)

    assert outcomes(rcu_lab, script) == ("clean", "circular-locking", "circular-locking")


def test_a_reader_met_the_dependencies_of_writers(rcu_lab: RcuLab) -> None:
    async def script(k: Kernel) -> None:
        a, b = k.rwlock("A"), k.spinlock("B")
        await under(k, a, b)
        await above(k, b, a, reads=True)

    assert set(outcomes(rcu_lab, script)) == {"circular-locking"}


def test_a_semaphores_readers_always_left_one(rcu_lab: RcuLab) -> None:
    async def script(k: Kernel) -> None:
        a, b = k.rwsem("A"), k.mutex("B")
        await k.down_read(a)
        await k.mutex_lock(b)
        await k.mutex_unlock(b)
        await k.up_read(a)
        await k.mutex_lock(b)
        await k.down_write(a)
        await k.up_write(a)
        await k.mutex_unlock(b)

    assert set(outcomes(rcu_lab, script)) == {"circular-locking"}


def test_a_writers_chain_was_taken_for_a_readers(rcu_lab: RcuLab) -> None:
    """The kernel's own case (8ef7ca75120a): R(A) B, then W(A) B, then B W(A)."""

    async def script(k: Kernel) -> None:
        a, b = k.rwlock("A"), k.spinlock("B")
        await under(k, a, b, reads=True)
        await under(k, a, b)
        await above(k, b, a)

    assert outcomes(rcu_lab, script) == ("clean", "circular-locking", "circular-locking")


# -- readers and interrupts (f08e3888574d) -----------------------------------------------------------------------------


def test_a_reader_that_can_be_interrupted_was_no_danger(rcu_lab: RcuLab) -> None:
    """The commit's own case: l1 is read in an interrupt, l2 is read with interrupts on; l2 is written under l1."""

    async def script(k: Kernel) -> None:
        l1, l2 = k.rwlock("l1"), k.rwlock("l2")

        async def handler() -> None:
            await k.read_lock(l1)
            await k.read_unlock(l1)

        await in_hardirq(k, handler)
        await k.read_lock(l2)
        await k.read_unlock(l2)
        flags = k.local_irq_save()
        await k.write_lock(l1)
        await k.write_lock(l2)
        await k.write_unlock(l2)
        await k.write_unlock(l1)
        await k.local_irq_restore(flags)

    assert outcomes(rcu_lab, script) == ("clean", "safe-unsafe-lock-order", "safe-unsafe-lock-order")


@pytest.mark.parametrize("late", [False, True])
def test_a_writer_that_can_be_interrupted_always_was(rcu_lab: RcuLab, late: bool) -> None:
    """`late`: the class gets its usage when the dependency is there already, which is mark_lock_irq()'s half."""

    async def script(k: Kernel) -> None:
        safe, unsafe = k.spinlock("safe"), k.spinlock("unsafe")

        async def handler() -> None:
            await k.spin_lock(safe)
            await k.spin_unlock(safe)

        async def nest() -> None:
            flags = await k.spin_lock_irqsave(safe)
            await k.spin_lock(unsafe)
            await k.spin_unlock(unsafe)
            await k.spin_unlock_irqrestore(safe, flags)

        await in_hardirq(k, handler)
        if late:
            await nest()
        await k.spin_lock(unsafe)
        await k.spin_unlock(unsafe)
        await nest()

    assert set(outcomes(rcu_lab, script)) == {"irq-lock-inversion" if late else "safe-unsafe-lock-order"}


def test_a_new_reader_met_no_readers_on_a_path(rcu_lab: RcuLab) -> None:
    """mark_lock_irq() of v5.9 looked for conflicting writers only when the new usage was a reader's."""

    async def script(k: Kernel) -> None:
        l1, l2 = k.rwlock("l1"), k.rwlock("l2")
        flags = k.local_irq_save()
        await k.write_lock(l1)
        await k.write_lock(l2)
        await k.write_unlock(l2)
        await k.write_unlock(l1)
        await k.local_irq_restore(flags)
        await k.read_lock(l2)
        await k.read_unlock(l2)

        async def handler() -> None:
            await k.read_lock(l1)
            await k.read_unlock(l1)

        await in_hardirq(k, handler)

    assert outcomes(rcu_lab, script) == ("clean", "irq-lock-inversion", "irq-lock-inversion")


# -- local locks (dfd5e3f5fe27) ----------------------------------------------------------------------------------------


def test_a_path_by_way_of_a_local_lock(rcu_lab: RcuLab) -> None:
    """lib/locking-selftest.c, local_lock_2(): a local_lock that interrupts may interrupt, under one that they take."""

    async def script(k: Kernel) -> None:
        safe, middle, unsafe = k.spinlock("safe"), k.local_lock_t("local"), k.spinlock("unsafe")

        async def handler() -> None:
            await k.spin_lock(safe)
            await k.spin_unlock(safe)

        await in_hardirq(k, handler)
        await k.local_lock(middle)
        await k.spin_lock(unsafe)
        await k.spin_unlock(unsafe)
        await k.local_unlock(middle)
        flags = await k.spin_lock_irqsave(safe)
        await k.local_lock(middle)
        await k.local_unlock(middle)
        await k.spin_unlock_irqrestore(safe, flags)

    assert outcomes(rcu_lab, script) == ("safe-unsafe-lock-order", "safe-unsafe-lock-order", "clean")
