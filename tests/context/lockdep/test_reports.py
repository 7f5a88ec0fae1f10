"""Each of lockdep's reports, provoked by a scenario: that it comes, what it says, and that its absence is silence."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import pytest

from rcuactors import Kernel, Result, ViolationKind
from rcuactors.testing import RcuLab

Script = Callable[[Kernel], Awaitable[None]]


def text_of(result: Result, kind: ViolationKind) -> str:
    """The only report, which is of this kind."""
    assert [violation.kind for violation in result.violations] == [kind]
    return result.violations[0].text


async def both(k: Kernel, first: str, second: str) -> None:
    """Take two spinlocks, one in the other."""
    outer, inner = k.spinlock(first), k.spinlock(second)
    await k.spin_lock(outer)
    await k.spin_lock(inner)
    await k.spin_unlock(inner)
    await k.spin_unlock(outer)


async def abba(k: Kernel) -> None:
    """One after the other, by one thread: nothing can go wrong this time."""
    await both(k, "A", "B")
    await both(k, "B", "A")


async def abbcca(k: Kernel) -> None:
    await both(k, "A", "B")
    await both(k, "B", "C")
    await both(k, "C", "A")


def test_an_abba_that_did_not_deadlock_this_time(rcu_lab: RcuLab) -> None:
    text = text_of(rcu_lab.run(abba), ViolationKind.CIRCULAR_LOCKING)
    lines = text.splitlines()
    assert lines[1:3] == ["=" * 54, "WARNING: possible circular locking dependency detected"]
    order = [
        " is trying to acquire lock:",
        "(A){+.+.}",
        "but task is already holding lock:",
        "(B){+.+.}",
        "which lock already depends on the new lock.",
        "the existing dependency chain (in reverse order) is:",
        "-> #1 (B){+.+.}-{2:2}:",
        "-> #0 (A){+.+.}-{2:2}:",
        "other info that might help us debug this:",
        " Possible unsafe locking scenario:",
        "       CPU0                    CPU1",
        "  lock(B);",
        " " * 31 + "lock(A);",
        " " * 31 + "lock(B);",
        "  lock(A);",
        " *** DEADLOCK ***",
        "1 lock held by",
        "stack backtrace:",
    ]
    at = 0
    for wanted in order:
        at = next(index for index in range(at, len(lines)) if wanted in lines[index]) + 1
    assert "Chain exists of:" not in text


def test_the_chain_is_told_when_there_is_one_and_where_each_link_was_made(rcu_lab: RcuLab) -> None:
    text = text_of(rcu_lab.run(abbcca), ViolationKind.CIRCULAR_LOCKING)
    assert "Chain exists of:\n  A --> B --> C\n" in text
    assert [line.split("{")[0] for line in text.splitlines() if line.startswith("-> #")] == [
        "-> #2 (C)",
        "-> #1 (B)",
        "-> #0 (A)",
    ]
    made = re.findall(r"abbcca \(test_reports.py:(\d+)\)", text)
    assert len(set(made)) == 3


def test_one_global_order_is_silent(rcu_lab: RcuLab) -> None:
    async def script(k: Kernel) -> None:
        await both(k, "A", "B")
        await both(k, "B", "C")
        await both(k, "A", "C")

    assert rcu_lab.run(script).clean


def test_dependencies_of_another_cpu_count(rcu_lab: RcuLab) -> None:
    async def script(k: Kernel) -> None:
        async with k.open_nursery() as nursery:
            await nursery.start_soon(both, k, "A", "B", cpu=1)
        await both(k, "B", "A")

    assert rcu_lab.run(script).outcome() == "circular-locking"


def test_letting_go_out_of_order_keeps_the_dependency_on_what_is_left(rcu_lab: RcuLab) -> None:
    """A, B, C; B is let go: C was taken under A (reacquire_held_locks())."""

    async def script(k: Kernel) -> None:
        a, b, c = (k.spinlock(name) for name in "ABC")
        for lock in (a, b, c):
            await k.spin_lock(lock)
        await k.spin_unlock(b)
        await k.spin_unlock(c)
        await k.spin_unlock(a)
        b.lock_class.after.clear()
        await both(k, "C", "A")

    assert rcu_lab.run(script).outcome() == "circular-locking"


async def hardirq(k: Kernel, name: str) -> None:
    """A handler takes a raw lock, while a thread looks on."""

    async def irq() -> None:
        lock = k.raw_spinlock(name)
        await k.raw_spin_lock(lock)
        await k.raw_spin_unlock(lock)

    await k.raise_irq(irq)
    await k.udelay(5)


async def in_thread(k: Kernel, *names: str, irqs_off: bool = False) -> None:
    """A thread takes raw locks, one in the other."""
    locks = [k.raw_spinlock(name) for name in names]
    flags = k.local_irq_save() if irqs_off else False
    for lock in locks:
        await k.raw_spin_lock(lock)
    for lock in reversed(locks):
        await k.raw_spin_unlock(lock)
    if irqs_off:
        await k.local_irq_restore(flags)


def test_a_lock_of_a_handler_held_with_interrupts_on(rcu_lab: RcuLab) -> None:
    async def script(k: Kernel) -> None:
        await in_thread(k, "A")
        await hardirq(k, "A")

    text = text_of(rcu_lab.run(script), ViolationKind.INCONSISTENT_LOCK_STATE)
    assert "\ninconsistent {HARDIRQ-ON-W} -> {IN-HARDIRQ-W} usage.\n" in text
    assert re.search(r"script/\d+ \[HC1\[1\]:SC0\[0\]:HE0:SE1\] takes:\n\w+ \(A\)\{\?\.\+\.\}-\{2:2\}, at: irq", text)
    assert re.search(r"\{HARDIRQ-ON-W\} state was registered at:\n  .*\n  in_thread \(test_reports.py:\d+\)", text)
    assert "  lock(A);\n  <Interrupt>\n    lock(A);\n\n *** DEADLOCK ***\n" in text


def test_the_other_way_round_and_with_interrupts_off_not_at_all(rcu_lab: RcuLab) -> None:
    async def script(k: Kernel, irqs_off: bool = False) -> None:
        await hardirq(k, "A")
        await in_thread(k, "A", irqs_off=irqs_off)

    text = text_of(rcu_lab.run(script, irqs_off="n"), ViolationKind.INCONSISTENT_LOCK_STATE)
    assert "\ninconsistent {IN-HARDIRQ-W} -> {HARDIRQ-ON-W} usage.\n" in text
    assert rcu_lab.run(script, irqs_off="y").clean


def test_interrupts_enabled_while_a_lock_of_a_handler_is_held(rcu_lab: RcuLab) -> None:
    async def script(k: Kernel) -> None:
        await hardirq(k, "A")
        lock = k.raw_spinlock("A")
        k.local_irq_disable()
        await k.raw_spin_lock(lock)
        await k.local_irq_enable()
        await k.raw_spin_unlock(lock)

    assert rcu_lab.run(script).outcome() == "inconsistent-lock-state"


def test_bottom_halves_enabled_while_a_lock_of_a_softirq_is_held(rcu_lab: RcuLab) -> None:
    async def softirq(k: Kernel) -> None:
        lock = k.raw_spinlock("A")
        await k.raw_spin_lock(lock)
        await k.raw_spin_unlock(lock)

    async def script(k: Kernel, keep_off: bool = False) -> None:
        async def function() -> None:
            await softirq(k)

        await k.tasklet_schedule(function)
        await k.msleep(1)
        await k.local_bh_disable()
        lock = k.raw_spinlock("A")
        await k.raw_spin_lock(lock)
        if keep_off:
            await k.raw_spin_unlock(lock)
            await k.local_bh_enable()
        else:
            await k.local_bh_enable()
            await k.raw_spin_unlock(lock)

    assert rcu_lab.run(script, keep_off="y").clean
    text = rcu_lab.run(script, keep_off="n").violations[0].text
    assert "\ninconsistent {IN-SOFTIRQ-W} -> {SOFTIRQ-ON-W} usage.\n" in text


def test_an_unsafe_lock_under_a_safe_one(rcu_lab: RcuLab) -> None:
    """A is taken in a handler, B with interrupts on, then B under A: CPU1 holds B when its interrupt wants A."""

    async def script(k: Kernel) -> None:
        await hardirq(k, "A")
        await in_thread(k, "B")
        await in_thread(k, "A", "B", irqs_off=True)

    text = text_of(rcu_lab.run(script), ViolationKind.UNSAFE_LOCK_ORDER)
    assert "\nWARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected\n" in text
    for part in (
        "is trying to acquire:",
        "and this task is already holding:",
        "which would create a new lock dependency:\n (A){-...}-{2:2} -> (B){+.+.}-{2:2}\n",
        "but this new dependency connects a HARDIRQ-irq-safe lock:\n (A){-...}-{2:2}\n",
        "... which became HARDIRQ-irq-safe at:",
        "to a HARDIRQ-irq-unsafe lock:\n (B){+.+.}-{2:2}\n",
        "  lock(B);\n" + " " * 31 + "local_irq_disable();\n" + " " * 31 + "lock(A);\n",
        "  <Interrupt>\n    lock(A);\n",
        "the dependencies between HARDIRQ-irq-safe lock and the holding lock:",
    ):
        assert part in text


def test_a_lock_becomes_safe_after_an_unsafe_one_was_taken_under_it(rcu_lab: RcuLab) -> None:
    async def script(k: Kernel) -> None:
        await in_thread(k, "B")
        await in_thread(k, "A", "B", irqs_off=True)
        await hardirq(k, "A")

    text = text_of(rcu_lab.run(script), ViolationKind.IRQ_LOCK_INVERSION)
    assert "\nWARNING: possible irq lock inversion dependency detected\n" in text
    assert "\nbut this lock took another, HARDIRQ-unsafe lock in the past:\n (B){+.+.}-{2:2}\n" in text


def test_a_lock_becomes_unsafe_after_it_was_taken_under_a_safe_one(rcu_lab: RcuLab) -> None:
    async def script(k: Kernel) -> None:
        await hardirq(k, "A")
        await in_thread(k, "A", "M", irqs_off=True)
        await in_thread(k, "M", "B", irqs_off=True)
        await in_thread(k, "B")

    text = text_of(rcu_lab.run(script), ViolationKind.IRQ_LOCK_INVERSION)
    assert "\nbut this lock was taken by another, HARDIRQ-safe lock in the past:\n (A){-...}-{2:2}\n" in text
    assert "Chain exists of:\n  A --> M --> B\n" in text


def test_a_thread_ends_with_a_lock(rcu_lab: RcuLab) -> None:
    async def worker(k: Kernel) -> None:
        await k.mutex_lock(k.mutex("forgotten"))

    async def script(k: Kernel) -> None:
        async with k.open_nursery() as nursery:
            await nursery.start_soon(worker, k)

    text = text_of(rcu_lab.run(script), ViolationKind.LOCK_HELD_AT_EXIT)
    assert re.search(r"\nWARNING: worker/\d+ still has locks held!\n", text)
    assert re.search(r"\n1 lock held by worker/\d+:\n #0: .*\(forgotten\).* at: worker \(test_reports.py:\d+\)\n", text)


def test_memory_is_freed_with_a_held_lock_in_it(rcu_lab: RcuLab) -> None:
    async def script(k: Kernel, let_go: bool = False) -> None:
        p = await k.kmalloc(128)
        assert p is not None
        lock = k.spinlock("inside", inside=p)
        await k.spin_lock(lock)
        if let_go:
            await k.spin_unlock(lock)
        await k.kfree(p)
        if not let_go:
            await k.spin_unlock(lock)

    assert rcu_lab.run(script, let_go="y").clean
    result = rcu_lab.run(script, let_go="n")
    assert result.outcome() == "held-lock-freed, use-after-free"
    text = result.violations[0].text
    where = r"is freeing memory ([0-9a-f]{16})-([0-9a-f]{16}), with a lock still held there!\n[0-9a-f]{16} \(inside\)"
    found = re.search(where, text)
    assert found is not None
    assert int(found[2], 16) - int(found[1], 16) == 127


def test_a_held_lock_is_made_anew(rcu_lab: RcuLab) -> None:
    async def script(k: Kernel) -> None:
        lock, other = k.spinlock("one"), k.spinlock("one")
        await k.spin_lock(lock)
        k.lock_init(other)
        k.pr_info("only now")
        k.lock_init(lock)

    assert rcu_lab.run(script).kinds >= {ViolationKind.HELD_LOCK_FREED}


@pytest.mark.parametrize("read_first", [True, False])
def test_readers_of_one_semaphore_may_deadlock_and_readers_in_interrupts_do_not(
    rcu_lab: RcuLab, read_first: bool
) -> None:
    """down_read() queues behind a writer: read-read recursion is reported, too."""

    async def script(k: Kernel) -> None:
        first, second = k.rwsem("S"), k.rwsem("S")
        await (k.down_read if read_first else k.down_write)(first)
        await k.down_read(second)

    assert rcu_lab.run(script).kinds >= {ViolationKind.RECURSIVE_LOCKING}


def test_a_subclass_is_a_class_of_its_own(rcu_lab: RcuLab) -> None:
    async def script(k: Kernel, subclass: int = 0) -> None:
        parent, child = k.spinlock("L"), k.spinlock("L")
        await k.spin_lock(parent)
        await k.spin_lock_nested(child, subclass)
        await k.spin_unlock(child)
        await k.spin_unlock(parent)
        await k.spin_lock_nested(parent, subclass)
        await k.spin_lock(child)
        await k.spin_unlock(child)
        await k.spin_unlock(parent)

    assert rcu_lab.run(script, subclass="0").outcome() == "recursive-locking"
    text = text_of(rcu_lab.run(script, subclass="1"), ViolationKind.CIRCULAR_LOCKING)
    assert "(L/1){+.+.}" in text


def test_a_nest_lock_serializes_who_takes_several(rcu_lab: RcuLab) -> None:
    async def script(k: Kernel) -> None:
        outer = k.mutex("outer")
        locks = [k.spinlock("L") for _ in range(3)]
        await k.mutex_lock(outer)
        for lock in locks:
            await k.spin_lock_nest_lock(lock, outer)
        for lock in locks:
            await k.spin_unlock(lock)
        await k.mutex_unlock(outer)

    assert rcu_lab.run(script).clean


def test_after_its_first_report_lockdep_is_off_unless_told_to_keep_going(rcu_lab: RcuLab) -> None:
    async def script(k: Kernel) -> None:
        await abba(k)
        await k.mutex_unlock(k.mutex("never taken"))
        k.preempt_disable()
        k.might_sleep()
        await k.preempt_enable()

    off = rcu_lab.run(script, DEBUG_ATOMIC_SLEEP=True)
    assert [one.kind.value for one in off.violations] == ["circular-locking", "sleeping-function"]
    assert "\nINFO: lockdep is turned off.\n" in off.violations[1].text
    on = rcu_lab.run(script, DEBUG_ATOMIC_SLEEP=True, lockdep_keep_going=True)
    assert [one.kind.value for one in on.violations] == ["circular-locking", "bad-unlock", "sleeping-function"]
    assert "\nno locks held by " in on.violations[2].text


def test_a_report_says_as_data_where_and_under_what(rcu_lab: RcuLab) -> None:
    async def script(k: Kernel) -> None:
        flags = await k.raw_spin_lock_irqsave(k.raw_spinlock("raw"))
        await k.spin_lock(k.spinlock("spin"))
        await k.local_irq_restore(flags)

    violation = rcu_lab.run(script, PROVE_RAW_LOCK_NESTING=True).violations[0]
    assert violation.kind is ViolationKind.INVALID_WAIT_CONTEXT
    assert re.fullmatch(r"test_reports.py:\d+", violation.line)
    assert violation.trace[0] == "spin_lock"
    assert violation.trace[1] == f"script ({violation.line})"
    (held,) = violation.held
    assert re.fullmatch(r"raw \(raw_spinlock_t\) taken at script \(test_reports.py:\d+\)", held)
    site = held.removeprefix("raw (raw_spinlock_t) taken at ")
    assert violation.preempt_disabled_at == violation.irqs_disabled_at == site


def test_of_two_locks_that_interrupts_use_the_one_whose_interrupts_are_on_is_named(rcu_lab: RcuLab) -> None:
    """H is used by hard interrupts, S, nearer, only by softirqs; U is taken with bottom halves off, interrupts on."""

    async def script(k: Kernel) -> None:
        hard, soft, unsafe = (k.raw_spinlock(name) for name in "HSU")

        async def irq() -> None:
            await k.raw_spin_lock(hard)
            await k.raw_spin_unlock(hard)

        async def softirq() -> None:
            flags = await k.raw_spin_lock_irqsave(soft)
            await k.raw_spin_unlock_irqrestore(soft, flags)

        await k.raise_irq(irq)
        await k.tasklet_schedule(softirq)
        await k.udelay(10)
        await k.local_bh_disable()
        await k.raw_spin_lock(unsafe)
        await k.raw_spin_unlock(unsafe)
        await k.local_bh_enable()
        for first, second in ((hard, soft), (soft, unsafe)):
            flags = await k.raw_spin_lock_irqsave(first)
            await k.raw_spin_lock(second)
            await k.raw_spin_unlock(second)
            await k.raw_spin_unlock_irqrestore(first, flags)

    (violation,) = rcu_lab.run(script, kernel="v6.1-stable").violations
    assert violation.title.startswith("WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected")
    assert "H --> S --> U" in violation.text
