"""Boards made up for the tests: what is said of a design must follow from these."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from rcuactors.compare.board import Board, Card, Cost
from rcuactors.compare.designs import DesignRef
from rcuactors.compare.kernels import find_kernels, to_measure
from rcuactors.compare.tasks import Plan
from rcuactors.compare.verdict import Verdict

MakeBoard = Callable[..., Board]


@pytest.fixture
def make_board() -> MakeBoard:
    """From the verdicts and costs of each design: those of `prove` and `trickle` on `plain`, unless told otherwise."""

    def make(
        verdicts: Mapping[str, Mapping[str, Verdict]], costs: Mapping[str, Cost] | None = None, *, done: int = 1
    ) -> Board:
        kernels = find_kernels(["prove"], {})
        plan = Plan(
            designs=tuple(DesignRef(name, f"about {name}") for name in verdicts),
            kernels=kernels,
            measured=to_measure(kernels, {}),
        )
        cards = tuple(
            Card(
                design=name,
                about=f"about {name}",
                verdicts={("prove", context): verdict for context, verdict in row.items()},
                costs={("prove", "trickle"): costs[name]} if costs else {},
            )
            for name, row in verdicts.items()
        )
        return Board(plan=plan, cards=cards, done=done, wanted=1)

    return make
