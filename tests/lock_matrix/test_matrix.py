"""Agreement with the real kernels: every recorded cell that can be compared has the model's verdict class."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from rcuactors.lock_matrix.cells import Cell
from rcuactors.lock_matrix.comparison import Comparison, compare, sort_rows
from rcuactors.lock_matrix.matrix import run_cells
from rcuactors.lock_matrix.presets import DEFAULT_KERNEL, cell_options, configuration, preset_for
from rcuactors.lock_matrix.recording import read_matrix
from rcuactors.lock_matrix.text import comparison_lines

APART = {
    "stock": ["hardirq_smpcall spin_lock contend", "hardirq_smpcall mutex_lock contend"],
    "rt": ["hardirq_hrtimer spin_lock contend", "hardirq_hrtimer mutex_lock contend"],
}
"""Cells that are not compared: their kernels hung and said nothing."""


@cache
def compared(path: Path, one_in: int = 1) -> Comparison:
    """All of a recording, or an n-th with those that are not compared."""
    recording = read_matrix(str(path))
    apart = APART.get(path.stem.removeprefix("matrix_"), [])
    kept = [row for at, row in enumerate(recording.rows) if at % one_in == 0 or str(row.cell) in apart]
    rows = sort_rows(kept)
    config = configuration(preset_for(str(path)), {})
    outcomes = {one.cell: one for one in run_cells(rows.cells, cell_options(DEFAULT_KERNEL, config), jobs=2)}
    return compare(recording, rows, outcomes, rt=config.PREEMPT_RT)


def assert_agrees(path: Path, one_in: int = 1) -> None:
    name = path.stem.removeprefix("matrix_")
    comparison = compared(path, one_in)
    assert comparison.differing == (), "\n".join(comparison_lines(comparison))
    assert [str(one.row.cell) for one in comparison.apart] == APART.get(name, [])
    assert comparison.missing == 0
    assert comparison.counted


def test_every_cell_agrees(recordings: Path) -> None:
    assert_agrees(recordings / "matrix_prove_raw.csv")
    assert_agrees(recordings / "matrix_rt_repeats.csv")
    same, named = compared(recordings / "matrix_prove_raw.csv").named()
    assert same == named > 20


@pytest.mark.parametrize("name", ["stock", "rt"])
def test_every_third_cell_agrees(recordings: Path, name: str) -> None:
    assert_agrees(recordings / f"matrix_{name}.csv", one_in=3)


@pytest.mark.campaign
@pytest.mark.parametrize("name", ["stock", "rt"])
def test_every_cell_of_the_others_agrees(recordings: Path, name: str) -> None:
    assert_agrees(recordings / f"matrix_{name}.csv")


def test_two_processes_do_what_one_does() -> None:
    cells = [Cell("raw_spin", op, "first") for op in ("spin_lock", "vfree", "msleep", "none")] * 5
    config = configuration(preset_for("matrix_prove_raw.csv"), {})
    one, two = (list(run_cells(cells, cell_options(DEFAULT_KERNEL, config), jobs)) for jobs in (1, 2))
    assert one == two
