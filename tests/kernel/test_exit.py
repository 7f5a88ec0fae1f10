"""The end of a thread that has left something: where do_exit() stumbles over it (tests/recorded.py)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rcuactors import Kernel, RunOptions, run, scenario
from tests.recorded import A, N, R, asked, held_in, kinds

SLEEPS = "BUG: sleeping function called from invalid context at exit_signals"


def leaving(what: str):
    async def script(k: Kernel) -> None:
        locks: dict[str, Callable] = {"spin": k.spinlock, "mutex": k.mutex}
        lock = locks[what]("left") if what in locks else None

        async def leaves() -> None:
            if what == "spin":
                await k.spin_lock(lock)
            elif what == "mutex":
                await k.mutex_lock(lock)
            elif what == "preempt":
                k.preempt_disable()
            elif what == "bottom halves":
                await k.local_bh_disable()
            elif what == "irqs":
                k.local_irq_disable()
            elif what == "reader":
                k.rcu_read_lock()

        await k.kthread_join(await k.kthread_run(leaves, cpu=1, name="q_exit"))

    return script


@pytest.mark.parametrize(
    ("what", "on_a", "on_r"),
    [
        ("nothing", [], []),
        ("mutex", ["lock-held-at-exit"], ["lock-held-at-exit"]),
        ("preempt", ["sleeping-function", "scheduling-while-atomic"], ["sleeping-function", "scheduling-while-atomic"]),
        (
            "spin",
            ["sleeping-function", "invalid-wait-context", "scheduling-while-atomic"],
            ["sleeping-function", "invalid-wait-context"],
        ),
        ("reader", ["sleeping-function", "invalid-wait-context"], ["sleeping-function", "invalid-wait-context"]),
        (
            "bottom halves",
            ["sleeping-function", "scheduling-while-atomic", "bad-context"],
            ["sleeping-function", "invalid-wait-context"],
        ),
        # spin_unlock_irq(&sighand->siglock) enables them before anybody asks for sleep; on PREEMPT_RT it asks itself.
        ("irqs", ["bad-context"], ["bad-context", "sleeping-function"]),
    ],
)
def test_what_is_reported(what: str, on_a: list[str], on_r: list[str]) -> None:
    assert kinds(leaving(what), A) == on_a
    assert kinds(leaving(what), R) == on_r
    # Bottom halves are in the count of a kernel that has no other part of it.
    always = {"bottom halves": ["scheduling-while-atomic"], "irqs": ["bad-context"]}
    assert kinds(leaving(what), N) == always.get(what, [])


def test_interrupts_off_are_asked_for_first() -> None:
    """WARN_ON(irqs_disabled()) (commit 001c28e57187)."""
    assert asked(leaving("irqs"), A).violations[0].title == "WARNING: WARN_ON(irqs_disabled()) at do_exit"


def test_with_preemption_off_the_last_schedule_is_atomic() -> None:
    first, second = asked(leaving("preempt"), A).violations
    assert first.title == SLEEPS
    assert second.title == "BUG: scheduling while atomic: q_exit/21/0x00000002"
    assert second.trace[:2] == ("do_task_dead", "do_exit")


def test_on_rt_the_first_lock_on_the_way_is_taken_already() -> None:
    first = asked(leaving("preempt"), R).violations[0]
    assert held_in(first.text) == ["(&sighand->siglock)"]
    assert first.trace[:2] == ("rt_spin_lock", "synchronize_group_exit")


def test_a_mutex_is_taken_under_what_is_left() -> None:
    report = next(one for one in asked(leaving("spin"), A).violations if one.kind.value == "invalid-wait-context")
    assert "(&child->perf_event_mutex){+.+.}-{4:4}, at: perf_event_exit_task" in report.text
    assert held_in(report.text) == ["(left)"]


@pytest.mark.parametrize("kernel", ["v5.9", "v5.11"])
def test_older_kernels_print_the_count_and_forget_it(kernel: str) -> None:
    """do_exit() before commit 0e25498f8cd4."""
    result = run(scenario()(leaving("preempt")), RunOptions(kernel=kernel, settings={"DEBUG_ATOMIC_SLEEP": "y"}))
    assert [one.title for one in result.violations] == [SLEEPS, "note: q_exit[21] exited with preempt_count 1"]
    quiet = run(scenario()(leaving("irqs")), RunOptions(kernel=kernel))
    assert quiet.clean


def test_a_reader_that_is_left_does_not_hold_up_a_grace_period() -> None:
    async def script(k: Kernel) -> None:
        await leaving("reader")(k)
        await k.synchronize_rcu()

    assert kinds(script, R) == ["sleeping-function", "invalid-wait-context"]
