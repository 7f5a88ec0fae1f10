"""What lockdep and the kernel's own checks say of SRCU (rcuactors/rcu/srcu.py)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest

from rcuactors import Kernel, KernelBug, ViolationKind
from rcuactors.eras import ERAS, find_era
from rcuactors.rcu.srcu_struct import SrcuStruct

from .test_srcu import ran


def kinds_of(body: Callable[[Kernel, SrcuStruct], Awaitable[None]], version: str) -> list[str]:
    async def script(k: Kernel) -> None:
        await body(k, k.srcu_struct("q_srcu"))

    return [violation.title for violation in ran(script, version).violations]


def first_of(body: Callable[[Kernel, SrcuStruct], Awaitable[None]], version: str) -> str:
    async def script(k: Kernel) -> None:
        await body(k, k.srcu_struct("q_srcu"))

    with pytest.raises(KernelBug) as raised:
        ran(script, version, panic_on_warn="y")
    return raised.value.violation.title


async def _in_its_own_reader(k: Kernel, ssp: SrcuStruct) -> None:
    with k.srcu_reader(ssp):
        await k.synchronize_srcu(ssp)


async def _in_a_reader_of_rcu(k: Kernel, ssp: SrcuStruct) -> None:
    with k.rcu_reader():
        await k.synchronize_srcu(ssp)


ILLEGAL = "Illegal synchronize_srcu() in same-type SRCU (or in RCU) read-side critical section"


def test_in_its_own_reader_6_1_says_illegal_and_6_12_recursive_locking() -> None:
    """Recorded on 6.1.192 and 6.12.117; commit f0f44752f5f6 (v6.4) made the difference."""
    assert first_of(_in_its_own_reader, "v6.1-stable") == f"WARNING: suspicious RCU usage: {ILLEGAL}"
    assert first_of(_in_its_own_reader, "v6.12") == "WARNING: possible recursive locking detected: q_srcu"
    assert first_of(_in_a_reader_of_rcu, "v6.12") == f"WARNING: suspicious RCU usage: {ILLEGAL}"


async def _mutex_and_reader(k: Kernel, ssp: SrcuStruct) -> None:
    mutex = k.mutex("M")
    with k.srcu_reader(ssp):
        await k.mutex_lock(mutex)
        await k.mutex_unlock(mutex)
    await k.mutex_lock(mutex)
    await k.synchronize_srcu(ssp)
    await k.mutex_unlock(mutex)


def test_waiting_under_a_mutex_that_a_reader_takes_is_told_since_v6_4() -> None:
    assert kinds_of(_mutex_and_reader, "v6.1-stable") == []
    (title,) = kinds_of(_mutex_and_reader, "v6.6")
    assert title.startswith("WARNING: possible circular locking dependency detected")


def test_waiting_leaves_nothing_held_and_no_usage_of_a_writer() -> None:
    async def body(k: Kernel, ssp: SrcuStruct) -> None:
        with k.srcu_reader(ssp):
            assert k.srcu_read_lock_held(ssp)
        await k.synchronize_srcu(ssp)
        assert not k.srcu_read_lock_held(ssp)
        assert k.machine.this_cpu.ctx.held == []
        await k.synchronize_srcu(ssp)

    assert kinds_of(body, "v6.12") == []


def test_a_pointer_without_a_reader_is_told() -> None:
    async def body(k: Kernel, ssp: SrcuStruct) -> None:
        p = await k.kmalloc(64)
        k.srcu_dereference(p, ssp)
        await k.kfree(p)

    assert kinds_of(body, "v6.12") == ["WARNING: suspicious RCU usage: suspicious rcu_dereference_check() usage"]


def test_call_srcu_takes_a_spinlock() -> None:
    """Unlike call_rcu(): under a raw lock that is an invalid wait context."""

    async def script(k: Kernel) -> None:
        ssp, raw = k.srcu_struct("mine"), k.raw_spinlock("R")

        async def callback() -> None:
            pass

        flags = await k.raw_spin_lock_irqsave(raw)
        await k.call_srcu(ssp, callback)
        await k.raw_spin_unlock_irqrestore(raw, flags)
        await k.srcu_barrier(ssp)

    result = ran(script, PROVE_RAW_LOCK_NESTING="y")
    assert result.kinds == {ViolationKind.INVALID_WAIT_CONTEXT}
    assert "(&ACCESS_PRIVATE(sdp, lock)" in result.violations[0].text


def test_cleanup_warns_of_a_reader_and_of_a_callback() -> None:
    async def reads(k: Kernel, ssp: SrcuStruct) -> None:
        with k.srcu_reader(ssp):
            await k.cleanup_srcu_struct(ssp)

    async def waits(k: Kernel, ssp: SrcuStruct) -> None:
        async def callback() -> None:
            pass

        async def read() -> None:
            with k.srcu_reader(ssp):
                await k.msleep(1000)

        task = await k.kthread_run(read, cpu=1)
        await k.msleep(5)
        await k.call_srcu(ssp, callback)
        await k.kthread_join(task)
        await k.cleanup_srcu_struct(ssp)

    said = "WARNING: WARN_ON({}) at cleanup_srcu_struct"
    assert kinds_of(reads, "v6.12") == [said.format("srcu_readers_active(ssp)")]
    assert kinds_of(waits, "v6.12") == [said.format("rcu_segcblist_n_cbs(&sdp->srcu_cblist)")]


# -- call_srcu() with the scheduler's lock held ------------------------------------------------------------------------


async def _under_the_scheduler_s_lock(k: Kernel, ssp: SrcuStruct) -> None:
    async def callback() -> None:
        pass

    # Once an expedited one has queued its work at once, it is known what call_srcu() may come to.
    await k.msleep(1)
    await k.synchronize_srcu_expedited(ssp)
    flags = await k.raw_spin_lock_irqsave(k.this_rq_lock())
    await k.call_srcu(ssp, callback)
    await k.raw_spin_unlock_irqrestore(k.this_rq_lock(), flags)
    await k.srcu_barrier(ssp)


def composed(monkeypatch: pytest.MonkeyPatch, base: str, **rcu: Any) -> str:
    """A version like `base` but for these rules of RCU."""
    era = find_era(base)
    rules = attrs.evolve(era.rules, rcu=attrs.evolve(era.rules.rcu, **rcu))
    neighbour = attrs.evolve(era, name=f"{base}+{'+'.join(rcu)}", rules=rules)
    monkeypatch.setitem(ERAS, neighbour.name, neighbour)
    return neighbour.name


def test_7c405fb3279b_the_work_is_queued_behind_an_irq_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the locks raw, but the work queued under them: srcu's lock, pool->lock, pi_lock, rq->lock, srcu's lock."""
    before = composed(monkeypatch, "v7.3", srcu_queues_by_irq_work=False)
    assert first_of(_under_the_scheduler_s_lock, before).startswith("WARNING: possible circular locking dependency")
    assert kinds_of(_under_the_scheduler_s_lock, "v7.3") == []


def test_before_its_locks_were_raw_it_is_an_invalid_wait_context_there() -> None:
    async def script(k: Kernel) -> None:
        await _under_the_scheduler_s_lock(k, k.srcu_struct("q_srcu"))

    first = ran(script, "v6.12", PROVE_RAW_LOCK_NESTING="y").violations[0]
    assert first.kind is ViolationKind.INVALID_WAIT_CONTEXT
    assert ran(script, "v7.3", PROVE_RAW_LOCK_NESTING="y", PREEMPT_RT="y").violations == ()
