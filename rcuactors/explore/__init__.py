"""Strategies by name: who answers the choice points of a run."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Final

from ..engine.choice import Strategy, Timed
from ..spelling import no_such
from .random import Random

STRATEGIES: Final[dict[str, Callable[[], Strategy]]] = {Timed.name: Timed, Random.name: Random}


def make_strategy(name: str) -> Strategy:
    """Make a new strategy of that name. Raises BadInput."""
    if name not in STRATEGIES:
        raise no_such("strategy", name, STRATEGIES)
    return STRATEGIES[name]()


def describe_strategies() -> list[tuple[str, str]]:
    """(name, what it does) of each strategy."""
    return [(name, (inspect.getdoc(factory) or "").partition("\n")[0]) for name, factory in STRATEGIES.items()]


__all__ = ["STRATEGIES", "Random", "describe_strategies", "make_strategy"]
