"""The board as one HTML file that needs nothing else: what follows first, then the tables, which can be sorted.

Names and texts come from files of users, too: all of them are escaped, and what is linked to goes by number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from ..page.policy import policy
from .board import Board, Card
from .contexts import CONTEXTS
from .costs import FIGURES
from .groups import (
    KEEPS,
    CostGroup,
    VerdictGroup,
    bests,
    cost_groups,
    is_best,
    places_of,
    style_of,
    verdict_groups,
)
from .page_parts import SCRIPT, STYLE
from .reasons import reasons
from .summary import summary_of
from .text import head_line, legend, load_about
from .verdict import Verdict

_CLASSES: Final = (
    ("legal", "nothing is reported, and nothing is left over"),
    ("keeps", f"legal, but objects are left over: it {KEEPS}"),
    ("until", "legal until the page list runs dry (~) or memory is short (-)"),
    ("wrong", "a report, after which the machine went on"),
    ("fatal", "the machine did not go on"),
    ("missing", "not measured"),
)
_SORTING: Final = (
    "A click on the head of a column sorts a table by it, a second one the other way round, a third one as it was."
)
_CHARTED: Final = ("found_percent", "latency_p99_ns", "raw_held_ns", "call_ns", "peak_pages", "peak_bytes")


def page_of(board: Board) -> str:
    """The whole file."""
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy(SCRIPT, None))}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">',
        f"<title>rcuactors compare</title><style>{STYLE}</style></head><body>",
        "<h1>kvfree_rcu(): the designs side by side</h1>",
        '<p class="theme"><button type="button" id="theme">Theme: system</button></p>',
        f"<p>{escape(head_line(board))}</p>",
        *_summary(board),
        *_legend(board),
        *_navigation(board),
        *_verdicts(board),
        *_designs(board),
        *_costs(board),
        f"<script>{SCRIPT}</script>",
        "</body></html>",
    ]
    return "\n".join(lines) + "\n"


# -- first -------------------------------------------------------------------------------------------------------------


def _summary(board: Board) -> list[str]:
    sentences = "".join(f"<li>{escape(sentence)}</li>" for sentence in summary_of(board).sentences)
    return ['<h2 id="take">Which one to take</h2>', f"<ol>{sentences}</ol>"]


def _legend(board: Board) -> list[str]:
    swatches = " ".join(f'<li><span class="swatch {name}">{name}</span> {escape(text)}</li>' for name, text in _CLASSES)
    words = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in legend(board))
    figures = "".join(f"<dt>{escape(each.head)}</dt><dd>{escape(each.about)}</dd>" for each in FIGURES.values())
    return [
        '<h2 id="legend">Legend</h2>',
        f"<ul>{swatches}</ul>",
        f"<details><summary>Columns and words of the verdicts</summary><dl>{words}</dl></details>",
        f"<details><summary>Columns of the costs</summary><dl>{figures}</dl></details>",
    ]


def _navigation(board: Board) -> list[str]:
    costs = "".join(
        f'<li><a href="#cost-{number}">{escape(load)} on {escape(kernel)}</a></li>'
        for number, (kernel, load) in enumerate(places_of(board))
    )
    return [
        '<nav><h2>On this page</h2><ul><li><a href="#take">Which one to take</a></li>',
        '<li><a href="#legend">Legend</a></li><li><a href="#verdicts">Verdicts</a></li>',
        f'<li><a href="#designs">Designs</a></li><li><a href="#costs">Costs</a></li>{costs}</ul></nav>',
    ]


# -- verdicts and designs ----------------------------------------------------------------------------------------------


def _table(heads: Iterable[tuple[str, str]], rows: Iterable[str], kind: str = "") -> list[str]:
    """A table that can be sorted by each of its columns: (head, what it means)."""
    cells = "".join(
        f'<th title="{escape(about)}"><button type="button">{escape(head)}</button></th>' for head, about in heads
    )
    return [
        f'<div class="wide {kind}"><table class="sortable"><thead><tr>{cells}</tr></thead><tbody>',
        *rows,
        "</tbody></table></div>",
    ]


def _verdicts(board: Board) -> list[str]:
    heads = [("design", "equal rows are shown once"), ("kernel", "equal rows are shown once")]
    heads += [(subject, _about(subject)) for subject in board.plan.subjects]
    numbers = {card.design: number for number, card in enumerate(board.cards)}
    rows = [
        _verdict_row(group, numbers, kernels, row) for group in verdict_groups(board) for kernels, row in group.rows
    ]
    return ['<h2 id="verdicts">Verdicts</h2>', f"<p>{_SORTING}</p>", *_table(heads, rows)]


def _about(subject: str) -> str:
    return CONTEXTS[subject].about if subject in CONTEXTS else ""


def _verdict_row(
    group: VerdictGroup, numbers: dict[str, int], kernels: Sequence[str], row: Sequence[Verdict | None]
) -> str:
    links = ", ".join(
        f'<a class="one" href="#design-{numbers[card.design]}">{escape(card.design)}</a>' for card in group.cards
    )
    badge = f' <span class="class keeps">{KEEPS}</span>' if group.keeps else ""
    names = ", ".join(kernels)
    cells = "".join(_verdict_cell(verdict) for verdict in row)
    return (
        f'<tr><th data-value="{escape(group.names)}">{links}{badge}</th>'
        f'<td data-value="{escape(names)}">{escape(names)}</td>{cells}</tr>'
    )


def _verdict_cell(verdict: Verdict | None) -> str:
    if verdict is None:
        return '<td class="missing">not measured</td>'
    return (
        f'<td class="{style_of(verdict)}" data-value="{verdict.rank}" title="{escape(verdict.sentence())}">'
        f"{escape(verdict.word)}</td>"
    )


def _designs(board: Board) -> list[str]:
    why = reasons(board)
    return [
        '<h2 id="designs">Designs</h2>',
        "<dl>",
        *(_design(number, card, why[card.design]) for number, card in enumerate(board.cards)),
        "</dl>",
    ]


def _design(number: int, card: Card, reason: str) -> str:
    badge = f' <span class="class keeps">{KEEPS}</span>' if card.keeps else ""
    return (
        f'<dt id="design-{number}">{escape(card.design)}{badge}</dt>'
        f'<dd>{escape(card.about)}</dd><dd class="reason">{escape(reason)}</dd>'
    )


# -- costs -------------------------------------------------------------------------------------------------------------


def _costs(board: Board) -> list[str]:
    lines = ['<h2 id="costs">Costs</h2>']
    for number, (kernel, load) in enumerate(places_of(board)):
        groups, best = cost_groups(board, kernel, load), bests(board, kernel, load)
        lines.append(f'<h3 id="cost-{number}">{escape(load_about(board, load))} on {escape(kernel)}</h3>')
        heads = [("design", "equal rows are shown once"), *((each.head, each.about) for each in FIGURES.values())]
        lines += _table(
            [*heads, ("reported", "what was reported")], (_cost_row(group, best) for group in groups), "costs"
        )
        lines += ['<div class="charts">', *(_chart(groups, name) for name in _CHARTED), "</div>"]
    return lines


def _cost_row(group: CostGroup, best: dict[str, object]) -> str:
    cost = group.cost
    head = f'<tr><th data-value="{escape(group.names)}">{_names(group)}</th>'
    if cost is None:
        missing = '<td class="missing">not measured</td>' * (len(FIGURES) + 1)
        return f"{head}{missing}</tr>"
    cells = ""
    for name, text in zip(FIGURES, group.texts, strict=True):
        median = cost.figures[name].median
        style = "number best" if is_best(group, name, best) else "number"
        cells += f'<td class="{style}" data-value="{"" if median is None else median}">{escape(text)}</td>'
    style = "keeps" if cost.keeps else "wrong" if group.reported else ""
    reported = escape(group.reported)
    return f'{head}{cells}<td class="{style}" data-value="{reported}">{reported}</td></tr>'


def _names(group: CostGroup) -> str:
    """No line ends within one of them, as long as it has room."""
    return ", ".join(f'<span class="one">{escape(card.design)}</span>' for card in group.cards)


def _chart(groups: Sequence[CostGroup], name: str) -> str:
    """A bar for each group, from nothing to the largest."""
    figure = FIGURES[name]
    index = list(FIGURES).index(name)
    values = [group.cost.figures[name].median if group.cost is not None else None for group in groups]
    most = max((value for value in values if value is not None), default=0)
    bars = "".join(
        _bar(group, group.texts[index], 100 * value / most if value and most else 0)
        for group, value in zip(groups, values, strict=True)
    )
    return f"<figure><figcaption>{escape(figure.head)}: {escape(figure.about)}</figcaption>{bars}</figure>"


def _bar(group: CostGroup, text: str, percent: float) -> str:
    keeps = " keeps" if group.cards[0].keeps else ""
    return (
        f'<div class="bar"><span class="of">{_names(group)}</span>'
        f'<span class="track"><span class="length{keeps}" style="width:{percent:.1f}%"></span></span>'
        f'<span class="value">{escape(text)}</span></div>'
    )
