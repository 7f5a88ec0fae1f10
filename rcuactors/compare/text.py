"""The board as text: what follows from it, the verdicts, why each design won or lost, and the costs.

Nothing is wider than it may be: paragraphs are wrapped, and a table that does not fit is continued below itself. What
is the same of several designs is shown once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..report.styled import Line
from ..spelling import counted
from .board import Board, Card
from .contexts import CONTEXTS
from .costs import FIGURES
from .groups import (
    KEEPS,
    MISSING,
    CostGroup,
    VerdictGroup,
    bests,
    cost_groups,
    is_best,
    kernels_line,
    places_of,
    style_of,
)
from .groups import verdict_groups as groups_of
from .layout import Block, Cell, Row, led, table, wrapped
from .reasons import reasons
from .summary import summary_of
from .verdict import DRY_MARK, LATE_MARK, LOW_MARK, Verdict, seeds_named
from .workloads import WORKLOADS

WIDTH: Final = 120
"""Where there is no terminal that says how wide it is."""


def lines_of(board: Board, width: int = WIDTH) -> list[Line]:
    """Everything."""
    lines: list[Line] = [*wrapped(head_line(board), width, style="title"), ()]
    for sentence in summary_of(board).sentences:
        lines += wrapped(f"* {sentence}", width, hanging="  ")
    lines += [(), *verdict_lines(board, width), ()]
    for name, text in legend(board):
        lines += led(name, text, width)
    lines += [(), *why_lines(board, width)]
    for kernel, load in places_of(board):
        lines += [(), *cost_lines(board, kernel, load, width)]
    lines.append(())
    for figure in FIGURES.values():
        lines += led(figure.head, figure.about, width)
    return lines


def head_line(board: Board) -> str:
    """What was compared, and how much of it."""
    plan = board.plan
    seeds = "timed" if plan.strategy == "timed" else _seeds_text(plan.strategy, plan.seeds)
    settings = "".join(f", {name}={text}" for name, text in plan.settings.items())
    unfinished = "" if board.complete else f"; interrupted, {board.done:,} of {board.wanted:,} runs done"
    return f"{_compared(board)}{settings}, {seeds}{unfinished}"


def _compared(board: Board) -> str:
    plan = board.plan
    versions = sum(bool(design.version) for design in plan.designs)
    designs = len(plan.designs) - versions
    own = f"{counted(versions, 'version')} with {'its' if versions == 1 else 'their'} own design"
    if not designs:
        return f"{own} ({', '.join(kernel.build for kernel in plan.kernels)})"
    return f"{counted(designs, 'design')} on {kernels_line(board)}{f', {own}' if versions else ''}"


def _seeds_text(strategy: str, seeds: Sequence[int]) -> str:
    span = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]} to {seeds[-1]}"
    return f"{span} (verdicts under strategy {strategy}, costs timed)"


# -- verdicts ----------------------------------------------------------------------------------------------------------


def verdict_lines(board: Board, width: int) -> list[Line]:
    """A block for each group of designs with the same verdicts, in it a row for each of the kernels' groups."""
    blocks = [
        Block(_heading(group), tuple(_row(kernels, row) for kernels, row in group.rows)) for group in groups_of(board)
    ]
    return table(board.plan.subjects, blocks, width)


def _heading(group: VerdictGroup) -> str:
    return f"{group.names} ({KEEPS})" if group.keeps else group.names


def _row(kernels: Sequence[str], row: Sequence[Verdict | None]) -> Row:
    return Row(", ".join(kernels), tuple(Cell(_word(verdict), style_of(verdict)) for verdict in row))


def _word(verdict: Verdict | None) -> str:
    return MISSING if verdict is None else verdict.word


def legend(board: Board) -> list[tuple[str, str]]:
    """What the columns are and the words mean, as far as they occur, each word with its first report."""
    found: list[tuple[str, str]] = []
    if not board.plan.scenarios:
        found += [(context.name, context.about) for context in CONTEXTS.values()]
    seen: dict[str, str] = {}
    for card in board.cards:
        for (kernel, subject), verdict in card.verdicts.items():
            if not verdict.legal:
                word = verdict.word.removeprefix(verdict.mark).partition(" ")[0]
                seen.setdefault(word, _example(card, kernel, subject, verdict))
    return [*found, *seen.items(), *_marks(board)]


def _marks(board: Board) -> list[tuple[str, str]]:
    verdicts = [verdict for card in board.cards for verdict in card.verdicts.values()]
    found: list[tuple[str, str]] = []
    if any(verdict.dry for verdict in verdicts):
        found.append((DRY_MARK, "legal until the pcplist (the CPU's page list) runs dry, then this"))
    if any(verdict.low for verdict in verdicts):
        found.append((LOW_MARK, "legal until memory is short (the zone is below its low watermark), then this"))
    late = next((verdict.late for verdict in verdicts if verdict.late), "")
    if late:
        found.append((LATE_MARK, f"legal, but when nothing ran any more there was something left, such as {late}"))
    if any(verdict is None for group in groups_of(board) for _, row in group.rows for verdict in row):
        found.append((MISSING, "not measured"))
    return found


def _example(card: Card, kernel: str, subject: str, verdict: Verdict) -> str:
    after = f" and then {verdict.fatal}" if verdict.fatal and verdict.fatal != verdict.kind else ""
    seeds = f", seeds {seeds_named(verdict.failing)}" if verdict.seeds > 1 else ""
    return f"{verdict.kind}{after}, such as {card.design} in {subject} on {kernel}{seeds}: {verdict.title}"


def why_lines(board: Board, width: int) -> list[Line]:
    """Of each design what it does, and why it won or lost."""
    why = reasons(board)
    lines: list[Line] = []
    for card in board.cards:
        lines += led(card.design, card.about, width)
        lines += wrapped(why[card.design], width, indent="  ")
    return lines


# -- costs -------------------------------------------------------------------------------------------------------------


def load_about(board: Board, load: str) -> str:
    """What a workload is; a scenario's name says it."""
    return load if board.plan.scenarios else f"{load} ({WORKLOADS[load].about})"


def cost_lines(board: Board, kernel: str, load: str, width: int) -> list[Line]:
    """One table: a row for the designs with the same figures. A last column has what was reported, if anything was."""
    best = bests(board, kernel, load)
    groups = cost_groups(board, kernel, load)
    heads = [*(figure.head for figure in FIGURES.values()), "reported"]
    if not any(group.reported for group in groups):
        heads.pop()
    rows = tuple(Row(group.names, tuple(_cost_cells(group, best))[: len(heads)]) for group in groups)
    title = wrapped(f"{load_about(board, load)} on {kernel}", width, style="title")
    return [*title, *table(heads, [Block("", rows)], width, figures=True)]


def _cost_cells(group: CostGroup, best: dict[str, object]) -> list[Cell]:
    cells = [
        Cell(text, "missing" if group.cost is None else "best" if is_best(group, name, best) else "")
        for name, text in zip(FIGURES, group.texts, strict=True)
    ]
    kept = group.cost is not None and group.cost.keeps
    return [*cells, Cell(group.reported, "keeps" if kept else "wrong")]
