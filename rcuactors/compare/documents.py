"""The board as data: one JSON document, or the rows of a CSV file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import attrs

from .board import Board
from .costs import FIGURES
from .reasons import reasons
from .summary import summary_of

COLUMNS: Final = ("table", "design", "kernel", "subject", "name", "value", "min", "max")


def document_of(board: Board) -> dict[str, Any]:
    """Everything, as plain data."""
    plan, why = board.plan, reasons(board)
    return {
        "strategy": plan.strategy,
        "seeds": list(plan.seeds),
        "settings": dict(plan.settings),
        "scenarios": list(plan.subjects) if plan.scenarios else [],
        "kernels": [
            {"name": kernel.name, "version": kernel.version, "config": kernel.config().as_settings()}
            for kernel in plan.kernels
        ],
        "summary": attrs.asdict(summary_of(board)),
        "runs_done": board.done,
        "runs_wanted": board.wanted,
        "designs": [
            {
                "name": card.design,
                "version": card.version,
                "about": card.about,
                "keeps": card.keeps,
                "reason": why[card.design],
                "verdicts": [
                    {"kernel": kernel, "subject": subject, **verdict.as_json()}
                    for (kernel, subject), verdict in card.verdicts.items()
                ],
                "costs": [
                    {
                        "kernel": kernel,
                        "subject": load,
                        "outcome": cost.outcome,
                        "failed": cost.failed,
                        "seeds": cost.seeds,
                        "failing": list(cost.failing),
                        "figures": {name: attrs.asdict(spread) for name, spread in cost.figures.items()},
                    }
                    for (kernel, load), cost in card.costs.items()
                ],
            }
            for card in board.cards
        ],
    }


def rows_of(board: Board) -> Iterator[tuple[object, ...]]:
    """The rows of a CSV file, in the columns above: one a sentence of the summary, a verdict, a figure, a reason."""
    why = reasons(board)
    for number, sentence in enumerate(summary_of(board).sentences, 1):
        yield "summary", "", "", "", number, sentence, "", ""
    for card in board.cards:
        for (kernel, subject), verdict in card.verdicts.items():
            yield "verdict", card.design, kernel, subject, verdict.word, verdict.sentence(), "", ""
        for (kernel, load), cost in card.costs.items():
            yield "cost", card.design, kernel, load, "outcome", cost.outcome, "", ""
            for name in FIGURES:
                spread = cost.figures[name]
                yield "cost", card.design, kernel, load, name, spread.median, spread.low, spread.high
        yield "reason", card.design, "", "", "reason", why[card.design], "", ""
