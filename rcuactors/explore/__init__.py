"""Strategies by name: who answers the decisions of a run."""

from __future__ import annotations

import inspect
from typing import Final

from ..engine.choice import Strategy, Timed
from ..errors import BadInput, bad_value
from ..spelling import no_such
from .random import Random
from .record import Decisions, Record, Replay

STRATEGIES: Final[dict[str, type[Strategy]]] = {Timed.name: Timed, Random.name: Random}

_LARGEST: Final = 1_000_000_000


def make_strategy(spec: str) -> Strategy:
    """Make a new strategy: `name`, or `name:parameter=number,other=number`. Raises BadInput."""
    name, colon, rest = spec.partition(":")
    if name not in STRATEGIES:
        raise no_such("strategy", name, STRATEGIES)
    factory = STRATEGIES[name]
    known = parameters_of(name) if colon else {}
    given: dict[str, int] = {}
    for part in rest.split(",") if colon else []:
        parameter, _, text = part.partition("=")
        if parameter not in known:
            raise no_such(f"strategy {name}: parameter", parameter, known)
        if parameter in given:
            raise BadInput(f"strategy {name}: {parameter} is given twice")
        if (
            not (text.isascii() and text.isdigit() and len(text) <= len(str(_LARGEST)))
            or not 1 <= int(text) <= _LARGEST
        ):
            raise bad_value(f"strategy {name}: {parameter}={text}", f"a whole number from 1 to {_LARGEST}")
        given[parameter] = int(text)
    return factory(**given)


def parameters_of(name: str) -> dict[str, int]:
    """The parameters of a strategy with their defaults."""
    signature = inspect.signature(STRATEGIES[name]).parameters
    return {parameter.name: parameter.default for parameter in signature.values()}


def describe_strategies() -> list[tuple[str, str]]:
    """(name, what it does) of each strategy."""
    return [(name, (inspect.getdoc(factory) or "").partition("\n")[0]) for name, factory in STRATEGIES.items()]


__all__ = [
    "STRATEGIES",
    "Decisions",
    "Random",
    "Record",
    "Replay",
    "describe_strategies",
    "make_strategy",
    "parameters_of",
]
