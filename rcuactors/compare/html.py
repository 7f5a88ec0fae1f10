"""The board as one HTML file that needs nothing else: the same tables, with coloured cells."""

from __future__ import annotations

from html import escape
from typing import Final

from .board import Board, Card
from .contexts import CONTEXTS
from .costs import FIGURES
from .reasons import reasons
from .text import cost_places, head_line, legend_lines, load_about
from .units import spread_shown
from .verdict import Verdict

_STYLE: Final = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em; color: #1c1c1c; background: #fff; }
table { border-collapse: collapse; margin: 0.5em 0 1.5em; }
th, td { border: 1px solid #c8c8c8; padding: 0.25em 0.6em; text-align: left; vertical-align: top; }
th { background: #f0f0f0; font-weight: 600; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.legal { background: #d7f0d7; } td.dry { background: #fdf0c4; } td.wrong { background: #f9d0c8; }
td.fatal { background: #e79a8f; } td.missing { background: #eee; color: #777; }
td.best { background: #d7f0d7; } td.reason { background: #fafafa; font-style: italic; }
@media (prefers-color-scheme: dark) {
  body { color: #e6e6e6; background: #1b1b1b; } th { background: #2b2b2b; } th, td { border-color: #444; }
  td.legal, td.best { background: #1f4a26; } td.dry { background: #5a4a12; } td.wrong { background: #6b2c22; }
  td.fatal { background: #8c2417; } td.missing { background: #2a2a2a; } td.reason { background: #222; }
}
"""


def page_of(board: Board) -> str:
    """The whole file."""
    body = [
        "<h1>kvfree_rcu(): the designs side by side</h1>",
        f"<p>{escape(head_line(board))}</p>",
        "<h2>Verdicts</h2>",
        *_verdict_table(board),
        "<ul>",
        *(f"<li>{escape(line)}</li>" for line in legend_lines(board)),
        "</ul>",
        "<h2>Costs</h2>",
    ]
    for kernel, load in cost_places(board):
        body += [f"<h3>{escape(load_about(board, load))} on {escape(kernel)}</h3>", *_cost_table(board, kernel, load)]
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>rcuactors compare</title><style>{_STYLE}</style></head><body>",
        *body,
        "</body></html>",
    ]
    return "\n".join(lines) + "\n"


def _verdict_table(board: Board) -> list[str]:
    plan, why = board.plan, reasons(board)
    heads = "".join(f'<th title="{escape(_about(subject))}">{escape(subject)}</th>' for subject in plan.subjects)
    lines = [f"<table><tr><th>design</th><th>kernel</th>{heads}</tr>"]
    for card in board.cards:
        design = f'<th rowspan="{len(plan.kernels) + 1}" title="{escape(card.about)}">{escape(card.design)}</th>'
        for kernel in plan.kernels:
            cells = "".join(_verdict_cell(card.verdicts.get((kernel.name, subject))) for subject in plan.subjects)
            lines.append(f"<tr>{design}<td>{escape(kernel.name)}</td>{cells}</tr>")
            design = ""
        lines.append(f'<tr><td class="reason" colspan="{len(plan.subjects) + 1}">{escape(why[card.design])}</td></tr>')
    return [*lines, "</table>"]


def _about(subject: str) -> str:
    return CONTEXTS[subject].about if subject in CONTEXTS else ""


def _verdict_cell(verdict: Verdict | None) -> str:
    if verdict is None:
        return '<td class="missing">not measured</td>'
    if verdict.legal:
        return f'<td class="legal" title="{escape(verdict.sentence())}">{escape(verdict.word)}</td>'
    colour = "dry" if verdict.mark else "fatal" if verdict.fatal else "wrong"
    return f'<td class="{colour}" title="{escape(verdict.sentence())}">{escape(verdict.word)}</td>'


def _cost_table(board: Board, kernel: str, load: str) -> list[str]:
    heads = "".join(f'<th title="{escape(figure.about)}">{escape(figure.head)}</th>' for figure in FIGURES.values())
    best = {name: _best(board, kernel, load, name) for name in FIGURES}
    rows = [_cost_row(card, kernel, load, best) for card in board.cards]
    return [f"<table><tr><th>design</th>{heads}<th>reported</th></tr>", *rows, "</table>"]


def _best(board: Board, kernel: str, load: str, name: str) -> object:
    """The best median of several that differ: there is nothing to mark in a column where all are the same."""
    values = {
        value
        for card in board.cards
        if (kernel, load) in card.costs and (value := card.costs[kernel, load].figures[name].median) is not None
    }
    if len(values) < 2:
        return None
    return max(values) if FIGURES[name].better == "more" else min(values)


def _cost_row(card: Card, kernel: str, load: str, best: dict[str, object]) -> str:
    cost = card.costs.get((kernel, load))
    head = f"<tr><th>{escape(card.design)}</th>"
    if cost is None:
        return f'{head}<td class="missing" colspan="{len(FIGURES) + 1}">not measured</td></tr>'
    cells = ""
    for name, figure in FIGURES.items():
        spread = cost.figures[name]
        is_best = spread.median is not None and spread.median == best[name]
        text = spread_shown(figure.unit, spread, several=cost.seeds > 1)
        cells += f'<td class="number{" best" if is_best else ""}">{escape(text)}</td>'
    if cost.outcome == "clean":
        return f"{head}{cells}<td></td></tr>"
    share = f" ({cost.failed} of {cost.seeds} seeds)" if cost.seeds > 1 else ""
    return f'{head}{cells}<td class="wrong">{escape(cost.outcome)}{share}</td></tr>'
