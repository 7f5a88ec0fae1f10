"""Strategies by name: who answers the decisions of a run."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cache
from typing import Final

from ..engine.choice import Strategy, Timed
from ..errors import BadInput, bad_value
from ..spelling import no_such
from .delays import Delays
from .dfs import Dfs
from .dpor import Dpor
from .holds import Holds
from .pct import Pct
from .random import Random
from .record import Decisions, Record, Replay
from .walk import Walk

STRATEGIES: Final[dict[str, type[Strategy]]] = {
    strategy.name: strategy for strategy in (Timed, Random, Walk, Pct, Holds)
}
"""Those that draw: a seed is one schedule."""

SEARCHES: Final[dict[str, type[Strategy]]] = {search.name: search for search in (Delays, Dfs, Dpor)}
"""Those that go through schedules one after the other: a single run has no use for them."""

_LARGEST: Final = 1_000_000_000


def make_strategy(spec: str) -> Strategy:
    """Make a new strategy that draws: `name`, or `name:parameter=number,other=number`. Raises BadInput."""
    name, given = _read(spec, STRATEGIES)
    return STRATEGIES[name](**given)


def make_any_strategy(spec: str) -> Strategy:
    """The same, or one that searches. Raises BadInput."""
    name, given = _read(spec, STRATEGIES | SEARCHES)
    return (STRATEGIES | SEARCHES)[name](**given)


def _read(spec: str, strategies: dict[str, type[Strategy]]) -> tuple[str, dict[str, int]]:
    name, colon, rest = spec.partition(":")
    if name not in strategies:
        if name in SEARCHES:
            raise BadInput(f"strategy {name}: goes through many schedules; a single run has no use for it")
        raise no_such("strategy", name, strategies)
    known: Mapping[str, int] = _parameters(name) if colon else {}
    bounds: dict[str, tuple[int, int]] = getattr(strategies[name], "bounds", {})
    given: dict[str, int] = {}
    for part in rest.split(",") if colon else []:
        parameter, _, text = part.partition("=")
        if parameter not in known:
            raise no_such(f"strategy {name}: parameter", parameter, known)
        if parameter in given:
            raise BadInput(f"strategy {name}: {parameter} is given twice")
        low, high = bounds.get(parameter, (1, _LARGEST))
        if not (text.isascii() and text.isdigit() and len(text) <= len(str(high))) or not low <= int(text) <= high:
            raise bad_value(f"strategy {name}: {parameter}={text}", f"a whole number from {low} to {high}")
        given[parameter] = int(text)
    return name, given


def parameters_of(name: str) -> dict[str, int]:
    """The parameters of a strategy with their defaults."""
    return dict(_parameters(name))


@cache
def _parameters(name: str) -> Mapping[str, int]:
    """The same, found out once: an explorer makes a strategy for each schedule."""
    signature = inspect.signature((STRATEGIES | SEARCHES)[name]).parameters
    return {parameter.name: parameter.default for parameter in signature.values()}


def describe_strategies() -> list[tuple[str, str]]:
    """(name, what it does) of each strategy."""
    both = STRATEGIES | SEARCHES
    return [(name, (inspect.getdoc(factory) or "").partition("\n")[0]) for name, factory in both.items()]


__all__ = [
    "SEARCHES",
    "STRATEGIES",
    "Decisions",
    "Random",
    "Record",
    "Replay",
    "describe_strategies",
    "make_any_strategy",
    "make_strategy",
    "parameters_of",
]
