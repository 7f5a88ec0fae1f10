"""Why a design won or lost, in one line: a function of the board, and of nothing else.

A design that keeps objects for ever does not do what it is for: it is in a class of its own, and no other is held
against it. Among the others first comes what is legal. A cell in which no design is legal tells nothing about any of
them, and is said to be so. Designs that are legal in as many cells are told apart by their costs: each figure is held
against the best of these designs in the same workload, and how far it lies off, from 0 to 1, is weighted by how much it
matters to whom (`WEIGHTS`). Named of the costs are the two that lie far off while many other designs do better: what
all pay alike is nobody's price. Of a design that won on its costs the figure is named in which it is furthest ahead of
the middle.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import attrs

from ..spelling import plural
from .board import Board, Card, Place
from .costs import FIGURES
from .units import shown
from .verdict import WHEN, Verdict

WEIGHTS: Final[Mapping[str, float]] = MappingProxyType(
    {
        "oom": 5.0,
        "found_percent": 3.0,
        "fallbacks_synchronize": 2.0,
        "latency_p99_ns": 2.0,
        "zone_locks_others": 2.0,
        "call_ns": 2.0,
        "irqs_off_ns": 1.0,
        "raw_held_ns": 1.0,
        "peak_bytes": 1.0,
        "peak_pages": 0.5,
    }
)
"""How much a figure matters; those left out say the same in other words."""

_OF_PAGES: Final = frozenset({"peak_pages", "peak_bytes", "zone_locks_others", "irqs_off_ns", "raw_held_ns"})
"""What taking pages costs: held only against designs that find as many blocks, since who takes none holds none."""

_AS_MANY: Final = 5.0
"""Percent of the calls by which a design may find fewer blocks and still count as one that finds as many."""

_WORTH_SAYING: Final = MappingProxyType({"%": 1.0, "": 4, "ns": 50, "bytes": 64 << 10})
"""Differences below these, by unit, are none."""

_A_JIFFY_NS: Final = 4_000_000
"""The monitor's timer and the grace periods go by ticks: less between two latencies says when a tick fell."""

_WHEN: Final = {"": ""} | {mark: f" once {when}" for mark, when in WHEN.items()}

_NAMED: Final = 3
"""How many contexts are named one by one."""


@attrs.frozen
class Price:
    """A figure that lies off the best one. `rarity` is the share of the other designs that do better."""

    weighted: float
    rarity: float
    place: Place
    figure: str
    value: float
    best: float
    best_design: str


def reasons(board: Board) -> dict[str, str]:
    """The line of each design, by its name."""
    measured = [card for card in board.cards if card.verdicts]
    if not measured:
        return {card.design: "Nothing of it was measured." for card in board.cards}
    if not board.complete:
        # Who wins, and what is legal nowhere, hangs on all of them.
        return {card.design: f"Not decided: {made_of(board)}." for card in board.cards}
    hopeless = _hopeless(measured)
    rivals = contenders(measured)
    prices = {card.design: prices_of(card, rivals) for card in measured}
    ranking = sorted(rivals, key=lambda card: (*_legality(card), total(prices[card.design])))
    return {
        card.design: _line(card, ranking, hopeless, prices) if card.verdicts else "Nothing of it was measured."
        for card in board.cards
    }


def made_of(board: Board) -> str:
    """How far a comparison came that was ended."""
    return f"{board.done:,} of {plural(board.wanted, 'run')} were made"


def contenders(cards: Sequence[Card]) -> list[Card]:
    """Those that can win: who frees everything; if nobody does, all."""
    return [card for card in cards if not card.keeps] or list(cards)


def _legality(card: Card) -> tuple[int, int, int]:
    """For sorting: cells that are not legal, those so even with a filled page list, those with something left."""
    wrong = [verdict for verdict in card.verdicts.values() if not verdict.legal]
    late = sum(bool(verdict.late) for verdict in card.verdicts.values())
    return len(wrong), sum(not verdict.mark for verdict in wrong), late


def _hopeless(cards: Sequence[Card]) -> set[Place]:
    """The cells in which no design is legal; with one design alone, none is."""
    if len(cards) < 2:
        return set()
    places = dict.fromkeys(place for card in cards for place in card.verdicts)
    return {
        place for place in places if all(not card.verdicts[place].legal for card in cards if place in card.verdicts)
    }


def total(prices: Iterable[Price]) -> float:
    """What a design costs beside the others, in one number."""
    return round(sum(price.weighted for price in prices), 6)


def _line(card: Card, ranking: Sequence[Card], hopeless: set[Place], prices: Mapping[str, Sequence[Price]]) -> str:
    also = "Keeps objects for ever, as all in the table do." if card.keeps and card in ranking else ""
    parts = [
        also,
        _standing(card, ranking, prices),
        _failures(card, hopeless),
        _shared(card, hopeless),
        _left_over(card),
    ]
    parts += [_workload_reports(card), _price(prices[card.design])]
    return " ".join(part for part in parts if part)


# -- won or lost -------------------------------------------------------------------------------------------------------


def _standing(card: Card, ranking: Sequence[Card], prices: Mapping[str, Sequence[Price]]) -> str:
    cells = len(card.verdicts)
    legal = cells - _legality(card)[0]
    share = f"legal in {legal} of {cells} cells"
    if card.keeps and card not in ranking:
        return f"Keeps objects for ever, so that no other is held against it: {share}."
    if len(prices) == 1:
        return f"Alone in the table: {share}."
    first = ranking[0]
    if _legality(first)[0] == len(first.verdicts):
        return "Nobody won."
    if len(ranking) == 1:
        return f"Won: {share}, alone in freeing everything."
    level = [other for other in ranking if _legality(other) == _legality(first)]
    if card not in level:
        best = len(first.verdicts) - _legality(first)[0]
        if _legality(card)[:2] == _legality(first)[:2]:
            return f"Lost: {share}, as many as {first.design}, which leaves less behind."
        if best == legal:
            return (
                f"Lost: {share}, as many as {first.design}, but in more of the others not even with a filled pcplist."
            )
        return f"Lost: {share}, {first.design} in {best}."
    if len(level) == 1:
        return f"Won: {share}, no other design in as many."
    others = _others([other.design for other in level if other is not card])
    mine, best_total = total(prices[card.design]), total(prices[first.design])
    if mine == best_total:
        return f"Won: {share}, as {others}; none of these costs less.{_strength(card, ranking)}"
    return f"Lost on costs: {share}, as {others}; {first.design} costs less."


def _others(names: Sequence[str]) -> str:
    return listed(names) if len(names) <= _NAMED else f"{len(names)} others"


def _strength(card: Card, cards: Sequence[Card]) -> str:
    """Where it is furthest ahead of the middle of the others."""
    ahead: list[tuple[float, str]] = []
    for place, cost in card.costs.items():
        for figure, weight in WEIGHTS.items():
            value = cost.figures[figure].median
            others = sorted(theirs for theirs, name in _values(place, figure, cards) if name != card.design)
            if cost.outcome != "clean" or value is None or not others:
                continue
            middle = others[(len(others) - 1) // 2]
            if _is_better(figure, value, middle):
                unit = FIGURES[figure].unit
                text = f"{shown(unit, value)} {FIGURES[figure].words} in {place[1]} on {place[0]}"
                ahead.append(
                    (weight * _share_off(value, middle), f"{text} (the middle of the others: {shown(unit, middle)})")
                )
    return f" Its strength: {max(ahead, key=lambda entry: entry[0])[1]}." if ahead else ""


# -- what is not legal -------------------------------------------------------------------------------------------------


def _failures(card: Card, hopeless: set[Place]) -> str:
    """Where others are legal and this is not, by kernel and verdict."""
    groups: dict[tuple[str, str, str, str], list[str]] = {}
    among: dict[str, int] = {}
    for (kernel, subject), verdict in _by_kernel(card):
        if (kernel, subject) in hopeless:
            continue
        among[kernel] = among.get(kernel, 0) + 1
        if not verdict.legal:
            groups.setdefault((kernel, verdict.kind, verdict.fatal, verdict.mark), []).append(subject)
    # Kernels of which the same is to be said are named together.
    said: dict[str, list[str]] = {}
    for (kernel, kind, fatal, mark), subjects in groups.items():
        text = f"{_what(kind, fatal)}{_WHEN[mark]} {_where(subjects, among[kernel])}"
        said.setdefault(text, []).append(kernel)
    if not said:
        return ""
    found = [f"on {listed(kernels)} {text}" for text, kernels in said.items()]
    first = next(verdict for place, verdict in _by_kernel(card) if not verdict.legal and place not in hopeless)
    return f"{_upper('; '.join(found))} (first: {_short(first)})."


def _by_kernel(card: Card) -> list[tuple[Place, Verdict]]:
    kernels = list(dict.fromkeys(kernel for kernel, _ in card.verdicts))
    return sorted(card.verdicts.items(), key=lambda entry: kernels.index(entry[0][0]))


def listed(names: Sequence[str]) -> str:
    """`a, b and c`."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _what(kind: str, fatal: str) -> str:
    return kind if not fatal or fatal == kind else f"{kind} and then {fatal}"


def _where(subjects: Sequence[str], among: int) -> str:
    if len(subjects) == among and among > 1:
        return f"in all {among} where any design is legal"
    if len(subjects) <= _NAMED:
        return f"in {', '.join(subjects)}"
    return f"in {len(subjects)} of {among}: {', '.join(subjects)}"


def _short(verdict: Verdict) -> str:
    return verdict.title if len(verdict.title) <= 90 else f"{verdict.title[:87]}..."


def _shared(card: Card, hopeless: set[Place]) -> str:
    """What no design survives."""
    mine = [(kernel, subject) for kernel, subject in card.verdicts if (kernel, subject) in hopeless]
    if not mine:
        return ""
    subjects = dict.fromkeys(subject for _, subject in mine)
    return f"No design is legal in {', '.join(subjects)}."


def _left_over(card: Card) -> str:
    """What it never gives back."""
    late = [verdict.late for verdict in card.verdicts.values() if verdict.late]
    if not late:
        return ""
    return f"In {len(late)} of {len(card.verdicts)} cells something is left over when the machine is idle ({late[0]})."


def _workload_reports(card: Card) -> str:
    """Workloads that did not go well, when they are not the verdicts themselves."""
    bad: dict[str, list[str]] = {}
    for (kernel, load), cost in card.costs.items():
        if cost.outcome != "clean" and (kernel, load) not in card.verdicts:
            bad.setdefault(cost.outcome, []).append(f"{load} on {kernel}")
    return " ".join(f"{_upper(outcome)} in {', '.join(places)}." for outcome, places in bad.items())


# -- what it costs -----------------------------------------------------------------------------------------------------


def prices_of(card: Card, cards: Sequence[Card]) -> list[Price]:
    """Every figure that lies off the best of the designs, the most important first."""
    found: list[Price] = []
    for place, cost in card.costs.items():
        if cost.outcome != "clean":
            continue
        for figure, weight in WEIGHTS.items():
            value = cost.figures[figure].median
            rivals = [other for other in cards if figure not in _OF_PAGES or _finds_as_much(other, card, place)]
            best = _best(place, figure, rivals)
            if value is not None and best is not None and _is_better(figure, best[0], value):
                weighted = weight * _share_off(value, best[0])
                found.append(Price(weighted, _share_better(place, figure, value, rivals), place, figure, value, *best))
    return sorted(found, key=lambda price: (-price.weighted * price.rarity, price.place, price.figure))


def _finds_as_much(other: Card, card: Card, place: Place) -> bool:
    if place not in other.costs:
        return False
    theirs, mine = (one.costs[place].figures["found_percent"].median for one in (other, card))
    return theirs is not None and mine is not None and theirs >= mine - _AS_MANY


def _best(place: Place, figure: str, cards: Sequence[Card]) -> tuple[float, str] | None:
    known = _values(place, figure, cards)
    if not known:
        return None
    # The first of equals, so that the table's order decides and not a name's.
    wanted = (max if FIGURES[figure].better == "more" else min)(value for value, _ in known)
    return next(entry for entry in known if entry[0] == wanted)


def _values(place: Place, figure: str, cards: Sequence[Card]) -> list[tuple[float, str]]:
    """(value, design) of those that came through."""
    return [
        (value, card.design)
        for card in cards
        if place in card.costs
        and card.costs[place].outcome == "clean"
        and (value := card.costs[place].figures[figure].median) is not None
    ]


def _share_better(place: Place, figure: str, value: float, rivals: Sequence[Card]) -> float:
    values = [theirs for theirs, _ in _values(place, figure, rivals)]
    return sum(_is_better(figure, theirs, value) for theirs in values) / max(len(values) - 1, 1)


def _is_better(figure: str, one: float, other: float) -> bool:
    return _differs(figure, one, other) and (one > other) == (FIGURES[figure].better == "more")


def _differs(figure: str, value: float, best: float) -> bool:
    least = _A_JIFFY_NS if figure.startswith("latency") else _WORTH_SAYING[FIGURES[figure].unit]
    return abs(value - best) >= least


def _share_off(value: float, best: float) -> float:
    """How far off the best, from 0 to 1."""
    larger = max(abs(value), abs(best))
    return abs(value - best) / larger if larger else 0.0


def _price(prices: Sequence[Price]) -> str:
    """The two that matter most, each of another figure."""
    told: dict[str, Price] = {}
    for price in prices:
        told.setdefault(price.figure, price)
    named = list(told.values())[:2]
    if not named:
        return ""
    texts = [
        f"{shown(FIGURES[price.figure].unit, price.value)} {FIGURES[price.figure].words} in {price.place[1]} "
        f"on {price.place[0]} ({price.best_design}: {shown(FIGURES[price.figure].unit, price.best)})"
        for price in named
    ]
    return f"Its price: {'; '.join(texts)}."


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
