"""context/preempt.py and context/context.py: the fields, what is read from them, and ftrace's columns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcuactors import Kernel
from rcuactors.context import preempt
from rcuactors.context.context import Context
from rcuactors.context.violation import ViolationKind
from rcuactors.testing import RcuLab


def context(count: int = 0, *, irqs_off: bool = False, softirq_thread: bool = False, pinned: int = 0) -> Context:
    return Context(
        comm="t",
        pid=1,
        preempt_count=count,
        irqs_disabled=irqs_off,
        softirq_thread=softirq_thread,
        migrate_disabled=pinned,
    )


def test_the_layout_is_the_kernels() -> None:
    """include/linux/preempt.h: 8 bits preempt, 8 softirq, 4 hardirq, 4 NMI."""
    assert (preempt.PREEMPT_MASK, preempt.SOFTIRQ_MASK, preempt.HARDIRQ_MASK, preempt.NMI_MASK) == (
        0x000000FF,
        0x0000FF00,
        0x000F0000,
        0x00F00000,
    )
    assert preempt.SOFTIRQ_DISABLE_OFFSET == 2 * preempt.SOFTIRQ_OFFSET


@pytest.mark.parametrize(
    ("count", "nmi", "hardirq", "serving_softirq", "interrupt", "task"),
    [
        (0, False, False, False, False, True),
        (0x000001, False, False, False, False, True),
        (0x0000FF, False, False, False, False, True),
        (0x000100, False, False, True, True, False),
        (0x000200, False, False, False, True, True),
        (0x000300, False, False, True, True, False),
        (0x010000, False, True, False, True, False),
        (0x010101, False, True, True, True, False),
        (0x110000, True, True, False, True, False),
        (0x100000, True, False, False, True, False),
    ],
)
def test_the_helpers(count: int, nmi: bool, hardirq: bool, serving_softirq: bool, interrupt: bool, task: bool) -> None:
    assert preempt.in_nmi(count) is nmi
    assert preempt.in_hardirq(count) is hardirq
    assert preempt.in_serving_softirq(count) is serving_softirq
    assert preempt.in_interrupt(count) is interrupt
    assert preempt.in_task(count) is task


@pytest.mark.parametrize(
    ("ctx", "kind", "preemptible", "atomic"),
    [
        (context(), "process", True, False),
        (context(1), "preempt_off", False, True),
        (context(0x200), "preempt_off", False, True),
        (context(irqs_off=True), "irqs_off", False, False),
        (context(1, irqs_off=True), "irqs_off", False, True),
        (context(0x100), "softirq", False, True),
        (context(softirq_thread=True), "softirq", True, False),
        (context(0x10000, irqs_off=True), "hardirq", False, True),
        (context(0x10100, irqs_off=True), "hardirq", False, True),
        (context(0x110000, irqs_off=True), "nmi", False, True),
    ],
)
def test_the_kind_is_the_strongest_limit(ctx: Context, kind: str, preemptible: bool, atomic: bool) -> None:
    assert (ctx.kind(), ctx.preemptible(), ctx.in_atomic()) == (kind, preemptible, atomic)


@pytest.mark.parametrize(
    ("ctx", "need_resched", "columns"),
    [
        (context(), False, "....."),
        (context(irqs_off=True), False, "d...."),
        (context(0x200), False, "b...."),
        (context(0x200, irqs_off=True), False, "D...."),
        (context(0x100), False, "..s.."),
        (context(0x300), False, "b.s.."),
        (context(softirq_thread=True), False, "..s.."),
        (context(0x10000, irqs_off=True), False, "d.h.."),
        (context(0x10100, irqs_off=True), False, "d.H.."),
        (context(0x100000, irqs_off=True), False, "d.z.."),
        (context(0x110000, irqs_off=True), False, "d.Z.."),
        (context(1), True, ".N.1."),
        (context(10), False, "...a."),
        (context(200), False, "...f."),
        (context(pinned=1), False, "....1"),
        (context(0x10002, irqs_off=True, pinned=300), True, "dNh2f"),
    ],
)
def test_the_flags_are_ftraces_columns(ctx: Context, need_resched: bool, columns: str) -> None:
    """kernel/trace/trace_output.c; the depths stop at 15 (tracing_gen_ctx_irq_test())."""
    assert ctx.flags(need_resched=need_resched) == columns


@given(st.integers(0, 0xFFFFFF), st.booleans(), st.booleans(), st.integers(0, 1000), st.booleans())
def test_the_flags_are_always_five_columns(count: int, irqs_off: bool, thread: bool, pinned: int, need: bool) -> None:
    flags = context(count, irqs_off=irqs_off, softirq_thread=thread, pinned=pinned).flags(need_resched=need)
    assert len(flags) == 5
    for column, allowed in zip(flags, (".dDb", ".N", ".hHszZ", ".123456789abcdef", ".123456789abcdef"), strict=True):
        assert column in allowed


# -- as a scenario sees them ------------------------------------------------------------------------------------

Seen = dict[str, tuple[int, bool, bool, bool]]


def seen_in_each_context(rcu_lab: RcuLab, **settings: object) -> Seen:
    """preempt_count(), irqs_disabled(), preemptible() and in_interrupt() in each context there is."""
    seen: Seen = {}

    async def visits(k: Kernel) -> None:
        def look(where: str) -> None:
            seen[where] = (k.preempt_count(), k.irqs_disabled(), k.preemptible(), k.in_interrupt())

        look("process")
        k.preempt_disable()
        k.preempt_disable()
        look("preempt off twice")
        await k.preempt_enable()
        await k.preempt_enable()
        flags = k.local_irq_save()
        look("irqs off")
        await k.local_irq_restore(flags)
        await k.local_bh_disable()
        look("bh off")
        await k.local_bh_enable()
        lock = k.raw_spinlock("lock")
        await k.raw_spin_lock(lock)
        look("raw lock")
        await k.raw_spin_unlock(lock)
        k.rcu_read_lock()
        look("reader")
        k.rcu_read_unlock()

        async def irq() -> None:
            look("hardirq")

        async def nmi() -> None:
            look("nmi")

        async def tasklet() -> None:
            look("softirq")

        await k.raise_irq(irq)
        await k.raise_nmi(nmi)
        await k.tasklet_schedule(tasklet)
        await k.msleep(5)
        look("process again")

    assert rcu_lab.run(visits, **settings).clean
    return seen


def test_contexts_of_a_preemptible_kernel(rcu_lab: RcuLab) -> None:
    assert seen_in_each_context(rcu_lab) == {
        "process": (0, False, True, False),
        "preempt off twice": (2, False, False, False),
        "irqs off": (0, True, False, False),
        "bh off": (0x200, False, False, True),
        "raw lock": (1, False, False, False),
        "reader": (0, False, True, False),
        "hardirq": (0x10000, True, False, True),
        "nmi": (0x110000, True, False, True),
        "softirq": (0x100, False, False, True),
        "process again": (0, False, True, False),
    }


def test_without_preempt_count_a_kernel_does_not_know(rcu_lab: RcuLab) -> None:
    seen = seen_in_each_context(rcu_lab, PREEMPT=False, PROVE_LOCKING=False)
    assert seen["process"] == (0, False, False, False)
    assert seen["preempt off twice"] == seen["raw lock"] == seen["process"]
    assert seen["hardirq"] == (0x10000, True, False, True)
    for check in ("DEBUG_ATOMIC_SLEEP", "PROVE_LOCKING"):
        only = {"PREEMPT": False, "PROVE_LOCKING": False, check: True}
        assert seen_in_each_context(rcu_lab, **only)["raw lock"][0] == 1


def test_lockdep_brings_the_count_that_finds_a_sleep_under_a_spinlock(rcu_lab: RcuLab) -> None:
    async def sleeps(k: Kernel) -> None:
        lock = k.spinlock("S")
        await k.spin_lock(lock)
        await k.msleep(1)
        await k.spin_unlock(lock)

    assert rcu_lab.run(sleeps, PREEMPT=False).kinds == {ViolationKind.SCHEDULING_WHILE_ATOMIC}
    assert rcu_lab.run(sleeps, PREEMPT=False, PROVE_LOCKING=False).clean


def test_on_preempt_rt_softirqs_are_threads(rcu_lab: RcuLab) -> None:
    seen = seen_in_each_context(rcu_lab, PREEMPT_RT=True)
    assert seen["bh off"][0] == 0
    assert seen["softirq"][0] == 0
    assert seen["hardirq"][0] == 0x10000
