"""The rows of the selftest's table, each a small program and what must come of it in each column.

A cell is `!` where the program can deadlock or breaks a rule, so that a report must come, `.` where it is safe and
none may come, `-` where the kernel's table has none. A row of several events is run in every order of them: whichever
way the validator learns of the parts, the whole is the same mistake.

Reader-writer locks: a reader of rwlock_t in the classic parts is recursive (it never waits behind a waiting writer), so
that readers alone cannot deadlock; a reader of rw_semaphore can (kernel/locking/lockdep.c, check_deadlock(); the
comments on strong dependency paths there).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import permutations
from typing import Final

import attrs

from .program import bind


@attrs.frozen(kw_only=True)
class Case:
    """One cell: a program, and whether the validator must report it."""

    label: str
    column: str
    program: str
    reported: bool

    @property
    def name(self) -> str:
        """The row's label, and the column's where there are several."""
        return f"{self.label} ({self.column})" if self.column else self.label


@attrs.frozen
class Row:
    """One line of the table. None is a cell that the kernel's table leaves blank."""

    label: str
    cells: tuple[Case | None, ...]


@attrs.frozen
class Section:
    """Lines of the table under the heading that the kernel prints above them."""

    heading: tuple[str, ...]
    rows: tuple[Row, ...]


Columns = Mapping[str, Mapping[str, str]]
"""A column's name -> what the letters of a program mean in it."""

_SHARED_SPINNING: Final = {"W": "write_lock", "R": "read_lock", "P": "spin_lock"}
_SHARED_SLEEPING: Final = {"W": "down_write", "R": "down_read", "P": "mutex_lock"}

_KINDS: Final[Columns] = {
    "spin": {"L": "spin_lock"} | _SHARED_SPINNING,
    "wlock": {"L": "write_lock"} | _SHARED_SPINNING,
    "rlock": {"L": "read_lock"} | _SHARED_SPINNING,
    "mutex": {"L": "mutex_lock"},
    "wsem": {"L": "down_write"} | _SHARED_SLEEPING,
    "rsem": {"L": "down_read"} | _SHARED_SLEEPING,
    "rtmutex": {"L": "rt_mutex_lock"},
}
_IRQ_KINDS: Final[Columns] = {name: _KINDS[name] for name in ("spin", "wlock", "rlock")}
_QUEUED: Final[Columns] = {"": {"L": "spin_lock", "Q": "queued_read_lock"}}
_LOCAL: Final[Columns] = {"": {"L": "spin_lock", "P": "local_lock", "M": "mutex_lock"}}
_INNER: Final[Columns] = {
    "rcu": {"_": "RCU{ }"},
    "raw": {"_": "raw_spin_lock(B) U(B)"},
    "spin": {"_": "spin_lock(B) U(B)"},
    "mutex": {"_": "mutex_lock(B) U(B)"},
}
_INTERRUPTS: Final = {
    "hard": {"IRQ{": "HARDIRQ{", "OFF": "IRQS_OFF", "ON": "IRQS_ON"},
    "soft": {"IRQ{": "SOFTIRQ{", "OFF": "BH_OFF", "ON": "BH_ON"},
}
"""The same mistake with hardware interrupts and with softirqs."""

RULE: Final = "  " + "-" * 74


def _row(label: str, program: str, columns: Columns, expected: str, extra: Mapping[str, str] | None = None) -> Row:
    """A row of one program. `expected` has one character a column; columns at its end may be missing."""
    cells = [
        None
        if verdict == "-"
        else Case(label=label, column=name, program=bind(program, {**words, **(extra or {})}), reported=verdict == "!")
        for (name, words), verdict in zip(columns.items(), expected, strict=False)
    ]
    return Row(label, tuple(cells))


def _orders(label: str, events: Sequence[str], columns: Columns, expected: str) -> Iterator[Row]:
    """A row for each order of the events; for both kinds of interrupts where the label leaves the kind open."""
    kinds = _INTERRUPTS if "{}" in label else {"": {}}
    for order in permutations(range(len(events))):
        program = " ".join(events[index] for index in order)
        suffix = "".join(str(index + 1) for index in order)
        for kind, words in kinds.items():
            yield _row(f"{label.format(kind)}/{suffix}", program, columns, expected, words)


def _deadlocks() -> Iterator[Row]:
    """Every kind of lock, in the plainest ways to go wrong. Recursive readers alone never wait for each other."""
    for label, program in (
        ("A-A", "L(X1,X2)"),
        ("A-B-B-A", "N(A,B) N(B,A)"),
        ("A-B-B-C-C-A", "N(A,B) N(B,C) N(C,A)"),
        ("A-B-C-A-B-C", "N(A,B) N(C,A) N(B,C)"),
        ("A-B-B-C-C-D-D-A", "N(A,B) N(B,C) N(C,D) N(D,A)"),
        ("A-B-C-D-B-D-D-A", "N(A,B) N(C,D) N(B,D) N(D,A)"),
        ("A-B-C-D-B-C-D-A", "N(A,B) N(C,D) N(B,C) N(D,A)"),
    ):
        yield _row(f"{label} deadlock", program, _KINDS, "!!.!!!!")
    yield _row("double unlock", "L(A) U(A) U(A)", _KINDS, "!!!!!!!")
    yield _row("initialize held", "L(A) I(A)", _KINDS, "!!!!!!!")


def _readers_and_writers() -> Iterator[Row]:
    """Reader-writer locks among themselves and with a plain lock, P."""
    yield _row("recursive read-lock", "R(X1) R(X1)", _KINDS, "--.--!")
    yield _row("recursive read-lock #2", "R(X1) R(X2)", _KINDS, "--.--!")
    yield _row("mixed read-write-lock", "R(X1) W(X2)", _KINDS, "--!--!")
    yield _row("mixed write-read-lock", "W(X1) R(X2)", _KINDS, "--!--!")
    plain_then_read, plain_then_write = "P(Y1) R(X1) U(X1,Y1)", "P(Y1) W(X1) U(X1,Y1)"
    read_then_plain = "R(X1) P(Y1) U(Y1,X1)"
    abba = "mixed {}-lock/lock-{} ABBA"
    yield _row(abba.format("read", "write"), f"{read_then_plain} {plain_then_write}", _KINDS, "--!--!")
    yield _row(abba.format("read", "read"), f"{read_then_plain} {plain_then_read}", _KINDS, "--.--!")
    yield _row(abba.format("write", "write"), f"W(X1) P(Y1) U(Y1,X1) {plain_then_write}", _KINDS, "--!--!")
    # The chain Y, X is known already, from a reader: the writer's must not be taken for it.
    chained = f"{read_then_plain} {plain_then_read} {plain_then_write}"
    yield _row("chain cached mixed R-L/L-W ABBA", chained, _KINDS, "--!")
    # Task 1 holds a lock and wants the next, and so on around. It is a deadlock when all of them must wait: a reader
    # waits for a writer only, a writer for both.
    for name, expected in (
        ("W1R2/W2R3/W3R1", "--!"),
        ("W1W2/R2R3/W3R1", "--!"),
        ("W1W2/R2R3/R3W1", "--."),
        ("W1R2/R2R3/W3W1", "--."),
    ):
        tasks = [task.translate(str.maketrans("123", "XYZ")) for task in name.split("/")]
        events = [f"{task[0]}({task[1]}) {task[2]}({task[3]}) U({task[3]},{task[1]})" for task in tasks]
        yield from _orders(f"rlock {name}", events, _KINDS, expected)


def _interrupts() -> Iterator[Row]:
    """A lock that an interrupt takes, and what may not be done with it outside.

    Readers that are interrupted by readers are always fine. W and R are of a reader-writer lock in every column.
    """
    in_irq = "IRQ{ N(A) }"
    yield from _orders("{}-irqs-on + irq-safe-A", [in_irq, "N(A)"], _IRQ_KINDS, "!!.")
    # Interrupts on means softirqs at the end of the next one.
    enabled_under_a = "IRQS_OFF L(A) IRQS_ON U(A)"
    yield from _orders("sirq-safe-A => hirqs-on", ["SOFTIRQ{ N(A) }", enabled_under_a], _IRQ_KINDS, "!!.")
    yield from _orders("{}-safe-A + irqs-on", [in_irq, "OFF L(A) ON U(A)"], _IRQ_KINDS, "!!.")
    yield from _orders("{}-safe-A + unsafe-B #1", ["N(A,B)", "N(B)", in_irq], _IRQ_KINDS, "!!.")
    yield from _orders("{}-safe-A + unsafe-B #2", ["OFF N(A,B) ON", "N(B)", in_irq], _IRQ_KINDS, "!!.")
    # The holder of A waits for B, whose holder was interrupted and waits for A. With readers of B nobody waits for B.
    inversion = ["OFF W(A) L(B) U(B,A) ON", "N(B)", "IRQ{ R(A) U(A) }"]
    yield from _orders("{}-irq lock-inversion", inversion, _IRQ_KINDS, "!!.")
    # A reader is interrupted and the handler takes the same lock: as a reader it may.
    first = ["OFF W(A) U(A) ON", "R(A) U(A)", "IRQ{ N(A) }"]
    yield from _orders("{}-irq read-recursion", first, _IRQ_KINDS, "-!.")
    # A reader of A is interrupted, the handler wants B, whose holder wants A: it waits if it is a writer.
    second = ["OFF P(B) L(A) U(A,B) ON", "R(A) U(A)", "IRQ{ P(B) U(B) }"]
    yield from _orders("{}-irq read-recursion #2", second, _IRQ_KINDS, "-!.")
    third = ["OFF W(B) L(A) U(A,B) ON", "R(A) U(A)", "IRQ{ R(B) U(B) }"]
    yield from _orders("{}-irq read-recursion #3", third, _IRQ_KINDS, "-!.")


def _nest_locks() -> Iterator[Row]:
    """Who takes several locks of a class does so under one lock, which serializes them; it has to be held."""
    yield _row("spinlock nest unlocked", "spin_lock_nest_lock(A,O) U(A)", {"": {}}, "!")
    # A under Y1, and Y2 under A, is no circle: whoever takes a second Y has X.
    several = "L(X) spin_lock_nest_lock(Y1,X) L(A) spin_lock_nest_lock(Y2,X) U(A,Y2,Y1,X)"
    yield _row("spinlock nest test", several, {"": {"L": "spin_lock"}}, ".")


def _queued_readers() -> Iterator[Row]:
    """A reader of a queued rwlock_t waits behind a waiting writer, unless it is in an interrupt.

    So an interrupt's reader never waits for the other reader, the other reader may wait for the interrupt's: a writer
    that came in between is all it takes.
    """
    yield _row(
        "hardirq read-lock/lock-read", "HARDIRQ{ Q(A) L(B) U(B,A) } IRQS_OFF L(B) Q(A) U(A,B) IRQS_ON", _QUEUED, "!"
    )
    yield _row(
        "hardirq lock-read/read-lock", "HARDIRQ{ L(B) Q(A) U(A,B) } IRQS_OFF Q(A) L(B) U(B,A) IRQS_ON", _QUEUED, "."
    )
    yield _row("hardirq inversion", "HARDIRQ{ N(B) } IRQS_OFF L(B) Q(A) U(A,B) IRQS_ON Q(A) U(A)", _QUEUED, "!")


def _wait_contexts() -> Iterator[Row]:
    """What may be taken inside of what: a lock that may have to wait longer than its surroundings allow is reported."""
    for label, surroundings, expected in (
        ("in hardirq context", "HARDIRQ{ _ }", "...!"),
        ("in hardirq context (not threaded)", "HARDIRQ_NOT_THREADED{ _ }", "..!!"),
        ("in softirq context", "SOFTIRQ{ _ }", "...!"),
        ("in RCU context", "RCU{ _ }", "...!"),
        ("in RCU-bh context", "RCU_BH{ _ }", "...!"),
        ("in RCU-sched context", "RCU_SCHED{ _ }", "..!!"),
        ("in RAW_SPINLOCK context", "raw_spin_lock(A) _ U(A)", "..!!"),
        ("in SPINLOCK context", "spin_lock(A) _ U(A)", "...!"),
        ("in MUTEX context", "mutex_lock(A) _ U(A)", "...."),
    ):
        yield _row(label, surroundings, _INNER, expected)


def _local_locks() -> Iterator[Row]:
    """A local_lock_t, P, keeps nobody but its own CPU out, or may sleep: no interrupt can be made to wait for it.

    So a dependency through it is no inversion (kernel/locking/lockdep.c, usage_skip()); one beside it is.
    """
    in_irq, from_irq_safe = "HARDIRQ{ N(A) }", "IRQS_OFF L(A) P(X) U(X,A) IRQS_ON"
    outer = "P(X) N(B) U(X)"
    yield _row("local_lock inversion  2", f"P(X) U(X) {in_irq} {from_irq_safe}", _LOCAL, ".")
    yield _row("local_lock inversion 3A", f"{outer} {in_irq} {from_irq_safe}", _LOCAL, ".")
    both_ways = f"{outer} {in_irq} {from_irq_safe} IRQS_OFF N(A,B) IRQS_ON"
    yield _row("local_lock inversion 3B", both_ways, _LOCAL, "!")
    # The mutex Y -> C -> D leads from an unsafe lock to a softirq-safe one: fine. A -> B -> C -> D leads from a
    # hardirq-safe lock to a hardirq-unsafe one; it is closed last, where D's softirq side is seen as well.
    edges = "IRQS_OFF N(A,B) N(B,C) IRQS_ON SOFTIRQ{ N(D) } BH_OFF N(D) BH_ON IRQS_OFF N(C,D) IRQS_ON"
    mutex_to_c = "M(Y) IRQS_OFF N(C) IRQS_ON U(Y)"
    yield _row("hardirq_unsafe_softirq_safe", f"{mutex_to_c} {in_irq} {edges}", _LOCAL, "!")


def _reclaim() -> Iterator[Row]:
    """Who reclaims memory and asks for some must not be sent to reclaim in its turn."""
    for label, program, expected in (
        ("correct nesting", "FS_RECLAIM{ ALLOC(GFP_NOFS) }", "."),
        ("wrong nesting", "FS_RECLAIM{ ALLOC(GFP_KERNEL) }", "!"),
        ("protected nesting", "FS_RECLAIM{ NOFS{ ALLOC(GFP_KERNEL) } }", "."),
    ):
        yield _row(label, program, {"": {}}, expected)


def _heading(title: str, underline: int, *more: str, above: str = RULE) -> tuple[str, ...]:
    return (above, f"  | {title} |", "  " + "-" * underline, *more)


@cache
def sections() -> tuple[Section, ...]:
    """The whole table, in the kernel's order."""
    kinds = f"{'':33}| spin |wlock |rlock |mutex | wsem | rsem |rtmutex"
    inner = f"{'':33}| rcu  | raw  | spin |mutex |"
    return (
        Section(("| Locking API testsuite:", "-" * 76, kinds, RULE), tuple(_deadlocks())),
        Section((RULE,), tuple(_readers_and_writers())),
        Section((RULE,), tuple(_interrupts())),
        Section(_heading("Wound/wait tests", 21), tuple(_nest_locks())),
        Section(_heading("queued read lock tests", 27), tuple(_queued_readers())),
        Section(_heading("fs_reclaim tests", 20, above="  " + "-" * 20), tuple(_reclaim())),
        Section(_heading("wait context tests", 74, inner, RULE), tuple(_wait_contexts())),
        Section(_heading("local_lock tests", 21), tuple(_local_locks())),
    )


LEFT_OUT: Final = {
    "Wound/wait tests": "34 test cases: the model has no ww_mutex",
}
"""Parts of the kernel's table of which something is not here, and why."""
