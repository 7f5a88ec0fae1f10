"""Choice points and strategies: the only place where two runs of the same scenario can differ.

A choice point has a kind and a few options in a stable order. A strategy answers choice points and nothing else, by
three methods. Strategies that obey time are asked only when several actors stand at the same nanosecond; the others
are asked who goes next at every point.
"""

from __future__ import annotations

import enum
import random
from typing import Protocol

import attrs


class ChoiceKind(enum.Enum):
    """What is being decided."""

    NEXT_ACTOR = "next actor"
    ALLOCATION_FAILS = "allocation fails"
    SELECT_CPU = "which CPU a thread wakes on"
    PULL = "another CPU pulls a preempted thread"


@attrs.frozen
class ChoicePoint:
    """One decision.

    `weights` is how likely each option is in nature, for strategies that care; options are named in a stable order.
    """

    kind: ChoiceKind
    options: tuple[str, ...]
    weights: tuple[int, ...]


class Strategy(Protocol):
    """Who answers choice points. `obeys_time` limits "who goes next" to the actors with the smallest clock."""

    name: str
    obeys_time: bool

    def start_run(self, seed: int) -> None:
        """A run begins; the same seed must lead to the same answers."""

    def choose(self, point: ChoicePoint) -> int:
        """Answer with the index of an option."""
        ...

    def end_run(self) -> None:
        """The run is over."""


def weighted_index(rng: random.Random, weights: tuple[int, ...]) -> int:
    """Draw an index with the given integer weights; the same on every Python version, since only `random()` is used."""
    mark = int(rng.random() * sum(weights))
    for index, weight in enumerate(weights):
        mark -= weight
        if mark < 0:
            return index
    return len(weights) - 1


class SeededDraw:
    """What strategies that draw by nature's weights have in common; the same seed draws the same."""

    def __init__(self) -> None:
        self._rng = random.Random(0)

    def start_run(self, seed: int) -> None:
        """Seed the draws."""
        self._rng = random.Random(seed)

    def choose(self, point: ChoicePoint) -> int:
        """Draw by weight."""
        return weighted_index(self._rng, point.weights)

    def end_run(self) -> None:
        """Nothing to put away."""


class Timed(SeededDraw):
    """The default: a discrete-event simulation.

    The smallest clock goes first, ties and injected failures fall to a seeded draw.
    """

    name = "timed"
    obeys_time = True
