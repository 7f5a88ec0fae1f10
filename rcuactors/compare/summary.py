"""What follows from a comparison: which design to take for which question, in three sentences.

The questions are the contexts of mainline, those and NMI, least memory, and the shortest time with a raw lock held.
Like the reasons, the answers are a function of the board and of nothing else. A design that keeps objects for ever is
the answer to none: where only such a one is legal, that is what the sentence is about.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import attrs

from ..spelling import one_of, plural
from .board import Board, Card, Place
from .contexts import CONTEXTS
from .costs import FIGURES
from .reasons import contenders, listed, made_of, prices_of, total
from .units import shown

_TELLING: Final = ("found_percent", "latency_p99_ns", "call_ns")
"""Figures by which the one to take is introduced."""


@attrs.frozen(kw_only=True)
class Summary:
    """The names for each question, none where nothing can be said for any; and the sentences."""

    mainline: tuple[str, ...] = ()
    nmi: tuple[str, ...] = ()
    memory: tuple[str, ...] = ()
    raw_held: tuple[str, ...] = ()
    keeping: tuple[str, ...] = ()
    """The class of those that keep objects for ever."""
    sentences: tuple[str, ...] = ()


def summary_of(board: Board) -> Summary:
    """Of a whole comparison; of a part there is none."""
    measured = [card for card in board.cards if card.verdicts]
    if not measured:
        return Summary(sentences=("Nothing was measured.",))
    if not board.complete:
        return Summary(sentences=(f"No conclusion: {made_of(board)}, and the rest may say something else.",))
    keeping = tuple(card.design for card in measured if card.keeps)
    if len(keeping) == len(measured):
        names = f"all designs ({listed(keeping)})" if len(keeping) > 1 else f"the only design ({keeping[0]})"
        return Summary(keeping=keeping, sentences=(f"Objects are kept for ever by {names}: there is none to take.",))
    free = contenders(measured)
    places = list(dict.fromkeys(place for card in measured for place in card.verdicts))
    usual = [place for place in places if _is_mainline(place)]
    level, mainline, first = _mainline(free, usual, everywhere=len(usual) == len(places))
    nmi, second = _nmi(free, measured, places) if len(usual) < len(places) else ((), "")
    memory, raw_held, third = _costs(level)
    return Summary(
        mainline=mainline,
        nmi=nmi,
        memory=memory,
        raw_held=raw_held,
        keeping=keeping,
        sentences=tuple(sentence for sentence in (first, second, third) if sentence),
    )


def _is_mainline(place: Place) -> bool:
    context = CONTEXTS.get(place[1])
    return context is None or context.mainline


# -- where it is legal -------------------------------------------------------------------------------------------------


def _legal(card: Card, places: Iterable[Place]) -> int:
    return sum(place in card.verdicts and card.verdicts[place].legal for place in places)


def _most_legal(cards: Sequence[Card], places: Sequence[Place]) -> tuple[int, list[Card]]:
    """In how many of these cells the best are legal, and which those are."""
    most = max(_legal(card, places) for card in cards)
    return most, [card for card in cards if _legal(card, places) == most]


def _cheapest(level: Sequence[Card], cards: Sequence[Card]) -> tuple[str, ...]:
    """Those of them that cost least beside all that free everything, by the weights of the reasons."""
    prices = {card.design: total(prices_of(card, cards)) for card in level}
    least = min(prices.values())
    return tuple(name for name, price in prices.items() if price == least)


def _mainline(
    free: Sequence[Card], places: Sequence[Place], *, everywhere: bool
) -> tuple[list[Card], tuple[str, ...], str]:
    """Who is legal in as many as any, who of them costs least, and the sentence."""
    where = "what was asked for" if everywhere else "mainline's contexts (all but NMI)"
    most, level = _most_legal(free, places)
    if not most:
        return [], (), f"For {where} there is none to take: no design that frees everything is legal in any cell."
    taken = _cheapest(level, free)
    how = f"legal in {_of(most, places)}{', the most' if most < len(places) else ''}"
    rest = len(level) - len(taken)
    beside = f", as {'is' if rest == 1 else 'are'} {plural(rest, 'other')}, of which it costs least" if rest else ""
    figures = _introduced(next(card for card in level if card.design == taken[0]))
    return level, taken, f"For {where} take {one_of(taken)}: {how}{beside}{figures}."


def _introduced(card: Card) -> str:
    """The figures of its worst workload each."""
    told = [
        f"{shown(FIGURES[name].unit, value)} {FIGURES[name].words}" for name in _TELLING for value in _worst(card, name)
    ]
    return f" (at worst {', '.join(told)})" if told else ""


def _nmi(free: Sequence[Card], measured: Sequence[Card], places: Sequence[Place]) -> tuple[tuple[str, ...], str]:
    most, level = _most_legal(free, places)
    inside = [place for place in places if not _is_mainline(place)]
    survives = [card for card in level if _legal(card, inside) == len(inside)]
    keepers = [card for card in measured if card.keeps and _legal(card, inside) == len(inside)]
    if survives and most:
        taken = _cheapest(survives, free)
        return taken, f"For these and NMI take {one_of(taken)}: legal in {_of(most, places)}."
    there = f"{listed(_cheapest(level, free))} is legal in {_of(most, places)}"
    if keepers:
        names = listed([card.design for card in keepers])
        legal = _of(max(_legal(card, places) for card in keepers), places)
        return (), (
            f"Only what keeps objects for ever is legal in NMI, too: {names} ({legal}); of those that free everything "
            f"{there}, none in NMI."
        )
    return (), f"For these and NMI there is none to take: no design is legal in NMI; {there}."


def _of(count: int, places: Sequence[Place]) -> str:
    if count < len(places):
        return f"{count} of {len(places)} cells"
    return f"all {count} cells" if count > 1 else "the 1 cell"


# -- what it costs -----------------------------------------------------------------------------------------------------


def _worst(card: Card, figure: str) -> list[float]:
    """The worst of all workloads, in a list that is empty where nothing was measured."""
    values = [value for cost in card.costs.values() if (value := cost.figures[figure].median) is not None]
    return [(min if FIGURES[figure].better == "more" else max)(values)] if values else []


def _costs(level: Sequence[Card]) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """Least memory, shortest time with a raw lock held: of those that came through all workloads."""
    places = {place for card in level for place in card.costs}
    through = [
        card for card in level if set(card.costs) == places and all(c.outcome == "clean" for c in card.costs.values())
    ]
    if not places or not through:
        return (), (), ""
    memory = {card.design: _sum(card, "peak_bytes") for card in through}
    raw = {card.design: next(iter(_worst(card, "raw_held_ns")), 0) for card in through}
    least, shortest = _least(memory), _least(raw)
    price = "".join(
        f"; in one only {shown('%', found)} of the calls found a block" for found in _found(through, least[0])
    )
    peaks = f"{shown('bytes', memory[least[0]])} at the peaks of {plural(len(places), 'run')} together"
    longest = f"{shown('ns', raw[shortest[0]])} at worst"
    if len(through) == 1:
        return least, shortest, f"{least[0]} has no rival in costs: {peaks}{price}, and a raw lock held for {longest}."
    also = f"{listed(shortest)} has" if least != shortest else "it has"
    sentence = (
        f"Of the {len(through)} designs that are legal there, {listed(least)} has the least memory "
        f"({peaks}{_other_end(memory, 'bytes')}{price}), and {also} the shortest time with a raw lock held "
        f"({longest}{_other_end(raw, 'ns')})."
    )
    return least, shortest, sentence


def _sum(card: Card, figure: str) -> float:
    return sum(cost.figures[figure].median or 0 for cost in card.costs.values())


def _least(values: dict[str, float]) -> tuple[str, ...]:
    least = min(values.values())
    return tuple(name for name, value in values.items() if value == least)


def _other_end(values: dict[str, float], unit: str) -> str:
    """What it is beside: the most."""
    name = max(values, key=lambda name: values[name])
    return "" if values[name] == min(values.values()) else f", {name} {shown(unit, values[name])}"


def _found(cards: Sequence[Card], name: str) -> list[float]:
    """The worst share of calls that found a block, where it is not all of them."""
    return [found for card in cards if card.design == name for found in _worst(card, "found_percent") if found < 100]
