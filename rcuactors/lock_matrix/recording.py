"""Recorded matrices: a CSV file with one row for each cell that was tried on a real kernel.

Two forms. A matrix has `verdict` (none, splat, hang, splat+hang) and `first_line`, the first line on the console while
the operation ran. A file of repeats has how often a cell was tried (`repeats`), how often the kernel complained
(`splats`) and hung (`hangs`), and an example of the first line. A row that cannot be understood is kept with its line
number and what is wrong with it; a file that is no such table at all is bad input.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Final

import attrs

from ..errors import BadInput, bad_value
from ..spelling import no_such
from .cells import Cell
from .verdict import VerdictClass, class_of_line

_MATRIX: Final = ("context", "op", "variant", "verdict", "first_line")
_REPEATS: Final = ("context", "op", "variant", "repeats", "splats", "hangs", "first_line_example")
_VERDICTS: Final = ("none", "splat", "hang", "splat+hang", "hang(no console output)")
_LARGEST_FILE: Final = 64 << 20


@attrs.frozen(kw_only=True)
class Row:
    """One recorded cell. `line` is its place in the file."""

    line: int
    cell: Cell
    first_line: str
    hung: bool
    tries: int = 1
    splats: int = 0
    offending_lock: str = ""
    task_context: str = ""

    @property
    def verdict(self) -> VerdictClass:
        """The class of its first line."""
        return class_of_line(self.first_line)

    @property
    def silent_hang(self) -> bool:
        """The machine hung and said nothing while the operation ran."""
        return self.hung and not self.first_line


@attrs.frozen
class BrokenRow:
    """A row that cannot be understood: where, and what is wrong with it."""

    line: int
    wrong: str


@attrs.frozen
class MatrixRecording:
    """A recorded file."""

    name: str
    rows: tuple[Row, ...]
    broken: tuple[BrokenRow, ...]


def _bad(path: str, wrong: str) -> BadInput:
    return BadInput(f"recording {path!r}: {wrong}")


def _read_text(path: str) -> str:
    try:
        if Path(path).is_dir():
            raise _bad(path, "is a directory; needs a CSV file")
        with Path(path).open("rb") as stream:
            data = stream.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise _bad(path, f"cannot be read: {error.strerror or error}") from None
    except ValueError as error:  # a name with a NUL; _bad() is one, too
        if isinstance(error, BadInput):
            raise
        raise _bad(path, f"cannot be read: {error}") from None
    if len(data) > _LARGEST_FILE:
        raise _bad(path, f"is larger than {_LARGEST_FILE >> 20} MiB: no recorded matrix")
    if b"\0" in data:
        raise _bad(path, "holds binary data; needs a CSV file")
    if not data.strip():
        raise _bad(path, "is empty")
    return data.decode("utf-8-sig", "replace")


def read_matrix(path: str) -> MatrixRecording:
    """Read a recorded matrix or a file of repeats. Raises BadInput for a file that is neither."""
    reader = csv.reader(io.StringIO(_read_text(path), newline=""))
    try:
        columns = [name.strip() for name in next(reader)]
    except csv.Error as error:
        raise _bad(path, f"is no CSV file: {error}") from None
    form = next((form for form in (_MATRIX, _REPEATS) if set(form) <= set(columns)), None)
    if form is None:
        raise _bad(path, f"is no recorded matrix: its first line must name the columns {', '.join(_MATRIX)}")
    rows: list[Row] = []
    broken: list[BrokenRow] = []
    seen: dict[Cell, int] = {}
    while True:
        try:
            values = next(reader)
            if not any(value.strip() for value in values):
                continue
            row = _row(reader.line_num, columns, values, form)
            if row.cell in seen:
                raise BadInput(f"{row.cell} stands on line {seen[row.cell]} already")
        except StopIteration:
            return MatrixRecording(path, tuple(rows), tuple(broken))
        except (BadInput, csv.Error) as error:
            broken.append(BrokenRow(reader.line_num, str(error)))
        else:
            seen[row.cell] = row.line
            rows.append(row)


def _row(line: int, columns: list[str], values: list[str], form: tuple[str, ...]) -> Row:
    """One row. Raises BadInput with what is wrong with it."""
    if len(values) != len(columns):
        raise BadInput(f"has {len(values)} columns, needs {len(columns)}")
    data = dict(zip(columns, (value.strip() for value in values), strict=True))
    missing = [name for name in ("context", "op", "variant") if not data[name]]
    if missing:
        raise BadInput(f"has no {missing[0]}")
    cell = Cell(data["context"], data["op"], data["variant"])
    return _repeats_row(line, cell, data) if form is _REPEATS else _matrix_row(line, cell, data)


def _matrix_row(line: int, cell: Cell, data: dict[str, str]) -> Row:
    verdict, first_line = data["verdict"], data["first_line"]
    if verdict not in _VERDICTS:
        raise no_such("has the verdict", repr(verdict), _VERDICTS)
    if verdict.startswith("splat") != bool(first_line):
        raise BadInput(f"has the verdict {verdict} {'without' if not first_line else 'with'} a first line")
    return Row(
        line=line,
        cell=cell,
        first_line=first_line,
        hung="hang" in verdict,
        splats=int(bool(first_line)),
        offending_lock=data.get("lockdep_offending_lock", ""),
        task_context=data.get("lockdep_task_context", ""),
    )


def _repeats_row(line: int, cell: Cell, data: dict[str, str]) -> Row:
    counts = {name: _count(name, data[name]) for name in ("repeats", "splats", "hangs")}
    if not counts["repeats"] or max(counts["splats"], counts["hangs"]) > counts["repeats"]:
        raise BadInput(f"has {counts['splats']} splats and {counts['hangs']} hangs in {counts['repeats']} repeats")
    first_line = data["first_line_example"]
    if bool(counts["splats"]) != bool(first_line):
        raise BadInput(f"has {counts['splats']} splats {'without' if not first_line else 'with'} an example")
    return Row(
        line=line,
        cell=cell,
        first_line=first_line,
        hung=counts["hangs"] > 0,
        tries=counts["repeats"],
        splats=counts["splats"],
    )


def _count(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise bad_value(f"has {name}={text!r}", "a whole number")
    return int(text)
