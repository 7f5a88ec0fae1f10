"""Which rows of a run are told: those asked for, as many as can be read; and what was left out, with counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from ..errors import BadInput
from ..report.chosen_events import Wanted, missed
from ..report.styled import Line
from ..spelling import plural
from .columns import columns, counted_names
from .folding import folded
from .rows import NOBODY, Level, Row
from .teller import Teller

_MOST: Final = 120
"""Rows that can be read."""

_BEFORE: Final = 30
_AFTER: Final = 8
"""Rows around a report that was asked for."""

_STYLES: Final = (
    ("report", "report"),
    ("departure", "departure"),
    ("rcu_grace_period", "period"),
    ("rcu_exp", "period"),
    ("rcu_invoke", "free"),
    ("rcu_", "callback"),
    ("kvfree", "call"),
    ("fill_page", "page"),
    ("reader", "reader"),
    ("hrtimer", "timer"),
    ("timer", "timer"),
    ("workqueue", "work"),
    ("sched", "switch"),
    ("lock", "lock"),
)

COLOURS: Final[Mapping[str, str]] = {
    "head": "bold",
    "time": "dim",
    "note": "dim",
    "report": "bold red",
    "departure": "bold yellow",
    "period": "cyan",
    "free": "green",
    "callback": "cyan",
    "page": "yellow",
    "reader": "yellow",
    "timer": "magenta",
    "work": "blue",
    "switch": "dim",
    "lock": "red",
}
"""Each style as Rich calls colours."""


def style_of(row: Row) -> str:
    """The style of a row."""
    return next((style for prefix, style in _STYLES if row.name.startswith(prefix)), "")


@attrs.frozen(kw_only=True)
class Story:
    """The rows to be told, and what is to be said of those that are not."""

    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    missed: BadInput | None = None

    def lines(self, width: int | None = None) -> list[Line]:
        """In columns, then the notes."""
        told = columns(self.rows, width=width, style=style_of) if self.rows else []
        return [*told, *(((note, "note"),) for note in self.notes)]


def story_of(teller: Teller, wanted: Wanted, *, every: bool = False) -> Story:
    """The story of a run that is over. `every`: however long it is, nothing is left out (what repeats is folded)."""
    rows = teller.rows()
    reports = [row.report for row in rows if row.report is not None]
    error = missed(wanted, names=[row.name for row in rows], reports=reports)
    if error is not None:
        return Story(rows=(), missed=error)
    chosen = [row for row in rows if _asked_for(row, wanted)]
    notes = [f"not kept, since there were too many: {_counts(teller.unkept)}"] if teller.unkept else []
    told = folded(chosen)
    if len(told) > _MOST and not (every or wanted.names or wanted.around):
        details = [row for row in chosen if row.level is Level.DETAIL]
        told = folded(row for row in chosen if row.level is not Level.DETAIL)
        notes += [f"details left out: {counted_names(details)} (--story -v has all, -e NAME those of a name)"]
    if wanted.around:
        told, said = _around(told, wanted)
        notes += said
    elif len(told) > _MOST and not every:
        told, said = _cut(told)
        notes += said
    return Story(rows=tuple(told), notes=tuple(notes))


def _counts(unkept: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(unkept.items(), key=lambda item: -item[1]))


def _asked_for(row: Row, wanted: Wanted) -> bool:
    """By name and CPU. Reports are always told, and of one CPU what is nobody's as well."""
    if row.report is not None:
        return True
    if wanted.cpu is not None and row.cpu not in (wanted.cpu, NOBODY):
        return False
    return not wanted.names or any(name in row.name for name in wanted.names)


def _around(rows: Sequence[Row], wanted: Wanted) -> tuple[list[Row], list[str]]:
    reports = [at for at, row in enumerate(rows) if row.report is not None]
    found = (
        at
        for number, at in enumerate(reports, 1)
        if (report := rows[at].report) is not None and wanted.is_around(report, number)
    )
    at = next(found)
    begin, end = max(at - _BEFORE, 0), at + 1 + _AFTER
    before, after = rows[:begin], rows[end:]
    notes = [f"left out before: {counted_names(before)}"] if before else []
    notes += [f"left out after: {counted_names(after)}"] if after else []
    return list(rows[begin:end]), notes


def _cut(rows: list[Row]) -> tuple[list[Row], list[str]]:
    """The beginning, and the end or what comes before the first report."""
    half = _MOST // 2
    first = next((at for at, row in enumerate(rows) if row.report is not None), len(rows) - 1)
    end = min(max(first + 1 + _AFTER, _MOST), len(rows))
    begin = end - half
    notes = [_left_out(rows[half:begin]), _left_out(rows[end:])]
    how = "--story -v has all; --around REPORT, --cpu and -e choose"
    return [*rows[:half], *rows[begin:end]], [*(note for note in notes if note), how]


def _left_out(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    since, until = rows[0].time_ns / 1e6, rows[-1].until_ns / 1e6
    count = plural(len(rows), "line")
    return f"left out from {since:,.3f} ms to {until:,.3f} ms, {count}: {counted_names(rows)}"
