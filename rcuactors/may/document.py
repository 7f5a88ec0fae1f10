"""An answer as plain data, in a form that other programs can rely on: docs/may-i.md describes it."""

from __future__ import annotations

from typing import Any, Final

import attrs

from .answer import Answer, Case, Cell, Verdict
from .places import Place, shown_name
from .reasons import advice_of
from .recorded import evidence_for, recorded_for
from .trial import Finding

FORMAT: Final = 1
"""Goes up when a key changes its meaning, or goes."""

UNFINISHED: Final = "unfinished"
"""Nobody knows what the cells that were not reached would have said."""


def answer_document(answer: Answer) -> dict[str, Any]:
    """All of it."""
    asked = answer.asked
    places = list(dict.fromkeys(cell.place for cell in answer.cells))
    return {
        "format": FORMAT,
        "operation": str(asked),
        "form": asked.form.prototype,
        "about": asked.form.about,
        "answer": UNFINISHED if answer.unreached else answer.verdict.value,
        "unreached": answer.unreached,
        "legal_in": [list(place.names) for place in answer.whole_places if _all_yes(answer, place.names)],
        "cells": [_cell(answer, cell) for cell in answer.cells],
        "recorded": [each for place in places for each in _recorded(answer, place)],
        "instead": [attrs.asdict(advice) for advice in advice_of(answer)],
    }


def _recorded(answer: Answer, place: Place) -> list[dict[str, Any]]:
    """What real kernels said; `context` is the one that they were asked in."""
    cells, context = recorded_for(answer.asked, place)
    return [
        {
            "asked_in": list(place.names),
            "context": shown_name(context),
            "release": cell.by.release,
            "kernel": cell.kernel,
            "about": cell.by.about,
            "op": cell.op,
            "variant": cell.variant,
            "said": cell.said,
            "lock": cell.lock,
        }
        for cell in cells
    ]


def _all_yes(answer: Answer, names: tuple[str, ...]) -> bool:
    verdicts = {cell.verdict for cell in answer.cells if cell.place.names == names} - {Verdict.NOT_MODELLED}
    return verdicts == {Verdict.YES}


def _cell(answer: Answer, cell: Cell) -> dict[str, Any]:
    return {
        "context": list(cell.place.names),
        "where": cell.place.words,
        "version": cell.kernel.version,
        "build": cell.kernel.build,
        "rt": cell.kernel.rt,
        "answer": cell.verdict.value,
        "silence": cell.silence.value if cell.wrong else "",
        "lacking": cell.lacking,
        "not_modelled": cell.missing,
        "evidence": evidence_for(answer.asked, cell.place, cell.kernel).value,
        "conditions": [_case(case) for case in cell.cases],
    }


def _case(case: Case) -> dict[str, Any]:
    return {
        "condition": case.condition.name,
        "when": case.condition.when,
        "answer": (Verdict.NO if case.wrong else Verdict.YES).value,
        "told": case.told,
        "unreported": case.unreported,
        "report": _report(case.own) if case.told else None,
        "with_every_check": _report(case.checked) if not case.checked.clean else None,
    }


def _report(finding: Finding) -> dict[str, Any]:
    return {
        "kind": finding.kind,
        "title": finding.title,
        "lock": finding.lock,
        "chain": list(finding.chain),
        "entering": finding.entering,
        "text": finding.text,
    }
