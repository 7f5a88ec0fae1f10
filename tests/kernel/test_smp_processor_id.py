"""lib/smp_processor_id.c: asking which CPU this is while one could be moved; and pointers to what another CPU has."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from rcuactors import Kernel, ViolationKind
from rcuactors.errors import BadInput
from rcuactors.testing import RcuLab


def kinds(lab: RcuLab, script: Callable[[Kernel], Awaitable[None]], **options: Any) -> list[ViolationKind]:
    return [violation.kind for violation in lab.run(script, **options).violations]


async def _asks(k: Kernel) -> None:
    k.smp_processor_id()


def test_who_can_be_moved_and_asks_where_it_is_is_reported(rcu_lab: RcuLab) -> None:
    (violation,) = rcu_lab.run(_asks, DEBUG_PREEMPT="y").violations
    lines = violation.text.splitlines()
    assert violation.kind is ViolationKind.PREEMPTIBLE_CPU_ID
    assert lines[0] == "BUG: using smp_processor_id() in preemptible [00000000] code: _asks/20"
    assert lines[1].startswith("caller is _asks (test_smp_processor_id.py:")
    assert lines[2].startswith("CPU: 0 UID: 0 PID: 20 Comm: _asks")
    assert any("check_preemption_disabled" in line for line in lines)


def test_nothing_is_said_without_debug_preempt(rcu_lab: RcuLab) -> None:
    assert not kinds(rcu_lab, _asks)


async def _preemption(k: Kernel) -> AsyncIterator[None]:
    k.get_cpu()
    yield
    await k.put_cpu()


async def _interrupts(k: Kernel) -> AsyncIterator[None]:
    k.local_irq_disable()
    yield
    await k.local_irq_enable()


async def _bottom_halves(k: Kernel) -> AsyncIterator[None]:
    await k.local_bh_disable()
    yield
    await k.local_bh_enable()


async def _migration(k: Kernel) -> AsyncIterator[None]:
    k.migrate_disable()
    yield
    await k.migrate_enable()


async def _raw_lock(k: Kernel) -> AsyncIterator[None]:
    lock = k.raw_spinlock("lock")
    await k.raw_spin_lock(lock)
    yield
    await k.raw_spin_unlock(lock)


async def _one_cpu(k: Kernel) -> AsyncIterator[None]:
    await k.set_cpus_allowed(None, {k.raw_smp_processor_id()})
    yield


async def _nothing(_k: Kernel) -> AsyncIterator[None]:
    yield


@pytest.mark.parametrize(
    ("off", "cpu"),
    [
        (_preemption, None),
        (_interrupts, None),
        (_bottom_halves, None),
        (_migration, None),
        (_raw_lock, None),
        (_nothing, 1),
    ],
)
@pytest.mark.parametrize("rt", ["n", "y"])
def test_who_stays_may_ask(rcu_lab: RcuLab, off: Any, cpu: int | None, rt: str) -> None:
    async def pinned(k: Kernel) -> None:
        variable = k.define_per_cpu("variable", 0)
        async with asynccontextmanager(off)(k):
            k.smp_processor_id()
            k.this_cpu_ptr(variable).value += 1

    async def main(k: Kernel) -> None:
        async with k.open_nursery() as nursery:
            await nursery.start_soon(pinned, k, cpu=cpu)

    assert not kinds(rcu_lab, main, DEBUG_PREEMPT="y", PREEMPT_RT=rt)


@pytest.mark.parametrize(("kernel", "reported"), [("v5.9", False), ("v5.11", False), ("v6.1-stable", True)])
def test_one_cpu_allowed_is_not_bound_since_is_percpu_thread(rcu_lab: RcuLab, kernel: str, reported: bool) -> None:
    """Whose affinity somebody else may change does not stay: newer kernels ask for PF_NO_SETAFFINITY, too."""

    async def main(k: Kernel) -> None:
        await k.set_cpus_allowed(None, {k.raw_smp_processor_id()})
        k.smp_processor_id()

    found = kinds(rcu_lab, main, kernel=kernel, DEBUG_PREEMPT="y")
    assert found == ([ViolationKind.PREEMPTIBLE_CPU_ID] if reported else [])


def test_a_handler_may_ask(rcu_lab: RcuLab) -> None:
    async def main(k: Kernel) -> None:
        async def handler() -> None:
            k.smp_processor_id()

        await k.raise_irq(handler)
        await k.tasklet_schedule(handler)
        await k.msleep(1)

    assert not kinds(rcu_lab, main, DEBUG_PREEMPT="y")


def test_this_cpu_ptr_asks_and_what_is_one_instruction_does_not(rcu_lab: RcuLab) -> None:
    async def main(k: Kernel) -> None:
        variable = k.define_per_cpu("variable", 0)
        k.this_cpu_write(variable, 3)
        k.this_cpu_add(variable, 2)
        assert k.this_cpu_read(variable) == 5
        k.raw_smp_processor_id()
        k.this_cpu_ptr(variable)

    assert kinds(rcu_lab, main, DEBUG_PREEMPT="y") == [ViolationKind.PREEMPTIBLE_CPU_ID]


@pytest.mark.parametrize("debug", ["n", "y"])
def test_a_pointer_that_was_taken_along_to_another_cpu_is_reported(rcu_lab: RcuLab, debug: str) -> None:
    async def main(k: Kernel) -> None:
        variable = k.define_per_cpu("counter", 0)
        k.migrate_disable()
        pointer = k.this_cpu_ptr(variable)
        pointer.value += 1
        await k.migrate_enable()
        await k.set_cpus_allowed(None, {1})
        pointer.value = 7
        assert k.per_cpu(variable, 0) == 7
        assert k.per_cpu(variable, 1) == 0

    (violation,) = rcu_lab.run(main, DEBUG_PREEMPT=debug).violations
    assert violation.kind is ViolationKind.FOREIGN_CPU_STATE
    assert violation.title == "BUG: per-CPU state of CPU 0 used on CPU 1: counter by main/20"


def test_the_state_of_a_cpu_that_is_named_may_be_used_from_anywhere(rcu_lab: RcuLab) -> None:
    async def main(k: Kernel) -> None:
        variable = k.define_per_cpu("variable", lambda: [0])
        pointer = k.per_cpu_ptr(variable, 1)
        pointer.value.append(1)
        assert k.per_cpu(variable, 0) == [0]
        assert k.per_cpu(variable, 1) == [0, 1]
        with pytest.raises(BadInput, match="CPUs 0 to 1"):
            k.per_cpu(variable, 2)
        with pytest.raises(BadInput, match="give a function"):
            k.define_per_cpu("shared", [])

    assert not kinds(rcu_lab, main, DEBUG_PREEMPT="y")


def test_a_kernel_that_is_not_preemptible_has_no_such_check(rcu_lab: RcuLab) -> None:
    with pytest.raises(BadInput, match="DEBUG_PREEMPT=y with PREEMPT=n"):
        rcu_lab.run(_asks, DEBUG_PREEMPT="y", PREEMPT="n")
