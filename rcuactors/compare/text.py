"""The board as text: what follows from it, the verdict table with a line on each design, the cost tables.

Below the verdicts stands what the words in them mean.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..spelling import counted
from .board import Board, Card
from .contexts import CONTEXTS
from .costs import FIGURES
from .reasons import reasons
from .summary import summary_of
from .units import spread_shown
from .verdict import DRY_MARK, LATE_MARK, LEGAL, LOW_MARK, Verdict, seeds_named
from .workloads import WORKLOADS

_MISSING = "?"


def lines_of(board: Board) -> list[str]:
    """Everything."""
    lines = [head_line(board), "", *summary_of(board).sentences, "", *verdict_lines(board), "", *legend_lines(board)]
    for kernel, load in cost_places(board):
        lines += ["", *cost_lines(board, kernel, load)]
    return [*lines, "", *(f"{figure.head}: {figure.about}" for figure in FIGURES.values())]


def head_line(board: Board) -> str:
    """What was compared, and how much of it."""
    plan = board.plan
    seeds = "timed" if plan.strategy == "timed" else _seeds_text(plan.strategy, plan.seeds)
    settings = "".join(f", {name}={text}" for name, text in plan.settings.items())
    kernels = ", ".join(kernel.name for kernel in plan.kernels)
    unfinished = "" if board.complete else f"; interrupted, {board.done:,} of {board.wanted:,} runs done"
    count = counted(len(plan.designs), "design")
    return f"{count} on {plan.kernels[0].version} ({kernels}){settings}, {seeds}{unfinished}"


def _seeds_text(strategy: str, seeds: Sequence[int]) -> str:
    span = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]} to {seeds[-1]}"
    return f"{span} (verdicts under strategy {strategy}, costs timed)"


# -- verdicts ----------------------------------------------------------------------------------------------------------


def verdict_lines(board: Board) -> list[str]:
    """For each design its rows, one a kernel, and below them why it won or lost."""
    plan, why = board.plan, reasons(board)
    label = max(len(kernel.name) for kernel in plan.kernels)
    widths = [max(len(subject), *(len(word) for word in _words(board, subject))) for subject in plan.subjects]
    lines = ["  ".join(["", " " * label, *_padded(plan.subjects, widths)]).rstrip()]
    for card in board.cards:
        lines += ["", f"{card.design}: {card.about}"]
        for kernel in plan.kernels:
            words = [_word(card.verdicts.get((kernel.name, subject))) for subject in plan.subjects]
            lines.append("  ".join(["", kernel.name.ljust(label), *_padded(words, widths)]).rstrip())
        lines.append(f"  {why[card.design]}")
    return lines


def _words(board: Board, subject: str) -> list[str]:
    return [_word(card.verdicts.get((kernel.name, subject))) for card in board.cards for kernel in board.plan.kernels]


def _word(verdict: Verdict | None) -> str:
    return _MISSING if verdict is None else verdict.word


def _padded(texts: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [text.ljust(width) for text, width in zip(texts, widths, strict=True)]


def legend_lines(board: Board) -> list[str]:
    """What the columns are and the words mean, as far as they occur, each word with its first report."""
    lines: list[str] = []
    if not board.plan.scenarios:
        lines += [f"{context.name}: {context.about}" for context in CONTEXTS.values()]
    seen: dict[str, str] = {}
    for card in board.cards:
        for (kernel, subject), verdict in card.verdicts.items():
            if not verdict.legal:
                word = verdict.word.removeprefix(verdict.mark).partition(" ")[0]
                seen.setdefault(word, _example(card, kernel, subject, verdict))
    lines += [f"{word}: {example}" for word, example in seen.items()]
    if any(verdict.dry for card in board.cards for verdict in card.verdicts.values()):
        lines.append(f"{DRY_MARK}: legal until the pcplist (the CPU's page list) runs dry, then this")
    if any(verdict.low for card in board.cards for verdict in card.verdicts.values()):
        lines.append(f"{LOW_MARK}: legal until memory is short (the zone is below its low watermark), then this")
    late = next((verdict.late for card in board.cards for verdict in card.verdicts.values() if verdict.late), "")
    if late:
        lines.append(f"{LATE_MARK}: legal, but when nothing ran any more there was something left, such as {late}")
    if any(verdict is None for card in board.cards for verdict in _all_cells(board, card)):
        lines.append(f"{_MISSING}: not measured")
    return lines or [f"{LEGAL}: nothing was reported"]


def _all_cells(board: Board, card: Card) -> list[Verdict | None]:
    return [
        card.verdicts.get((kernel.name, subject)) for kernel in board.plan.kernels for subject in board.plan.subjects
    ]


def _example(card: Card, kernel: str, subject: str, verdict: Verdict) -> str:
    after = f" and then {verdict.fatal}" if verdict.fatal and verdict.fatal != verdict.kind else ""
    seeds = f", seeds {seeds_named(verdict.failing)}" if verdict.seeds > 1 else ""
    return f"{verdict.kind}{after}, such as {card.design} in {subject} on {kernel}{seeds}: {verdict.title}"


# -- costs -------------------------------------------------------------------------------------------------------------


def cost_places(board: Board) -> list[tuple[str, str]]:
    """The cost tables, by (kernel, workload), in order."""
    return [(kernel.name, load) for load in board.plan.loads for kernel in board.plan.measured]


def load_about(board: Board, load: str) -> str:
    """What a workload is; a scenario's name says it."""
    return load if board.plan.scenarios else f"{load} ({WORKLOADS[load].about})"


def cost_lines(board: Board, kernel: str, load: str) -> list[str]:
    """One table: a row a design. A last column has what was reported, if anything was."""
    heads = ["", *(figure.head for figure in FIGURES.values()), ""]
    rows = [heads]
    for card in board.cards:
        cost = card.costs.get((kernel, load))
        if cost is None:
            rows.append([card.design, *(_MISSING for _ in FIGURES), ""])
            continue
        several = cost.seeds > 1
        reported = "" if cost.outcome == "clean" else cost.outcome + (f" {cost.failed}/{cost.seeds}" if several else "")
        figures = [spread_shown(figure.unit, cost.figures[name], several=several) for name, figure in FIGURES.items()]
        rows.append([card.design, *figures, reported])
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    return [f"{load_about(board, load)} on {kernel}", *(_cost_row(row, widths) for row in rows)]


def _cost_row(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *figures = row
    *numbers, last = [text.rjust(width) for text, width in zip(figures, widths[1:], strict=True)]
    return "  ".join([f"  {first.ljust(widths[0])}", *numbers, last.strip()]).rstrip()
