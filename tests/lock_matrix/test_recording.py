"""Reading recorded matrices: real ones, broken rows, and files that are no such thing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from rcuactors.errors import BadInput
from rcuactors.lock_matrix.cells import Cell
from rcuactors.lock_matrix.recording import read_matrix
from rcuactors.lock_matrix.verdict import VerdictClass

MatrixFile = Callable[..., str]


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("matrix_prove_raw.csv", {"none": 271, "sleeping function": 65, "invalid wait context": 23, "other": 20}),
        ("matrix_rt.csv", {"none": 369, "scheduling while atomic": 35, "other": 14}),
        ("matrix_stock.csv", {"none": 397, "scheduling while atomic": 18, "other": 3}),
        ("matrix_rt_repeats.csv", {"none": 63, "scheduling while atomic": 7}),
    ],
)
def test_the_real_ones(recordings: Path, name: str, classes: dict[str, int]) -> None:
    recording = read_matrix(str(recordings / name))
    assert recording.broken == ()
    counted = Counter(row.verdict.value for row in recording.rows)
    assert {verdict: counted[verdict] for verdict in classes} == classes
    assert counted.total() - sum(classes.values()) in (0, 4)  # 4: scheduling while atomic on the kernel with lockdep
    assert all(row.cell.unknown() == "" for row in recording.rows)


def test_what_a_row_tells(recordings: Path) -> None:
    rows = {row.cell: row for row in read_matrix(str(recordings / "matrix_prove_raw.csv")).rows}
    row = rows[Cell("raw_spin", "spin_lock", "first")]
    assert (row.verdict, row.offending_lock, row.task_context) == (VerdictClass.WAIT_CONTEXT, "op_spin{3:3}", "{5:5}")
    assert not row.hung
    hung = rows[Cell("rcu_read", "synchronize_rcu", "first")]
    assert (hung.verdict, hung.hung, hung.silent_hang) == (VerdictClass.OTHER, True, False)


def test_repeats(recordings: Path) -> None:
    rows = {row.cell: row for row in read_matrix(str(recordings / "matrix_rt_repeats.csv")).rows}
    row = rows[Cell("raw_spin", "free_page", "refill_contend")]
    assert (row.tries, row.splats, row.verdict) == (5, 2, VerdictClass.ATOMIC)
    assert rows[Cell("irq_disable", "free_page", "refill_contend")].verdict is VerdictClass.NONE


@pytest.mark.parametrize(
    ("row", "wrong"),
    [
        ("raw_spin,spin_lock", "has 2 columns, needs 7"),
        ("raw_spin,spin_lock,first,none,,,,,", "has 9 columns, needs 7"),
        (",spin_lock,first,none,,,", "has no context"),
        ("raw_spin,,first,none,,,", "has no op"),
        ("raw_spin,spin_lock,,none,,,", "has no variant"),
        (
            "raw_spin,spin_lock,first,fine,,,",
            "has the verdict 'fine': there are none, splat, hang, splat+hang, hang(no console output)",
        ),
        ("raw_spin,spin_lock,first,splat,,,", "has the verdict splat without a first line"),
        ("raw_spin,spin_lock,first,none,BUG: x,,", "has the verdict none with a first line"),
        ("process,none,first,none,,,", "process none first stands on line 2 already"),
    ],
)
def test_broken_rows_are_named_and_the_others_are_kept(matrix_file: MatrixFile, row: str, wrong: str) -> None:
    recording = read_matrix(matrix_file("process,none,first,none,,,", "", row, "mutex,none,first,none,,,"))
    assert [str(kept.cell) for kept in recording.rows] == ["process none first", "mutex none first"]
    assert [(broken.line, broken.wrong) for broken in recording.broken] == [(4, wrong)]


@pytest.mark.parametrize(
    ("row", "wrong"),
    [
        ("raw_spin,kfree,first,x,0,0,", "has repeats='x': needs a whole number"),
        ("raw_spin,kfree,first,5,-1,0,", "has splats='-1': needs a whole number"),
        ("raw_spin,kfree,first,0,0,0,", "has 0 splats and 0 hangs in 0 repeats"),
        ("raw_spin,kfree,first,5,6,0,BUG: x", "has 6 splats and 0 hangs in 5 repeats"),
        ("raw_spin,kfree,first,5,1,0,", "has 1 splats without an example"),
        ("raw_spin,kfree,first,5,0,0,BUG: x", "has 0 splats with an example"),
    ],
)
def test_broken_rows_of_repeats(matrix_file: MatrixFile, row: str, wrong: str) -> None:
    header = "context,op,variant,repeats,splats,hangs,first_line_example\n"
    recording = read_matrix(matrix_file(row, header=header))
    assert [(broken.line, broken.wrong) for broken in recording.broken] == [(2, wrong)]
    assert recording.rows == ()


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"a,b\0c\n", "holds binary data; needs a CSV file"),
        (
            b"kworker-1 [000] .... 1.0: event: x\n",
            "is no recorded matrix: its first line must name the columns context, op, variant, verdict, first_line",
        ),
        (b'"' + b"x" * 200_000, "is no CSV file: field larger than field limit (131072)"),
    ],
)
def test_files_that_are_none(tmp_path: Path, content: bytes, wrong: str) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with pytest.raises(BadInput) as caught:
        read_matrix(str(path))
    assert str(caught.value) == f"recording {str(path)!r}: {wrong}"


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("", "is a directory; needs a CSV file"),
        ("nowhere.csv", "cannot be read: No such file or directory"),
        ("a\0b", "cannot be read: "),
    ],
)
def test_names_that_cannot_be_read(tmp_path: Path, name: str, wrong: str) -> None:
    with pytest.raises(BadInput) as caught:
        read_matrix(str(tmp_path) + "/" + name)
    assert wrong in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_huge_field_in_the_middle_is_one_broken_row(matrix_file: MatrixFile) -> None:
    recording = read_matrix(matrix_file(f"process,none,first,splat,{'x' * 200_000},,", "mutex,none,first,none,,,"))
    assert [broken.line for broken in recording.broken] == [2]
    assert "field larger" in recording.broken[0].wrong
    assert [str(row.cell) for row in recording.rows] == ["mutex none first"]
