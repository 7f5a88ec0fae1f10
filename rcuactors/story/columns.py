"""Rows laid out: a column for each CPU that has any, and one for what is nobody's.

Where the page is too narrow for that, they stand below each other, each with its CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from ..report.styled import Line
from ..report.units import duration
from ..spelling import plural
from .rows import NOBODY, Row

USUAL: Final = 27
"""Characters of a column where nobody says how wide all is."""

_MOST_BESIDE: Final = 6
"""More of those would not be seen at once."""
_PAGE: Final = 120
_NARROWEST: Final = 20
_WIDEST: Final = 44
_GAP: Final = 2
_STAMP: Final = 10
_NOBODYS: Final = "timers, grace periods"


def columns(rows: Sequence[Row], *, width: int | None = None, style: Callable[[Row], str] = lambda _: "") -> list[Line]:
    """The rows, which are in order of time, in columns of a page that is `width` characters wide."""
    cpus = [*sorted({row.cpu for row in rows if row.cpu != NOBODY}), NOBODY]
    stamp = max([_STAMP, *(len(_stamp(row)) for row in rows)])
    if width is None:
        if len(cpus) <= _MOST_BESIDE:
            return _beside(rows, cpus, stamp, USUAL, style)
        width = _PAGE
    room = (width - stamp) // len(cpus) - _GAP
    if room < _NARROWEST:
        return _below(rows, stamp, width, style)
    return _beside(rows, cpus, stamp, min(room, _WIDEST), style)


def _stamp(row: Row) -> str:
    return f"{row.time_ns / 1e6:>7.3f} ms"


def _beside(rows: Sequence[Row], cpus: list[int], stamp: int, room: int, style: Callable[[Row], str]) -> list[Line]:
    heads = [f"CPU {cpu}" if cpu != NOBODY else _NOBODYS for cpu in cpus]
    gap = " " * _GAP
    lines: list[Line] = [((f"{'':>{stamp}}{gap}" + gap.join(f"{head:<{room}}" for head in heads), "head"),)]
    for row in rows:
        before = " " * ((room + _GAP) * cpus.index(row.cpu))
        lines += _row_lines(row, stamp, before, room, style(row))
    return lines


def _below(rows: Sequence[Row], stamp: int, width: int, style: Callable[[Row], str]) -> list[Line]:
    """Whose it is stands before each."""
    whose = {row.cpu: f"CPU {row.cpu}" if row.cpu != NOBODY else "-" for row in rows}
    lead = max(len("CPU 0"), *(len(name) for name in whose.values())) + _GAP if whose else 0
    lines: list[Line] = []
    for row in rows:
        lines += _row_lines(row, stamp, f"{whose[row.cpu]:<{lead}}", max(width - stamp - _GAP - lead, 1), style(row))
    return lines


def _row_lines(row: Row, stamp: int, before: str, room: int, style: str) -> list[Line]:
    lines: list[Line] = []
    for number, cell in enumerate(wrapped(row_text(row), room)):
        time = _stamp(row) if not number else ""
        lead = before if not number else " " * len(before)
        lines.append(((f"{time:>{stamp}}", "time"), (f"{' ' * _GAP}{lead}", ""), (cell, style)))
    return lines


def row_text(row: Row) -> str:
    """What a row says, with how many times."""
    if row.count == 1 and not row.again:
        return row.text
    many = f", {row.count:,} times" if row.again and row.count > 1 else ""
    text = f"{row.text}{many}" if row.again else f"{row.same} x {row.count:,}"
    amount = f", {plural(row.amount, row.unit)}" if row.unit else ""
    return f"{text}{amount}, for {duration(row.until_ns - row.time_ns)}"


def wrapped(text: str, room: int) -> list[str]:
    """The text in lines that fit a column; a word that is longer stands by itself."""
    lines: list[str] = []
    for word in text.split():
        if lines and len(lines[-1]) + 1 + len(word) <= room:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def counted_names(rows: Iterable[Row]) -> str:
    """How many rows there are of each name, the most frequent first: `3 reader, 1 sched_switch`."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.name] = counts.get(row.name, 0) + row.count * max(row.again, 1)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count:,} {name}" for name, count in ranked)
