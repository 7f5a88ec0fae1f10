"""A check as text: the table of versions and builds, the verdict in a line, and what it does not say."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Final

import attrs

from ..builds import BUILDS
from ..config import value_text
from ..context.violation import ViolationKind
from ..eras import ERAS
from ..hunt.tally import UNSEEN
from ..spelling import plural
from .cells import OWN, Cell
from .checking import Checked, State
from .findings import Finding

CLEAN: Final = "clean"
_WIDTH: Final = 120

_NOT_REACHED: Final = "not reached"
_ABSENT: Final = "cannot run"
_CUT: Final = "cut short"

_CLAUSES: Final = {
    ViolationKind.SLEEPING_FUNCTION.value: "sleeps where it must not",
    ViolationKind.SCHEDULING_WHILE_ATOMIC.value: "gives up the CPU where it must not",
    ViolationKind.INVALID_WAIT_CONTEXT.value: "takes a lock that is not allowed there",
}
"""What a kernel's function does there, where that is more than the report's first line."""


@attrs.frozen
class _Entry:
    """What stands in the table for one version and build."""

    text: str
    mark: str = ""

    def __str__(self) -> str:
        return f"{self.text}{self.mark}"


def lines_of(checked: Checked) -> list[str]:
    """All of it but the shortest finding's story."""
    return [*table_lines(checked), "", *verdict_lines(checked), *_notes(checked)]


# -- the table ---------------------------------------------------------------------------------------------------------

_SCHEDULE: Final = " s"
_EXPECTED: Final = " e"
_IN_PART: Final = "?"
_LEGEND: Final = {
    _SCHEDULE: "s: not in order of time, with another schedule",
    _EXPECTED: "e: expect= says so",
    _IN_PART: "?: not in all surroundings, or not to its end in all, see below",
}


def table_lines(checked: Checked) -> list[str]:
    """Versions and builds, those of equal rows in one row."""
    cells = checked.check.cells
    rows: list[tuple[list[str], list[_Entry]]] = []
    for version in cells.versions:
        row = [entry_of(checked, version, build) for build in cells.builds]
        if rows and rows[-1][1] == row:
            rows[-1][0].append(version)
        else:
            rows.append(([version], row))
    table = [["", *cells.builds], *([range_of(versions), *map(str, row)] for versions, row in rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in table]
    marks = [entry.mark for _, row in rows for entry in row]
    legend = [text for mark, text in _LEGEND.items() if any(mark in of for of in marks)]
    return [*lines, f"({'; '.join(legend)})"] if legend else lines


def entry_of(checked: Checked, version: str, build: str) -> _Entry:
    """The worst that was seen there: kinds in the order in which they were found."""
    states = [state for state in checked.states.values() if state.cell.entry == (version, build)]
    found = [state.found for state in states if state.found is not None and state.found.found is not None]
    if found:
        kinds = dict.fromkeys(answer.found.signature.kind for answer in found if answer.found is not None)
        needs_other = not any(answer.in_order_of_time for answer in found)
        return _Entry(", ".join(kinds), _SCHEDULE if needs_other else "")
    if any(state.absent for state in states):
        return _Entry(_ABSENT)
    if not any(state.tried for state in states):
        return _Entry(_NOT_REACHED)
    in_part = "" if all(state.whole for state in states) else _IN_PART
    met = sorted({kind for state in states for kind in state.met})
    if not met and not any(state.whole for state in states):
        return _Entry(_CUT)
    return _Entry(", ".join(met), f"{_EXPECTED}{in_part}") if met else _Entry(CLEAN, in_part)


def range_of(versions: Sequence[str]) -> str:
    """`v5.9`, `v5.9 to v6.6`, `v5.9, v6.12 to v7.3`: versions that follow one another in a range."""
    runs: list[list[str]] = [[]]
    for version in ERAS:
        if version in versions:
            runs[-1].append(version)
        elif runs[-1]:
            runs.append([])
    return ", ".join(run[0] if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs if run)


# -- the verdict -------------------------------------------------------------------------------------------------------


def verdict_lines(checked: Checked) -> list[str]:
    """NO, where and why, or of several findings how many, and then each; or that nothing was found, in how much."""
    if not checked.findings:
        besides = " besides what expect= says" if any(state.met for state in checked.states.values()) else ""
        until = "" if checked.seen_to_its_end else " before it was cut short"
        return [f"nothing found{besides}{until} {_how_much(checked)}"]
    if len(checked.findings) == 1:
        return _wrapped(f"NO {verdict_of(checked, checked.findings[0])}")
    cells = {cell for finding in checked.findings for cell in finding.cells}
    lines = _wrapped(f"NO {where(checked, cells)}: {len(checked.findings)} findings")
    for finding in checked.findings:
        lines += [f"  {line}" for line in _wrapped(verdict_of(checked, finding))]
    return lines


def verdict_of(checked: Checked, finding: Finding) -> str:
    """`on PREEMPT_RT: spin_lock() at my.py:12 sleeps where it must not; silent while the page caches are warm`."""
    parts = [f"{where(checked, finding.cells)}: {what(finding)}"]
    if finding.silent:
        parts.append(finding.silent)
    if finding.known:
        parts.append(f"known: {' and '.join(finding.known)}")
    return "; ".join(parts)


def what(finding: Finding) -> str:
    """What happens, and at which line."""
    shown = finding.shown
    line = shown.signature.line
    if finding.is_error:
        return f"the scenario raises {shown.title}" + (f" at {line}" if line else "")
    clause = _CLAUSES.get(shown.signature.kind)
    if clause and shown.called:
        return f"{shown.called}() at {line} {clause}"
    at = f" at {line}" if line else ""
    return f"{shown.title}{at}"


def where(checked: Checked, cells: Iterable[Cell]) -> str:
    """`on every kernel`, `on PREEMPT_RT`, `on v5.9 to v6.6 in builds prove and all`."""
    all_of_them = checked.check.cells
    builds: dict[str, list[str]] = {}
    for cell in cells:
        builds.setdefault(cell.version, []).append(cell.build)
    groups: dict[tuple[str, ...], list[str]] = {}
    for version in all_of_them.versions:
        if version in builds:
            key = tuple(build for build in all_of_them.builds if build in builds[version])
            groups.setdefault(key, []).append(version)
    return f"on {', and on '.join(_group(versions, key) for key, versions in groups.items())}"


def _group(versions: list[str], builds: tuple[str, ...]) -> str:
    """Versions by name unless these are all that there are, and builds as well."""
    on_versions = "" if versions == list(ERAS) else range_of(versions)
    if builds in (tuple(BUILDS), (OWN,)):
        return on_versions or "every kernel"
    if builds == ("rt",):
        return f"{on_versions} with PREEMPT_RT" if on_versions else "PREEMPT_RT"
    in_builds = f"{plural(len(builds), 'build').partition(' ')[2]} {' and '.join(builds)}"
    return f"{on_versions or 'every version'} in {in_builds}"


def _how_much(checked: Checked) -> str:
    cells = checked.check.cells
    versions, builds = plural(len(cells.versions), "version"), plural(len(cells.builds), "build")
    return f"in {plural(checked.schedules, 'schedule')} on {versions} x {builds}"


# -- besides -----------------------------------------------------------------------------------------------------------


def _notes(checked: Checked) -> list[str]:
    lines = [] if not checked.findings else [f"tried: {_how_much(checked).removeprefix('in ')}"]
    lines += [line for text in differing(checked) for line in _wrapped(text)]
    return [*lines, "not covered:", *(f"  {text}" for text in not_covered(checked))]


def differing(checked: Checked) -> list[str]:
    """Where a scenario expects what did not come."""
    return [
        f"differs from expect= {where(checked, cells)}: {kind} does not come" for kind, cells in checked.lost.items()
    ]


def not_covered(checked: Checked) -> list[str]:
    """What no cell and no schedule of these shows."""
    check, states = checked.check, checked.states.values()
    said = list(check.cells.without)
    missed = [state for state in states if not state.tried]
    if missed:
        said.append(f"{plural(len(missed), 'cell')} of {len(states):,} not reached ({_which(missed)}) before it ended")
    absent = list(dict.fromkeys(state.absent for state in states if state.absent))
    said += absent
    cut = sum(state.cut for state in states)
    if cut:
        by = "the bound of steps (--max-steps)" + ("" if check.seconds is None else " or the time (--time)")
        said.append(f"the ends of {plural(cut, 'schedule')}: {by} cut them short")
    chosen = checked.scenario
    if chosen.parameters:
        said.append(f"other parameters than these: {_values(checked)}")
    said.append("other configurations than these builds, such as PREEMPT=n: --set has them")
    said.append("faults, such as failing allocations and CPUs that go: `rcuactors explore --faults`")
    if any(cell.contended for cell in checked.states):
        said.append("contention of locks that lie in objects, and of local locks")
    return [*said, *UNSEEN]


def _which(missed: list[State]) -> str:
    cells = [state.cell for state in missed]
    first = str(cells[0])
    return first if len(cells) == 1 else f"{first} to {cells[-1]}"


def _values(checked: Checked) -> str:
    given = checked.check.spec.settings
    return " ".join(
        f"{name}={given.get(name, value_text(value))}" for name, value in checked.scenario.parameters.items()
    )


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, subsequent_indent="  ", break_on_hyphens=False, break_long_words=False)


__all__ = ["differing", "lines_of", "not_covered", "table_lines", "verdict_lines"]
