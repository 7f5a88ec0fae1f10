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


@cache
def compared(path: Path) -> Comparison:
    recording = read_matrix(str(path))
    rows = sort_rows(recording.rows)
    config = configuration(preset_for(str(path)), {})
    outcomes = {one.cell: one for one in run_cells(rows.cells, cell_options(DEFAULT_KERNEL, config), jobs=2)}
    return compare(recording, rows, outcomes, rt=config.PREEMPT_RT)


@pytest.mark.parametrize("name", ["prove_raw", "stock", "rt", "rt_repeats"])
def test_every_cell_agrees(recordings: Path, name: str) -> None:
    comparison = compared(recordings / f"matrix_{name}.csv")
    assert comparison.differing == (), "\n".join(comparison_lines(comparison))


def test_the_locks_that_are_reported_are_the_same(recordings: Path) -> None:
    same, named = compared(recordings / "matrix_prove_raw.csv").named()
    assert same == named > 20


def test_what_is_not_compared(recordings: Path) -> None:
    apart = {
        name: [str(one.row.cell) for one in compared(recordings / f"matrix_{name}.csv").apart]
        for name in ("prove_raw", "stock", "rt", "rt_repeats")
    }
    assert apart == {
        "prove_raw": [],
        "stock": ["hardirq_smpcall spin_lock contend", "hardirq_smpcall mutex_lock contend"],
        "rt": ["hardirq_hrtimer spin_lock contend", "hardirq_hrtimer mutex_lock contend"],
        "rt_repeats": [],
    }


def test_two_processes_do_what_one_does() -> None:
    cells = [Cell("raw_spin", op, "first") for op in ("spin_lock", "vfree", "msleep", "none")] * 5
    config = configuration(preset_for("matrix_prove_raw.csv"), {})
    one, two = (list(run_cells(cells, cell_options(DEFAULT_KERNEL, config), jobs)) for jobs in (1, 2))
    assert one == two
