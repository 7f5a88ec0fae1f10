"""`rcuactors lockdep matrix`: every operation in every context, and how that compares with a real kernel."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any, Final

import attrs
import click

from ..config import Config, field_names, split_setting
from ..eras import find_era
from ..errors import BadInput
from ..lock_matrix.cells import Cell, all_cells
from ..lock_matrix.comparison import Comparison, Sorted, compare, sort_rows
from ..lock_matrix.contexts import CONTEXTS
from ..lock_matrix.matrix import run_cells
from ..lock_matrix.operations import OPERATIONS
from ..lock_matrix.presets import (
    DEFAULT_KERNEL,
    DEFAULT_PRESET,
    PRESETS,
    cell_options,
    configuration,
    find_preset,
    preset_for,
)
from ..lock_matrix.recording import MatrixRecording, read_matrix
from ..lock_matrix.rig import Outcome
from ..lock_matrix.text import cell_json, comparison_lines, full_report_lines, report_lines, table_lines
from ..spelling import counted, no_such
from .common import jobs_option
from .output import print_json, print_lines
from .program import EXIT_VIOLATIONS, ProgramCommand
from .screen import with_error
from .session import collect
from .watching import PATIENCE_S
from .whole_file import OutputError, WholeFile

_COLUMNS: Final = ("context", "op", "variant", "verdict", "title")
_LEAST_MEMORY: Final = 16 << 20
_SHOWN_IN_A_LINE: Final = 3


@attrs.frozen(kw_only=True)
class _Plan:
    """What was asked for, checked."""

    kernel: str
    shown: str
    config: Config
    cells: tuple[Cell, ...]
    recording: MatrixRecording | None
    rows: Sorted | None


@click.command(
    "matrix",
    cls=ProgramCommand,
    epilog="Example: rcuactors lockdep matrix --as stock --op kmalloc_nowait --context spin",
)
@click.option("--kernel", default=DEFAULT_KERNEL, show_default=True, metavar="VERSION", help="The kernel to model.")
@click.option(
    "--as",
    "preset",
    metavar="|".join(PRESETS),
    help=f"The configuration of a recorded kernel (default: {DEFAULT_PRESET}, or as the name of --against tells).",
)
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A configuration name; repeatable.")
@click.option("--op", "ops", multiple=True, metavar="NAME", help="Only this operation; repeatable.")
@click.option("--context", "contexts", multiple=True, metavar="NAME", help="Only in this context; repeatable.")
@click.option("--against", metavar="FILE", help="Compare with a recorded matrix.")
@click.option("--csv", "csv_file", metavar="FILE", help=f"Write the columns {', '.join(_COLUMNS)}.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
@jobs_option
@click.option("-v", "--verbose", is_flag=True, help="Print the report of each cell in full.")
def matrix_command(
    kernel: str,
    preset: str | None,
    settings: tuple[str, ...],
    ops: tuple[str, ...],
    contexts: tuple[str, ...],
    against: str | None,
    csv_file: str | None,
    as_json: bool,
    jobs: int,
    verbose: bool,
) -> int:
    """Do every operation in every context, each on a fresh machine, and tell what the kernel says first."""
    if as_json and verbose:
        raise BadInput("--json and -v: only one of them")
    cells = _chosen_cells(ops, contexts)
    plan = _plan(kernel, preset, settings, against, cells)
    outcomes: list[Outcome] = []
    with WholeFile("--csv", csv_file) if csv_file is not None else contextlib.nullcontext() as table:
        error = collect(
            run_cells(plan.cells, cell_options(plan.kernel, plan.config), jobs),
            outcomes.append,
            patience_s=PATIENCE_S if jobs == 1 else 0,
            how_far=lambda: f"{len(outcomes)} of {len(plan.cells)} cells",
        )
        try:
            if table is not None:
                table.write(_csv_text(outcomes))
        except OutputError as unwritten:
            error = error or unwritten
    comparison = None
    if plan.recording is not None and plan.rows is not None:
        by_cell = {outcome.cell: outcome for outcome in outcomes}
        comparison = compare(plan.recording, plan.rows, by_cell, rt=plan.config.PREEMPT_RT)
    if as_json:
        print_json(with_error(_document(plan, outcomes, comparison), str(error) if error is not None else None))
    else:
        print_lines(_lines(plan, outcomes, comparison, in_full=verbose))
    if error is not None:
        raise error
    return EXIT_VIOLATIONS if comparison is not None and comparison.differing else 0


# -- before ------------------------------------------------------------------------------------------------------------


def _chosen_cells(ops: Sequence[str], contexts: Sequence[str]) -> tuple[Cell, ...]:
    for option, names, known in (("--op", ops, OPERATIONS), ("--context", contexts, CONTEXTS)):
        for name in names:
            if name not in known:
                raise no_such(option, name, known)
    return tuple(
        cell for cell in all_cells() if (not ops or cell.op in ops) and (not contexts or cell.context in contexts)
    )


def _configuration(preset: str | None, settings: Sequence[str], against: str | None) -> tuple[Config, list[str]]:
    """The configuration, and how it was asked for."""
    chosen = dict(split_setting(setting) for setting in settings)
    for name in chosen:
        if name not in field_names():
            raise no_such("--set", name, field_names(), wrong="no such name")
    if preset is not None:
        base = find_preset(preset)
    elif chosen:
        base = None
    else:
        base = preset_for(against) if against is not None else find_preset(DEFAULT_PRESET)
    config = configuration(base, chosen)
    if config.nr_cpus < 2:
        raise BadInput(f"nr_cpus={config.nr_cpus}: the matrix needs a machine with at least 2 CPUs")
    if config.mem < _LEAST_MEMORY:
        raise BadInput(f"mem={config.mem}: the matrix needs 16M, since it takes 3,000 pages in one go")
    if config.panic_on_warn:
        raise BadInput("panic_on_warn=y: each cell ends at its first report anyway; leave it out")
    return config, [*([base.name] if base is not None else []), *(f"{name}={value}" for name, value in chosen.items())]


def _plan(
    kernel: str, preset: str | None, settings: Sequence[str], against: str | None, cells: tuple[Cell, ...]
) -> _Plan:
    find_era(kernel)
    recording = read_matrix(against) if against is not None else None
    config, words = _configuration(preset, settings, against)
    shown = " ".join([kernel, *words])
    if recording is None:
        return _Plan(kernel=kernel, shown=shown, config=config, cells=cells, recording=None, rows=None)
    rows = sort_rows(recording.rows)
    if not rows.wanted:
        raise BadInput(_nothing_left(recording, rows))
    rows = rows.only(cells)
    if not rows.wanted:
        raise BadInput(f"recording {against!r}: has none of the cells that --op and --context leave")
    return _Plan(kernel=kernel, shown=shown, config=config, cells=cells, recording=recording, rows=rows)


def _nothing_left(recording: MatrixRecording, rows: Sorted) -> str:
    wrong = [f"{recording.name}:{row.line}: {row.wrong}" for row in recording.broken]
    wrong += [f"{recording.name}:{apart.row.line}: {apart.reason}" for apart in rows.apart]
    if not wrong:
        return f"recording {recording.name!r}: has no rows: nothing to compare"
    more = f"; and {len(wrong) - _SHOWN_IN_A_LINE} more" if len(wrong) > _SHOWN_IN_A_LINE else ""
    return (
        f"recording {recording.name!r}: nothing left to compare: {counted(len(recording.broken), 'row')} broken, "
        f"{len(rows.apart)} not comparable ({'; '.join(wrong[:_SHOWN_IN_A_LINE])}{more})"
    )


# -- after -------------------------------------------------------------------------------------------------------------


def _csv_text(outcomes: Iterable[Outcome]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for outcome in outcomes:
        cell = outcome.cell
        writer.writerow([cell.context, cell.op, cell.variant, outcome.verdict.value, outcome.title])
    return stream.getvalue()


def _document(plan: _Plan, outcomes: Sequence[Outcome], comparison: Comparison | None) -> dict[str, Any]:
    document: dict[str, Any] = {
        "kernel": plan.kernel,
        "config": plan.config.as_settings(),
        "cells": [cell_json(outcome) for outcome in outcomes],
    }
    return document | ({"against": comparison.as_json()} if comparison is not None else {})


def _lines(plan: _Plan, outcomes: Sequence[Outcome], comparison: Comparison | None, *, in_full: bool) -> list[str]:
    recorded = {row.cell: row for row in plan.rows.wanted} if plan.rows is not None else None
    lines = [f"{plan.shown}: {len(outcomes)} of {len(plan.cells)} cells", "", *table_lines(outcomes, recorded), ""]
    lines += report_lines(outcomes)
    if in_full:
        lines += full_report_lines(outcomes)
    return lines if comparison is None else [*lines, "", *comparison_lines(comparison)]
