"""A board read again from the document that `rcuactors compare --json` prints: what was compared need not be run again.

Summary and reasons are not read: they follow from verdicts and figures, and what the document says of them has to be
the same. So one of another version, or one that somebody has changed, is not shown as if it were one of ours.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import attrs

from ..errors import BadInput
from .board import Board, Card, Cost
from .contexts import CONTEXTS
from .costs import FIGURES, Spread
from .designs import DesignRef
from .documents import document_of
from .kernels import ComparedKernel
from .tasks import Plan
from .verdict import Verdict

_DIFFERS: Final = "says something else than follows from its figures: of another version, or changed by hand"


@attrs.frozen(kw_only=True)
class _ReadPlan(Plan):
    """A plan whose scenarios are known by their names alone: their files may be elsewhere, or gone."""

    @property
    def subjects(self) -> tuple[str, ...]:
        """The columns of the verdict table."""
        return self.scenarios or tuple(CONTEXTS)


def board_of(document: Mapping[str, Any], name: str) -> Board:
    """The board that a document was made from. Raises BadInput, of the file `name`, for one that is none of ours."""
    try:
        board = _board(document)
        again = json.loads(json.dumps(document_of(board)))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        if isinstance(error, BadInput):
            raise BadInput(f"{name}: {error}") from None
        what = f"has no {error}" if isinstance(error, KeyError) else str(error)
        raise BadInput(f"{name}: is no whole document of `rcuactors compare --json`: {what}") from None
    if again != {key: value for key, value in document.items() if key != "error"}:
        raise BadInput(f"{name}: {_DIFFERS}; run `rcuactors compare --json` anew")
    return board


def _board(document: Mapping[str, Any]) -> Board:
    kernels = tuple(_kernel(kernel) for kernel in document["kernels"])
    cards = tuple(_card(design) for design in document["designs"])
    costed = {kernel for card in cards for kernel, _ in card.costs}
    plan = _ReadPlan(
        designs=tuple(DesignRef(card.design, card.about, version=card.version) for card in cards),
        kernels=kernels,
        measured=tuple(kernel for kernel in kernels if kernel.name in costed),
        scenarios=tuple(document["scenarios"]),
        settings=dict(document["settings"]),
        strategy=document["strategy"],
        seeds=tuple(document["seeds"]),
    )
    return Board(plan=plan, cards=cards, done=document["runs_done"], wanted=document["runs_wanted"])


def _kernel(kernel: Mapping[str, Any]) -> ComparedKernel:
    """Its build is the last part of its name (`find_kernels`)."""
    name = kernel["name"]
    return ComparedKernel(name, kernel["version"], name.rpartition(":")[2], dict(kernel["config"]))


def _card(design: Mapping[str, Any]) -> Card:
    return Card(
        design=design["name"],
        about=design["about"],
        version=design["version"],
        verdicts={(each["kernel"], each["subject"]): _verdict(each) for each in design["verdicts"]},
        costs={(each["kernel"], each["subject"]): _cost(each) for each in design["costs"]},
    )


def _verdict(cell: Mapping[str, Any]) -> Verdict:
    fields = {field.name: cell[field.name] for field in attrs.fields(Verdict)}
    return Verdict(**{**fields, "failing": tuple(cell["failing"])})


def _cost(cost: Mapping[str, Any]) -> Cost:
    return Cost(
        figures={name: Spread(**cost["figures"][name]) for name in FIGURES},
        outcome=cost["outcome"],
        failed=cost["failed"],
        seeds=cost["seeds"],
        failing=tuple(cost["failing"]),
    )
