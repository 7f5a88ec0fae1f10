"""The selftest's table, as the kernel prints it at boot (lib/locking-selftest.c, locking_selftest())."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .rows import LEFT_OUT, Case, Row, sections
from .runner import Outcome, failed

_OK: Final = "  ok  |"
_FAILED: Final = "FAILED|"


def selftest_lines(outcomes: Mapping[Case, Outcome]) -> list[str]:
    """The table, what is left out, and whether all is well; each failed case says what it should have been."""
    lines: list[str] = []
    for section in sections():
        lines += section.heading
        lines += [_row_line(row, outcomes) for row in section.rows]
    lines.append("-" * 55)
    lines += [f"not run: {part} ({why})" for part, why in LEFT_OUT.items()]
    wrong = failed(outcomes.values())
    lines += [_complaint(outcome) for outcome in wrong]
    if wrong:
        lines.append(f"BUG: {len(wrong):3} unexpected failures (out of {len(outcomes):3})! |")
    else:
        lines.append(f"Good, all {len(outcomes):3} testcases passed! |")
    return lines


def _row_line(row: Row, outcomes: Mapping[Case, Outcome]) -> str:
    """A line of cells. Blank cells in a row have no bars between them."""
    text, blank = f"{row.label:>33}:", ""
    for case in row.cells:
        if case is None:
            blank += " " * len(_OK)
            continue
        text += f"{blank[:-1]}|" if blank else ""
        text, blank = text + (_OK if outcomes[case].ok else _FAILED), ""
    return text


def _complaint(outcome: Outcome) -> str:
    got = f"reported: {outcome.report.title}" if outcome.report is not None else "nothing reported"
    wanted = "a report" if outcome.case.reported else "none"
    return f"FAILED: {outcome.case.name}: {got}; {wanted} was due"
