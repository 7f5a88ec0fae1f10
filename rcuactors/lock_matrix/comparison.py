"""A recorded matrix and the model's, side by side.

Three kinds of rows. Those that count: the class of the recorded first line and the model's must be the same. Weak
evidence: a kernel without lockdep and DEBUG_ATOMIC_SLEEP that printed nothing although somebody contended may just
have been lucky, which PREEMPT_RT's sleeping spinlocks make likely; it is shown with what the model met, and counts
neither way. And those that cannot be compared, each with its reason.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from typing import Any, Final

import attrs

from .cells import Cell
from .recording import MatrixRecording, Row
from .rig import Outcome
from .verdict import VerdictClass

_IRREGULAR: Final = (
    (
        re.compile(r"DEBUG_LOCKS_WARN_ON"),
        "lockdep complained of its own state, which the model's cannot get into",
    ),
    (
        re.compile(r"WARNING: .* __might_sleep\+"),
        "the interrupt hit a thread on its way to sleep: a matter of the instant",
    ),
)
"""First lines that say nothing of the operation in its context, and why."""


@attrs.frozen
class Pair:
    """One cell as recorded and as modelled."""

    row: Row
    outcome: Outcome

    @property
    def agrees(self) -> bool:
        """Both are of one class."""
        return self.row.verdict is self.outcome.verdict

    @property
    def names_agree(self) -> bool | None:
        """Both invalid wait contexts name the same lock and context; None when either is something else."""
        offence = self.outcome.offence
        if offence is None or not self.agrees or not self.row.offending_lock:
            return None
        return (offence.lock, offence.context) == (self.row.offending_lock, self.row.task_context)


@attrs.frozen
class Apart:
    """A row that cannot be compared."""

    row: Row
    reason: str


@attrs.frozen
class Sorted:
    """The rows of a recording: those whose cell the model is asked for, and those that cannot be compared."""

    wanted: tuple[Row, ...]
    apart: tuple[Apart, ...]

    @property
    def cells(self) -> tuple[Cell, ...]:
        """What the model is asked for."""
        return tuple(row.cell for row in self.wanted)

    def only(self, cells: Container[Cell]) -> Sorted:
        """Without the rows of other cells."""
        return attrs.evolve(self, wanted=tuple(row for row in self.wanted if row.cell in cells))


def sort_rows(rows: Iterable[Row]) -> Sorted:
    """Tell the rows that can be compared from those that cannot."""
    wanted: list[Row] = []
    apart: list[Apart] = []
    for row in rows:
        reason = _why_apart(row)
        if reason:
            apart.append(Apart(row, reason))
        else:
            wanted.append(row)
    return Sorted(tuple(wanted), tuple(apart))


def _why_apart(row: Row) -> str:
    unknown = row.cell.unknown()
    if unknown:
        return unknown
    if row.silent_hang:
        return "the machine went silent: it hung without a report"
    return next((reason for pattern, reason in _IRREGULAR if pattern.search(row.first_line)), "")


@attrs.frozen(kw_only=True)
class Comparison:
    """What came of it. `weak` counts neither way; `missing` are cells that were not run (after Ctrl-C)."""

    recording: MatrixRecording
    counted: tuple[Pair, ...]
    weak: tuple[Pair, ...]
    apart: tuple[Apart, ...]
    missing: int

    @property
    def differing(self) -> tuple[Pair, ...]:
        """The cells that differ."""
        return tuple(pair for pair in self.counted if not pair.agrees)

    @property
    def agreeing(self) -> int:
        """How many cells agree."""
        return len(self.counted) - len(self.differing)

    def named(self) -> tuple[int, int]:
        """Of the invalid wait contexts on both sides: how many name the same lock and context, and how many there are.

        Only rows that tell which lock it was.
        """
        told = [pair.names_agree for pair in self.counted if pair.names_agree is not None]
        return sum(told), len(told)

    def by_class(self) -> dict[VerdictClass, tuple[int, int]]:
        """Of each class that was recorded: how many cells, and how many of them the model agrees on."""
        table: dict[VerdictClass, tuple[int, int]] = {}
        for verdict in VerdictClass:
            pairs = [pair for pair in self.counted if pair.row.verdict is verdict]
            if pairs:
                table[verdict] = len(pairs), sum(pair.agrees for pair in pairs)
        return table

    def as_json(self) -> dict[str, Any]:
        """The comparison as plain data."""
        same_name, named = self.named()
        return {
            "file": self.recording.name,
            "compared": len(self.counted),
            "agreeing": self.agreeing,
            "by_class": {
                verdict.value: {"recorded": recorded, "agreeing": agreeing}
                for verdict, (recorded, agreeing) in self.by_class().items()
            },
            "locks_named": {"compared": named, "agreeing": same_name},
            "differing": [_pair_json(pair) for pair in self.differing],
            "weak_evidence": [_pair_json(pair) for pair in self.weak],
            "not_compared": [
                {"line": apart.row.line, **attrs.asdict(apart.row.cell), "reason": apart.reason} for apart in self.apart
            ],
            "broken_rows": [attrs.asdict(broken) for broken in self.recording.broken],
            "not_run": self.missing,
        }


def _pair_json(pair: Pair) -> dict[str, Any]:
    row, outcome = pair.row, pair.outcome
    return {
        "line": row.line,
        **attrs.asdict(row.cell),
        "recorded": row.verdict.value,
        "recorded_line": row.first_line,
        "model": outcome.verdict.value,
        "title": outcome.title,
        "reason": outcome.reason,
    }


def compare(recording: MatrixRecording, rows: Sorted, outcomes: Mapping[Cell, Outcome], *, rt: bool) -> Comparison:
    """Hold a recording against the outcomes; `rt` says that it is of a PREEMPT_RT kernel."""
    counted: list[Pair] = []
    weak: list[Pair] = []
    for row in rows.wanted:
        outcome = outcomes.get(row.cell)
        if outcome is not None:
            silent = rt and row.cell.contended and row.verdict is VerdictClass.NONE
            (weak if silent else counted).append(Pair(row, outcome))
    return Comparison(
        recording=recording,
        counted=tuple(counted),
        weak=tuple(weak),
        apart=rows.apart,
        missing=len(rows.wanted) - len(counted) - len(weak),
    )
