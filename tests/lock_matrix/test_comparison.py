"""Comparing: what counts, what is weak evidence, what cannot be compared, and that a difference is found."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rcuactors.lock_matrix.comparison import Comparison, compare, sort_rows
from rcuactors.lock_matrix.recording import read_matrix
from rcuactors.lock_matrix.rig import Outcome
from rcuactors.lock_matrix.text import comparison_lines, fraction
from rcuactors.lock_matrix.verdict import VerdictClass, class_of_line, first_line_of, offence_in

MatrixFile = Callable[..., str]
MakeOutcome = Callable[..., Outcome]

ATOMIC = "BUG: scheduling while atomic: nest_runner/41/0x00000002"
WAIT = """
=============================
[ BUG: Invalid wait context ]
6.1.192 #1
nest_runner/41 is trying to lock:
ffffffffa00032f8 (&zone->lock){....}-{3:3}, at: rmqueue_bulk
other info that might help us debug this:
context-{5:5}
"""


def compared(path: str, *outcomes: Outcome, rt: bool = False) -> Comparison:
    recording = read_matrix(path)
    return compare(recording, sort_rows(recording.rows), {one.cell: one for one in outcomes}, rt=rt)


def test_a_planted_difference_is_found(matrix_file: MatrixFile, outcome: MakeOutcome) -> None:
    path = matrix_file(
        f"raw_spin,msleep,first,splat,{ATOMIC},,",
        "process,msleep,first,none,,,",
        "irq_disable,msleep,first,none,,,",
    )
    result = compared(
        path,
        outcome("raw_spin msleep first", ATOMIC),
        outcome("process msleep first"),
        outcome("irq_disable msleep first", ATOMIC.replace("2", "1"), "reported at once"),
    )
    assert (result.agreeing, len(result.counted)) == (2, 3)
    assert [str(pair.row.cell) for pair in result.differing] == ["irq_disable msleep first"]
    lines = comparison_lines(result)
    assert "  irq_disable msleep first  recorded: none" in lines
    assert any("model:    BUG: scheduling while atomic: nest_runner/41" in line for line in lines)
    assert lines[-1] == "agreement: 2 of 3 cells (66.6 %)"
    assert result.as_json()["differing"][0]["op"] == "msleep"


def test_the_class_counts_and_not_the_words(matrix_file: MatrixFile, outcome: MakeOutcome) -> None:
    path = matrix_file("process,vfree,first,splat,WARNING: inconsistent lock state,,")
    result = compared(path, outcome("process vfree first", "WARNING: suspicious RCU usage"))
    assert result.differing == ()
    assert result.by_class() == {VerdictClass.OTHER: (1, 1)}


def test_silence_in_contended_cells_of_rt_counts_neither_way(matrix_file: MatrixFile, outcome: MakeOutcome) -> None:
    path = matrix_file(
        "raw_spin,kfree,refill_contend,none,,,",
        "raw_spin,spin_lock,contend,none,,,",
        f"raw_spin,free_page,refill_contend,splat,{ATOMIC},,",
        "raw_spin,kfree,first,none,,,",
    )
    outcomes = (
        outcome("raw_spin kfree refill_contend", ATOMIC, "has to wait for &zone->lock in free_pcppages_bulk"),
        outcome("raw_spin spin_lock contend", ATOMIC),
        outcome("raw_spin free_page refill_contend", ATOMIC),
        outcome("raw_spin kfree first"),
    )
    on_rt = compared(path, *outcomes, rt=True)
    assert [pair.row.cell.op for pair in on_rt.weak] == ["kfree", "spin_lock"]
    assert (on_rt.agreeing, len(on_rt.counted)) == (2, 2)
    text = "\n".join(comparison_lines(on_rt))
    assert "model: scheduling while atomic  has to wait for &zone->lock in free_pcppages_bulk" in text
    elsewhere = compared(path, *outcomes)
    assert (elsewhere.weak, len(elsewhere.differing)) == ((), 2)


def test_rows_that_cannot_be_compared_are_named_with_a_reason(matrix_file: MatrixFile) -> None:
    path = matrix_file(
        "user,msleep,first,none,,,",
        "process,ioctl,first,none,,,",
        "process,msleep,refill,none,,,",
        "hardirq_smpcall,spin_lock,contend,hang,,,",
        "hardirq_hrtimer,spin_lock,contend,hang(no console output),,,",
        "hardirq_irqwork,mutex_lock,first,splat,DEBUG_LOCKS_WARN_ON(lockdep_hardirq_context()),,",
        "hardirq_hrtimer,mutex_lock,first,splat,"
        "WARNING: CPU: 1 PID: 41 at kernel/sched/core.c:9944 __might_sleep+0x64/0x70,,",
    )
    recording = read_matrix(path)
    rows = sort_rows(recording.rows)
    assert rows.wanted == ()
    assert [apart.reason.partition(":")[0] for apart in rows.apart] == [
        "the rig has no context 'user'",
        "the rig has no operation 'ioctl'",
        "the rig's msleep has no variant 'refill'",
        "the machine went silent",
        "the machine went silent",
        "lockdep complained of its own state, which the model's cannot get into",
        "the interrupt hit a thread on its way to sleep",
    ]
    lines = comparison_lines(compare(recording, rows, {}, rt=False))
    assert "not compared: 7 rows" in lines
    assert f"  {path}:2: user msleep first: the rig has no context 'user'" in lines


def test_the_locks_that_are_named_are_compared_beside_the_classes(
    matrix_file: MatrixFile, outcome: MakeOutcome
) -> None:
    path = matrix_file(
        "raw_spin,get_page_nowait,refill,splat,[ BUG: Invalid wait context ],&zone->lock{3:3},{5:5}",
        "raw_spin,kmalloc_nowait,refill,splat,[ BUG: Invalid wait context ],&c->lock{3:3},{5:5}",
    )
    result = compared(
        path, outcome("raw_spin get_page_nowait refill", WAIT), outcome("raw_spin kmalloc_nowait refill", WAIT)
    )
    assert result.differing == ()
    assert result.named() == (1, 2)
    text = "\n".join(comparison_lines(result))
    assert "of 2 invalid wait contexts that name a lock, 1 name the same one" in text
    assert "raw_spin kmalloc_nowait refill: recorded &c->lock{3:3} in {5:5}, model &zone->lock{3:3} in {5:5}" in text


def test_cells_that_were_not_run_are_counted(matrix_file: MatrixFile, outcome: MakeOutcome) -> None:
    path = matrix_file("process,none,first,none,,,", "mutex,none,first,none,,,")
    result = compared(path, outcome("process none first"))
    assert (result.missing, len(result.counted)) == (1, 1)
    assert "not run: 1 cell" in comparison_lines(result)


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        ("", VerdictClass.NONE),
        ("[ BUG: Invalid wait context ]", VerdictClass.WAIT_CONTEXT),
        ("BUG: sleeping function called from invalid context at mm/vmalloc.c:2858", VerdictClass.SLEEPING),
        (ATOMIC, VerdictClass.ATOMIC),
        ("Voluntary context switch within RCU read-side critical section!", VerdictClass.OTHER),
        ("WARNING: inconsistent lock state", VerdictClass.OTHER),
    ],
)
def test_classes(line: str, verdict: VerdictClass) -> None:
    assert class_of_line(line) is verdict


def test_the_first_line_is_no_ruler() -> None:
    assert first_line_of(WAIT) == "[ BUG: Invalid wait context ]"
    assert first_line_of("------------[ cut here ]------------\nVoluntary switch\n") == "Voluntary switch"
    assert first_line_of("\n====\n") == "===="
    assert first_line_of("") == ""


def test_what_an_invalid_wait_context_names() -> None:
    offence = offence_in(WAIT)
    assert offence is not None
    assert (offence.lock, offence.context) == ("&zone->lock{3:3}", "{5:5}")
    assert offence_in(ATOMIC) is None


def test_only_all_of_them_are_a_hundred_percent() -> None:
    assert fraction(383, 383) == "383 of 383 cells (100 %)"
    assert fraction(9999, 10000) == "9999 of 10000 cells (99.9 %)"
    assert fraction(0, 0) == "0 of 0 cells"
