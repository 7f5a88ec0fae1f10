"""A check as plain data, stable enough for another program to read."""

from __future__ import annotations

from typing import Any

from .checking import Checked, State
from .findings import Finding
from .text import differing, entry_of, not_covered, verdict_of


def document_of(checked: Checked) -> dict[str, Any]:
    """All of it, ready for `json.dumps`."""
    cells, kept = checked.check.cells, checked.shortest
    return {
        "scenario": checked.scenario.name,
        "verdict": "no" if checked.findings else "nothing found" if checked.seen_to_its_end else "cut short",
        "versions": list(cells.versions),
        "builds": list(cells.builds),
        "schedules": checked.schedules,
        "table": {
            version: {build: str(entry_of(checked, version, build)) for build in cells.builds}
            for version in cells.versions
        },
        "findings": [_finding(checked, finding) for finding in checked.findings],
        "differs": differing(checked),
        "not_covered": not_covered(checked),
        "cells": [_cell(state) for state in checked.states.values()],
        "shortest": kept.schedule.to_json() if kept is not None else None,
    }


def _finding(checked: Checked, finding: Finding) -> dict[str, Any]:
    shown, plainest = finding.shown, finding.plainest
    return {
        "kind": shown.signature.kind,
        "place": shown.signature.place,
        "line": shown.signature.line,
        "title": shown.title,
        "text": shown.text,
        "verdict": f"NO {verdict_of(checked, finding)}",
        "known": list(finding.known),
        "kernel": plainest.cell.version,
        "settings": dict(plainest.cell.settings),
        "strategy": plainest.strategy,
        "seed": plainest.seed,
        "in_order_of_time": plainest.in_order_of_time,
    }


def _cell(state: State) -> dict[str, Any]:
    cell, found = state.cell, state.found
    return {
        "kernel": cell.version,
        "build": cell.build,
        "caches": cell.caches.value,
        "bystanders": cell.contended,
        "settings": dict(cell.settings),
        "schedules": state.tried,
        "cut_short": state.cut,
        "expected": sorted(state.met),
        "absent": state.absent or None,
        "found": found.found.signature.kind if found is not None and found.found is not None else None,
        "strategy": found.strategy if found is not None else None,
        "seed": found.seed if found is not None else None,
    }
