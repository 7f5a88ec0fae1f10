"""The selftest can fail: a validator that lacks one rule, or has one too many, is found out by the rows about it."""

from __future__ import annotations

from typing import Any

import pytest

from rcuactors.context.lockdep import chain_validation, graph, usage, wait_context
from rcuactors.context.lockdep.chains import ChainNode
from rcuactors.context.lockdep.validator import Lockdep
from rcuactors.context.locks import READ, RECURSIVE_READ, WRITE, Lock
from rcuactors.context.processor import Processor
from rcuactors.selftest import run_selftest, selftest_lines


def failing(kind: type[Lockdep] = Lockdep) -> set[str]:
    return {case.name for case, outcome in run_selftest(kind).items() if not outcome.ok}


# -- rules that are missing ------------------------------------------------------------------------------------


class _ReadsAs(Lockdep):
    """Takes every lock in a mode of its own choice."""

    modes: tuple[int, int, int]
    """What becomes of WRITE, READ and RECURSIVE_READ."""

    def acquire(self, cpu: Processor, lock: Lock, *, read: int = WRITE, **how: Any) -> None:
        super().acquire(cpu, lock, read=self.modes[read], **how)


class ReadersAreWriters(_ReadsAs):
    modes = (WRITE, WRITE, WRITE)


class NoRecursiveReaders(_ReadsAs):
    modes = (WRITE, READ, READ)


class AllReadersRecursive(_ReadsAs):
    modes = (WRITE, RECURSIVE_READ, RECURSIVE_READ)


class NoUnlockCheck(Lockdep):
    def release(self, cpu: Processor, lock: Lock) -> None:
        if cpu.ctx.holds(lock):
            super().release(cpu, lock)


class NoFreedCheck(Lockdep):
    def check_no_locks_freed(self, cpu: Processor, address: int, size: int) -> None:
        """Nothing is looked at."""


class DeafToInterrupts(Lockdep):
    def hardirqs_on(self, cpu: Processor) -> None:
        """Nothing is marked."""


class DeafToSoftirqs(Lockdep):
    def softirqs_on(self, cpu: Processor) -> None:
        """Nothing is marked."""


class NestLocksNeedNotBeHeld(Lockdep):
    def _check_nest_lock(self, *_args: Any) -> None:
        """Nobody asks for it."""


class ChainsForgetReaders(Lockdep):
    """A chain that a reader has been through is taken for a writer's."""

    def _push(self, cpu: Processor, lock: Lock, lock_class: Any, code: int, *rest: Any, **how: Any) -> None:
        held = cpu.ctx.held
        children: dict[int, ChainNode] = held[-1].node.children if held else self._root
        known = next((child for child in children.values() if child.lock_class is lock_class), None)
        super()._push(cpu, lock, lock_class, code if known is None else known.code, *rest, **how)


@pytest.mark.parametrize(
    ("kind", "caught_by"),
    [
        (ReadersAreWriters, {"A-A deadlock (rlock)", "rlock W1W2/R2R3/R3W1/123 (rlock)"}),
        (NoRecursiveReaders, {"A-B-B-A deadlock (rlock)", "hardirq lock-read/read-lock"}),
        (AllReadersRecursive, {"A-A deadlock (rsem)", "hardirq read-lock/lock-read", "hardirq inversion"}),
        (NoUnlockCheck, {"double unlock (mutex)"}),
        (NoFreedCheck, {"initialize held (rtmutex)"}),
        (DeafToInterrupts, {"sirq-safe-A => hirqs-on/12 (spin)", "hard-safe-A + irqs-on/21 (wlock)"}),
        (DeafToSoftirqs, {"soft-safe-A + irqs-on/12 (spin)"}),
        (NestLocksNeedNotBeHeld, {"spinlock nest unlocked"}),
        (ChainsForgetReaders, {"chain cached mixed R-L/L-W ABBA (rlock)"}),
    ],
)
def test_a_validator_with_a_fault(kind: type[Lockdep], caught_by: set[str]) -> None:
    assert caught_by <= failing(kind)


def _nothing(*_args: Any, **_how: Any) -> None:
    return None


NO_RECURSION = (chain_validation, "check_deadlock", lambda *_args: (None, False))
NO_CIRCLES = (chain_validation, "check_noncircular", _nothing)

FAULTS: dict[str, tuple[list[tuple[Any, str, Any]], set[str]]] = {
    "no circles": ([NO_CIRCLES], {"A-B-B-A deadlock (spin)", "A-B-C-D-B-C-D-A deadlock (rsem)"}),
    "no recursion, nor circles": ([NO_RECURSION, NO_CIRCLES], {"A-A deadlock (spin)", "wrong nesting"}),
    "no states": ([(chain_validation, "mark_lock_irq", _nothing)], {"hard-irqs-on + irq-safe-A/12 (spin)"}),
    "no unsafe orders": ([(chain_validation, "check_irq_usage", _nothing)], {"hard-safe-A + unsafe-B #2/231 (spin)"}),
    "no wait contexts": ([(chain_validation, "allowed", lambda *_args: 9)], {"in RAW_SPINLOCK context (spin)"}),
    "no handler may be threaded": ([(wait_context, "THREADABLE", 0)], {"in hardirq context (spin)"}),
    "local locks are locks": ([(usage, "usage_skip", lambda _class: False)], {"local_lock inversion  2"}),
    "every dependency is strong": (
        [(chain_validation, "dependency", lambda *_modes: graph.EN)],
        {"rlock W1R2/R2R3/W3W1/123 (rlock)"},
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_rule_switched_off(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    patches, caught_by = FAULTS[fault]
    for where, name, replacement in patches:
        monkeypatch.setattr(where, name, replacement)
    assert caught_by <= failing()


def test_recursion_is_a_circle_of_one_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the rule of its own it is still found, only by another name, as in the kernel.

    But nobody knows any more that a nest lock makes it a harmless one.
    """
    monkeypatch.setattr(*NO_RECURSION)
    assert failing() == {"spinlock nest test"}


def test_failed_cells_are_printed_as_the_kernel_prints_them() -> None:
    lines = selftest_lines(run_selftest(NoUnlockCheck))
    assert "                    double unlock:" + "FAILED|" * 7 in lines
    assert "                  initialize held:" + "  ok  |" * 7 in lines
    assert lines[-8] == "FAILED: double unlock (spin): nothing reported; a report was due"
    assert lines[-1] == f"BUG:   7 unexpected failures (out of {len(run_selftest())})! |"


def test_a_report_too_many_is_named() -> None:
    lines = selftest_lines(run_selftest(ReadersAreWriters))
    assert "                     A-A deadlock:  ok  |  ok  |FAILED|  ok  |  ok  |  ok  |  ok  |" in lines
    expected = "FAILED: A-A deadlock (rlock): reported: WARNING: possible recursive locking detected: X; none was due"
    assert expected in lines
