"""The matrix as text: one letter a cell, a list of the reports, and a comparison in full."""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import attrs

from ..spelling import counted
from .cells import Cell
from .comparison import Comparison, Pair
from .contexts import CONTEXTS
from .recording import Row
from .rig import Outcome
from .verdict import VerdictClass

_LEGEND: Final = ", ".join(f"{verdict.letter} {verdict.value}" for verdict in VerdictClass)
_COLUMNS_A_LINE: Final = 4


def cell_json(outcome: Outcome) -> dict[str, Any]:
    """One cell as plain data."""
    offence, measured = outcome.offence, outcome.measured
    return {
        **attrs.asdict(outcome.cell),
        "verdict": outcome.verdict.value,
        "title": outcome.title,
        "lock": offence.lock if offence is not None else "",
        "lock_context": offence.context if offence is not None else "",
        "reason": outcome.reason,
        "refills": outcome.refills,
        "measured": attrs.asdict(measured) if measured is not None else None,
    }


def table_lines(outcomes: Iterable[Outcome], recorded: Mapping[Cell, Row] | None = None) -> list[str]:
    """A line for each operation and variant, a letter for each context; with `recorded`, its letter before ours."""
    by_line: dict[tuple[str, str], dict[str, str]] = {}
    for outcome in outcomes:
        cell, letter = outcome.cell, outcome.verdict.letter
        if recorded is not None:
            row = recorded.get(cell)
            letter = (row.verdict.letter if row is not None else " ") + letter
        by_line.setdefault((cell.op, cell.variant), {})[cell.context] = letter
    if not by_line:
        return []
    width = max(len(op) + len(variant) + 1 for op, variant in by_line)
    cell_width = 3 if recorded is not None else 2
    codes = string.ascii_lowercase[: len(CONTEXTS)]
    lines = ["".join([" " * width, *(code.rjust(cell_width) for code in codes)])]
    for (op, variant), letters in by_line.items():
        cells = "".join(letters.get(context, "").rjust(cell_width) for context in CONTEXTS)
        lines.append(f"{f'{op} {variant}':<{width}}{cells}".rstrip())
    return [*lines, "", *_legend(codes, both=recorded is not None)]


def _legend(codes: str, *, both: bool) -> list[str]:
    names = [f"{code} {name}" for code, name in zip(codes, CONTEXTS, strict=True)]
    width = max(len(name) for name in names) + 2
    rows = [names[at : at + _COLUMNS_A_LINE] for at in range(0, len(names), _COLUMNS_A_LINE)]
    lines = ["".join(f"{name:<{width}}" for name in row).rstrip() for row in rows]
    how = "; of two letters the first is the recording's" if both else ""
    return [*lines, f"{_LEGEND}{how}"]


def report_lines(outcomes: Iterable[Outcome]) -> list[str]:
    """Each kind of report once, with how many cells it is of and the first of them."""
    cells: dict[str, list[Cell]] = {}
    for outcome in outcomes:
        if outcome.title:
            offence = outcome.offence
            shown = f"{outcome.title} {offence.lock} in context-{offence.context}" if offence else outcome.title
            cells.setdefault(shown, []).append(outcome.cell)
    if not cells:
        return ["no reports"]
    return [
        "reports:",
        *(f"  {len(of):>4}  {title} ({of[0]}{', ...' if len(of) > 1 else ''})" for title, of in cells.items()),
    ]


def full_report_lines(outcomes: Iterable[Outcome]) -> list[str]:
    """Each cell's report as the kernel prints it."""
    lines: list[str] = []
    for outcome in outcomes:
        if outcome.text:
            lines += ["", f"{outcome.cell}:", *(f"  {line}".rstrip() for line in outcome.text.strip().split("\n"))]
    return lines


def fraction(part: int, whole: int) -> str:
    """`382 of 383 cells (99.7 %)`, rounded down so that only all of them are 100 %."""
    if not whole:
        return "0 of 0 cells"
    return f"{part} of {whole} cells ({part * 1000 // whole / 10:g} %)"


def comparison_lines(comparison: Comparison) -> list[str]:
    """Everything that came of a comparison."""
    rows = len(comparison.recording.rows) + len(comparison.recording.broken)
    lines = [f"recording {comparison.recording.name}: {counted(rows, 'row')}", *_class_lines(comparison)]
    same_name, named = comparison.named()
    if named:
        lines.append(f"of {named} invalid wait contexts that name a lock, {same_name} name the same one")
        lines += [_names_line(pair) for pair in comparison.counted if pair.names_agree is False]
    if comparison.missing:
        lines.append(f"not run: {counted(comparison.missing, 'cell')}")
    lines += _differing_lines(comparison.differing)
    lines += _weak_lines(comparison.weak)
    lines += _apart_lines(comparison)
    lines.append(f"agreement: {fraction(comparison.agreeing, len(comparison.counted))}")
    return lines


def _class_lines(comparison: Comparison) -> list[str]:
    table = comparison.by_class()
    lines = [f"  {'verdict':<24}recorded  agreeing"] if table else []
    return lines + [
        f"  {verdict.value:<24}{recorded:>8}  {agreeing:>8}" for verdict, (recorded, agreeing) in table.items()
    ]


def _names_line(pair: Pair) -> str:
    offence = pair.outcome.offence
    assert offence is not None
    return (
        f"  {pair.row.cell}: recorded {pair.row.offending_lock} in {pair.row.task_context}, "
        f"model {offence.lock} in {offence.context}"
    )


def _differing_lines(pairs: Sequence[Pair]) -> list[str]:
    if not pairs:
        return []
    width = max(len(str(pair.row.cell)) for pair in pairs)
    lines = [f"cells that differ: {len(pairs)}"]
    for pair in pairs:
        recorded = pair.row.first_line or "none"
        lines.append(f"  {pair.row.cell!s:<{width}}  recorded: {recorded}")
        lines.append(f"  {'':<{width}}  model:    {pair.outcome.title or 'none'} ({pair.outcome.reason})")
    return lines


def _weak_lines(pairs: Sequence[Pair]) -> list[str]:
    if not pairs:
        return []
    width = max(len(str(pair.row.cell)) for pair in pairs)
    verdict_width = max(len(pair.outcome.verdict.value) for pair in pairs)
    return [
        f"weak evidence, counted neither way: {len(pairs)} contended cells in which the kernel printed nothing",
        *(
            f"  {pair.row.cell!s:<{width}}  model: {pair.outcome.verdict.value:<{verdict_width}}  {pair.outcome.reason}"
            for pair in pairs
        ),
    ]


def _apart_lines(comparison: Comparison) -> list[str]:
    lines: list[str] = []
    name = comparison.recording.name
    if comparison.apart:
        lines.append(f"not compared: {counted(len(comparison.apart), 'row')}")
        lines += [f"  {name}:{apart.row.line}: {apart.row.cell}: {apart.reason}" for apart in comparison.apart]
    broken = comparison.recording.broken
    if broken:
        lines.append(f"broken: {counted(len(broken), 'row')}")
        lines += [f"  {name}:{row.line}: {row.wrong}" for row in broken]
    return lines
