"""Violations: what was found, as data, and who collects them.

As in the kernel a problem is reported and the run goes on; `panic_on_warn` raises the first one at the await, or the
call, that caused it.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

import attrs

from ..engine.probe import Probe
from ..errors import RcuactorsError, bad_value, described


class ViolationKind(enum.Enum):
    """Every kind of report that a run can leave.

    The value is the name used in JSON and in the scenarios' expectations.
    """

    INVALID_WAIT_CONTEXT = "invalid-wait-context"
    SCHEDULING_WHILE_ATOMIC = "scheduling-while-atomic"
    SLEEPING_FUNCTION = "sleeping-function"
    RECURSIVE_LOCKING = "recursive-locking"
    CIRCULAR_LOCKING = "circular-locking"
    INCONSISTENT_LOCK_STATE = "inconsistent-lock-state"
    IRQ_LOCK_INVERSION = "irq-lock-inversion"
    UNSAFE_LOCK_ORDER = "safe-unsafe-lock-order"
    NEST_LOCK_NOT_HELD = "nest-lock-not-held"
    BAD_UNLOCK = "bad-unlock"
    LOCK_HELD_AT_EXIT = "lock-held-at-exit"
    HELD_LOCK_FREED = "held-lock-freed"
    SUSPICIOUS_RCU = "suspicious-rcu"
    VOLUNTARY_SWITCH = "voluntary-switch-in-reader"
    RTMUTEX_DEADLOCK = "rtmutex-deadlock"
    BAD_CONTEXT = "bad-context"
    PREEMPTIBLE_CPU_ID = "preemptible-cpu-id"
    FOREIGN_CPU_STATE = "foreign-cpu-state"
    BAD_GFP = "bad-gfp"
    DEADLOCK = "deadlock"
    USE_AFTER_FREE = "use-after-free"
    DOUBLE_FREE = "double-free"
    LEAK = "leak"
    NEVER_FREED = "never-freed"
    NULL_DEREFERENCE = "null-dereference"
    OUT_OF_MEMORY = "out-of-memory"
    PAGE_ALLOCATION_FAILURE = "page-allocation-failure"
    RCU_STALL = "rcu-stall"
    FREE_ACTIVE = "free-active"
    DEBUG_OBJECTS = "debug-objects"
    WRONG_FREE = "wrong-free"
    HUNG_TASK = "hung-task"
    WORKQUEUE_LOCKUP = "workqueue-lockup"
    SOFT_LOCKUP = "soft-lockup"
    HARD_LOCKUP = "hard-lockup"
    FLUSH_DEPENDENCY = "flush-dependency"
    DATA_RACE = "data-race"
    REFCOUNT = "refcount"
    LIST_CORRUPTION = "list-corruption"
    WARNING = "warning"
    KERNEL_BUG = "kernel-bug"


KERNEL: Final = "kernel"
ORACLE: Final = "oracle"


@attrs.frozen(kw_only=True)
class Violation:
    """One report: what, when (virtual ns), on which CPU, in which kind of context, and the kernel-style text.

    `line` is the scenario's line at fault, `trace` the chain of kernel functions and scenario lines that led there,
    innermost first, `held` the locks held (known while lockdep is on), the last two where preemption and interrupts
    were disabled, if they are. `by` says who sees it: "kernel" when a kernel with this configuration would print it,
    "oracle" when only the model knows.
    """

    kind: ViolationKind
    title: str
    time_ns: int
    cpu: int
    context: str
    text: str
    line: str = ""
    trace: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    preempt_disabled_at: str = ""
    irqs_disabled_at: str = ""
    by: str = KERNEL


class KernelBug(RcuactorsError):
    """The violation that ended a run under panic_on_warn. `violation` is the data; the message is the splat."""

    def __init__(self, violation: Violation) -> None:
        if not isinstance(violation, Violation):
            raise bad_value(f"{type(self).__name__}({described(violation)})", "a Violation: the kernel's own report")
        super().__init__(violation.text)
        self.violation = violation


class InvalidWaitContext(KernelBug):
    """BUG: Invalid wait context."""


class SchedulingWhileAtomic(KernelBug):
    """BUG: scheduling while atomic."""


class SleepingFunction(KernelBug):
    """BUG: sleeping function called from invalid context."""


class Deadlock(KernelBug):
    """Somebody waits for ever."""


class UseAfterFree(KernelBug):
    """An object was freed while a reader could still hold it, or used after its free."""


_EXCEPTIONS: dict[ViolationKind, type[KernelBug]] = {
    ViolationKind.INVALID_WAIT_CONTEXT: InvalidWaitContext,
    ViolationKind.SCHEDULING_WHILE_ATOMIC: SchedulingWhileAtomic,
    ViolationKind.SLEEPING_FUNCTION: SleepingFunction,
    ViolationKind.DEADLOCK: Deadlock,
    ViolationKind.USE_AFTER_FREE: UseAfterFree,
}


def exception_for(violation: Violation) -> KernelBug:
    """The exception class of a violation's kind, made from it."""
    return _EXCEPTIONS.get(violation.kind, KernelBug)(violation)


def outcome_of(violations: Iterable[Violation]) -> str:
    """'clean', or the kinds of violation in the order of their first report."""
    return ", ".join(dict.fromkeys(violation.kind.value for violation in violations)) or "clean"


@attrs.frozen(kw_only=True)
class ReporterStatistics:
    """What was reported.

    * `reports` (reports): in all.
    * `kept` (reports): of these, with their text: the first 1,000.
    * `kinds` (reports by kind): of those kept.
    """

    reports: int
    kept: int
    kinds: Mapping[str, int]


@attrs.define(eq=False)
class Reporter:
    """Collects violations.

    `reported` tells of each as it comes. The first `limit` are kept, all are counted; once `closed` it takes none.
    """

    panic_on_warn: bool = False
    limit: int = 1000
    violations: list[Violation] = attrs.field(factory=list)
    count: int = 0
    reported: Probe[[Violation]] = attrs.field(factory=Probe)
    closed: bool = False

    def statistics(self) -> ReporterStatistics:
        """Its figures, as they are now."""
        kinds = Counter(violation.kind.value for violation in self.violations)
        return ReporterStatistics(reports=self.count, kept=len(self.violations), kinds=dict(kinds))

    def close(self) -> None:
        """Take no more: what comes from here on is no part of the run."""
        self.closed = True

    def report(self, violation: Violation) -> None:
        """Take a violation. Raises its exception under panic_on_warn."""
        error = self.note(violation)
        if error is not None:
            raise error

    def note(self, violation: Violation) -> KernelBug | None:
        """Take a violation; return what panic_on_warn wants raised, for callers that must choose where."""
        if self.closed:
            return None
        self.count += 1
        if len(self.violations) < self.limit:
            self.violations.append(violation)
        self.reported(violation)
        return exception_for(violation) if self.panic_on_warn else None

    def outcome(self) -> str:
        """'clean', or the kinds in the order of their first report."""
        return outcome_of(self.violations)
