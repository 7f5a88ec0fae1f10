"""What the tests of the matrix share: recorded rows and outcomes, made up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rcuactors.lock_matrix.cells import Cell
from rcuactors.lock_matrix.rig import Outcome
from rcuactors.lock_matrix.verdict import class_of_line, offence_in

HEADER = "context,op,variant,verdict,first_line,lockdep_offending_lock,lockdep_task_context\n"


@pytest.fixture(scope="session")
def recordings(root: Path) -> Path:
    """Where the recorded matrices are."""
    return root / "tests" / "data" / "lock-nesting"


@pytest.fixture
def matrix_file(tmp_path: Path) -> Callable[..., str]:
    """Write a recorded matrix of these rows; returns the path."""

    def write(*rows: str, header: str = HEADER, name: str = "matrix_rt.csv") -> str:
        path = tmp_path / name
        path.write_text(header + "".join(f"{row}\n" for row in rows), encoding="utf-8")
        return str(path)

    return write


def outcome_of(cell: str, text: str = "", reason: str = "never had to sleep") -> Outcome:
    """An outcome with this report."""
    title = next((line for line in text.split("\n") if line and not line.startswith("=")), "")
    context, op, variant = cell.split()
    return Outcome(
        cell=Cell(context, op, variant),
        verdict=class_of_line(title),
        title=title,
        text=text,
        reason=reason,
        offence=offence_in(text),
    )


@pytest.fixture
def outcome() -> Callable[..., Outcome]:
    """Make an outcome."""
    return outcome_of
