"""Rows that say the same, put together: designs whose verdicts, or whose figures in a workload, are equal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from .board import Board, Card, Cost
from .costs import FIGURES
from .reasons import listed
from .units import spread_shown
from .verdict import Verdict

KEEPS = "keeps objects for ever"
MISSING = "?"


@attrs.frozen
class VerdictGroup:
    """Designs with the same verdicts, and these by kernels: those with the same verdicts together."""

    cards: tuple[Card, ...]
    rows: tuple[tuple[tuple[str, ...], tuple[Verdict | None, ...]], ...]

    @property
    def keeps(self) -> bool:
        """Of the class of those that keep objects for ever."""
        return self.cards[0].keeps

    @property
    def names(self) -> str:
        """All of them."""
        return ", ".join(card.design for card in self.cards)


@attrs.frozen
class CostGroup:
    """Designs whose figures are the same as they are shown; `cost` is the first's, None if it was not measured."""

    cards: tuple[Card, ...]
    cost: Cost | None
    texts: tuple[str, ...]
    reported: str

    @property
    def names(self) -> str:
        """All of them."""
        return ", ".join(card.design for card in self.cards)


def verdict_groups(board: Board) -> list[VerdictGroup]:
    """In the order of their first designs."""
    found: dict[object, list[Card]] = {}
    for card in board.cards:
        key = card.keeps, tuple(_said(verdict) for row in _rows(board, card).values() for verdict in row)
        found.setdefault(key, []).append(card)
    return [VerdictGroup(tuple(cards), _by_kernels(_rows(board, cards[0]))) for cards in found.values()]


def _rows(board: Board, card: Card) -> dict[str, tuple[Verdict | None, ...]]:
    plan = board.plan
    return {
        kernel.name: tuple(card.verdicts.get((kernel.name, subject)) for subject in plan.subjects)
        for kernel in plan.kernels
    }


def _said(verdict: Verdict | None) -> tuple[str, str] | None:
    """What makes two cells differ: not the addresses in a title."""
    return (verdict.word, verdict.kind) if verdict is not None else None


def _by_kernels(
    rows: dict[str, tuple[Verdict | None, ...]],
) -> tuple[tuple[tuple[str, ...], tuple[Verdict | None, ...]], ...]:
    found: dict[object, list[str]] = {}
    for kernel, row in rows.items():
        found.setdefault(tuple(_said(verdict) for verdict in row), []).append(kernel)
    return tuple((tuple(kernels), rows[kernels[0]]) for kernels in found.values())


def cost_groups(board: Board, kernel: str, load: str) -> list[CostGroup]:
    """Likewise, in one workload."""
    found: dict[object, CostGroup] = {}
    for card in board.cards:
        cost = card.costs.get((kernel, load))
        texts, reported = _texts(cost)
        known = found.get((texts, reported))
        cards = (*known.cards, card) if known is not None else (card,)
        found[texts, reported] = CostGroup(cards, known.cost if known is not None else cost, texts, reported)
    return list(found.values())


def _texts(cost: Cost | None) -> tuple[tuple[str, ...], str]:
    if cost is None:
        return tuple(MISSING for _ in FIGURES), ""
    several = cost.seeds > 1
    texts = tuple(spread_shown(figure.unit, cost.figures[name], several=several) for name, figure in FIGURES.items())
    if cost.outcome == "clean":
        return texts, ""
    return texts, f"{cost.outcome} {cost.failed}/{cost.seeds}" if several else cost.outcome


def bests(board: Board, kernel: str, load: str) -> dict[str, object]:
    """The best median of each figure, of those that free everything and came through, where they differ."""
    return {name: _best(board, kernel, load, name) for name in FIGURES}


def _best(board: Board, kernel: str, load: str, name: str) -> object:
    values = {
        value
        for card in board.cards
        if (cost := card.costs.get((kernel, load))) is not None
        and not card.keeps
        and cost.outcome == "clean"
        and (value := cost.figures[name].median) is not None
    }
    if len(values) < 2:
        return None
    return max(values) if FIGURES[name].better == "more" else min(values)


def is_best(group: CostGroup, name: str, best: Mapping[str, object]) -> bool:
    """Whether its figure is the best: of those that may be it."""
    if group.cost is None or group.reported or group.cards[0].keeps:
        return False
    median = group.cost.figures[name].median
    return median is not None and median == best[name]


def style_of(verdict: Verdict | None) -> str:
    """The class of a cell."""
    if verdict is None:
        return "missing"
    if verdict.keeps:
        return "keeps"
    if verdict.legal:
        return "legal"
    return "until" if verdict.mark else "fatal" if verdict.fatal else "wrong"


def kernels_line(board: Board) -> str:
    """The kernels by version: `v5.9 (plain, rt) and v5.11 (prove)`."""
    builds: dict[str, list[str]] = {}
    for kernel in board.plan.kernels:
        builds.setdefault(kernel.version, []).append(kernel.build)
    return listed([f"{version} ({', '.join(names)})" for version, names in builds.items()])


def places_of(board: Board) -> Sequence[tuple[str, str]]:
    """The cost tables, by (kernel, workload), in order."""
    return [(kernel.name, load) for load in board.plan.loads for kernel in board.plan.measured]
