"""selftest/runner.py: what a program does to context and validator."""

from __future__ import annotations

import pytest

from rcuactors.context.lockdep.validator import Lockdep
from rcuactors.selftest.runner import Bench


def verdict(program: str) -> str | None:
    report = Bench(Lockdep).run(program)
    return report.kind.value if report is not None else None


@pytest.mark.parametrize(
    ("program", "kind"),
    [
        ("", None),
        ("spin_lock(A) U(A) spin_lock(A) U(A)", None),
        ("spin_lock(X1,X2)", "recursive-locking"),
        ("IRQS_OFF spin_lock(A) U(A) IRQS_ON HARDIRQ{ spin_lock(A) U(A) }", None),
        ("BH_OFF spin_lock(A) U(A) BH_ON HARDIRQ{ spin_lock(A) U(A) }", "inconsistent-lock-state"),
        ("BH_OFF spin_lock(A) U(A) BH_ON SOFTIRQ{ spin_lock(A) U(A) }", None),
        ("RCU_BH{ spin_lock(A) U(A) } SOFTIRQ{ spin_lock(A) U(A) }", None),
        ("RCU_SCHED{ spin_lock(A) }", "invalid-wait-context"),
        ("RCU_SCHED{ } spin_lock(A)", None),
        ("HARDIRQ{ RCU{ } } mutex_lock(A)", None),
        ("HARDIRQ_NOT_THREADED{ } HARDIRQ{ spin_lock(A) U(A) }", None),
        ("HARDIRQ{ spin_lock(A) U(A) } HARDIRQ_NOT_THREADED{ spin_lock(A) }", "invalid-wait-context"),
        ("SOFTIRQ{ HARDIRQ{ spin_lock(A) U(A) } spin_lock(A) U(A) }", "inconsistent-lock-state"),
        ("queued_read_lock(A) queued_read_lock(A)", "recursive-locking"),
        ("SOFTIRQ{ queued_read_lock(A,A) }", None),
        ("read_lock(A) read_lock(A)", None),
        ("mutex_lock(A) ALLOC(GFP_KERNEL) U(A) FS_RECLAIM{ mutex_lock(A) }", "circular-locking"),
        ("mutex_lock(A) NOFS{ ALLOC(GFP_KERNEL) } U(A) FS_RECLAIM{ mutex_lock(A) U(A) }", None),
        ("FS_RECLAIM{ NOFS{ } ALLOC(GFP_KERNEL) }", "recursive-locking"),
    ],
)
def test_verdicts(program: str, kind: str | None) -> None:
    assert verdict(program) == kind


def test_the_first_report_ends_a_program() -> None:
    report = Bench(Lockdep).run("raw_spin_lock(A) mutex_lock(B) U(C)")
    assert report is not None
    assert "mutex_lock(B)" in report.text


@pytest.mark.parametrize(
    ("program", "wrong"),
    [
        ("spin_lock(A) U(A) mutex_lock(A)", "lock A is of type spinlock_t, not mutex"),
        ("U(A)", "no such lock"),
        ("I(A)", "no such lock"),
        ("ALLOC(GFP_SOFT)", "no such flags; there are GFP_KERNEL, GFP_NOFS"),
    ],
)
def test_a_program_that_contradicts_itself(program: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        Bench(Lockdep).run(program)


def test_nothing_is_left_for_the_next_program() -> None:
    assert verdict("spin_lock(A) spin_lock(B) U(B) U(A)") is None
    assert verdict("spin_lock(B) spin_lock(A) U(A) U(B)") is None
