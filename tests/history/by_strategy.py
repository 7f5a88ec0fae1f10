"""Which strategy finds which bug in `churn`, and how soon: `python tests/history/by_strategy.py [LABEL..]`.

Every case of `cases.py` in `churn` is sought by each strategy by itself: by those that draw in two searches with
seeds of their own, by those that go through schedules in one, since another would be the same. A search ends with the
bug, or at its bound of schedules or of CPU seconds. Where a case has a strategy with parameters, it is used with these.

Raw figures are kept in `by_strategy.json`, after each search, and what is there is not made again; so it can be ended
and begun again. `--seconds` of CPU time are used at most; a LABEL, or the beginning of some, says which are sought;
`--anew` forgets them first, as whoever changes the scenario has to. docs/history.md has the table of it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from rcuactors.explore import SEARCHES
from rcuactors.hunt.plan import plan_of
from rcuactors.hunt.progress import Progress
from rcuactors.hunt.search import explore
from tests.history.cases import CASES, HERE, Case, Row
from tests.history.find import APART
from tests.history.neighbours import neighbours

FIGURES: Final = HERE / "by_strategy.json"

SCENARIO: Final = "churn"
STRATEGIES: Final = ("holds", "random", "pct", "walk", "delays", "dfs")
SEARCHED: Final = 2
"""Searches by a strategy that draws."""

MOST: Final = 60
SECONDS: Final = 8.0
"""Bounds of one search."""

Search = tuple[int, float, bool]
"""(schedules, CPU seconds, whether the bug was shown)"""

Figures = dict[str, dict[str, list[Search]]]


def sought(cases: Iterable[Case] = CASES) -> list[Case]:
    """The cases that this is about."""
    return [case for case in cases if case.scenario == SCENARIO]


def as_sought(case: Case, name: str) -> str:
    """The strategy as the case has it, if it has it with parameters."""
    return next((one for one in case.strategies if one.partition(":")[0] == name), name)


def searches_by(name: str) -> int:
    """How many searches that strategy makes of each case."""
    return 1 if name in SEARCHES else SEARCHED


def search(case: Case, name: str, number: int) -> Search:
    """One of them."""
    plan = plan_of(case.spec(), (as_sought(case, name),), seed=number * APART, sought=case.sought)
    began, tried, found = time.process_time(), 0, False
    for trial in explore(plan, Progress(), schedules=MOST):
        tried += 1
        found = any(case.is_it(shown) for shown in trial.shown)
        if found or time.process_time() - began >= SECONDS:
            break
    return tried, round(time.process_time() - began, 2), found


def figures() -> Figures:
    """What was measured, by label and strategy."""
    return dict(json.loads(FIGURES.read_text())) if FIGURES.exists() else {}


def _keep(label: str, row: dict[str, list[Search]]) -> None:
    """Beside what is there; of cases that are no more, nothing."""
    labels = [case.label for case in sought()]
    known = {label: row for label, row in figures().items() if label in labels} | {label: row}
    FIGURES.write_text(json.dumps(known, sort_keys=True).replace('}, "', '},\n"') + "\n")


def measure(seconds: float, wanted: tuple[str, ...], *, anew: bool) -> None:
    """Search, as long as there is time."""
    for case in (case for case in sought() if case.label.startswith(wanted)):
        row: dict[str, list[Search]] = {} if anew else figures().get(case.label, {})
        for name in STRATEGIES:
            made = row.setdefault(name, [])
            for number in range(len(made), searches_by(name)):
                if time.process_time() > seconds:
                    return
                made.append(search(case, name, number))
                _keep(case.label, row)
        print(case.label, row, flush=True)


def is_found(row: dict[str, list[Search]]) -> bool:
    """By any strategy, and not only in order of time."""
    return any(found for made in row.values() for _, _, found in made)


def rows() -> list[Row]:
    """The table of docs/history.md."""
    known = figures()
    return [
        (f"`{case.bug}`", case.kernel, _with(case), *(_cell(known[case.label].get(name, [])) for name in STRATEGIES))
        for case in sought()
        if case.label in known
    ]


def _with(case: Case) -> str:
    """Its settings, and its strategies' parameters."""
    words = [f"`{name}={text}`" for name, text in case.settings]
    return " ".join([*words, *(f"`{one}`" for one in case.strategies if ":" in one)]) or "-"


def _cell(made: list[Search]) -> str:
    hits = sum(found for _, _, found in made)
    if not hits:
        return "no" if made else "not tried"
    schedules, seconds = (statistics.median(one[which] for one in made) for which in (0, 1))
    often = f"{hits} of {len(made)}: " if len(made) > 1 else ""
    return f"{often}{schedules:,.0f} ({seconds:.1f} s)"


def main() -> None:
    """What the command does."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--anew", action="store_true")
    parser.add_argument("labels", nargs="*")
    given = parser.parse_args()
    with neighbours():
        measure(given.seconds, tuple(given.labels) or ("",), anew=given.anew)


if __name__ == "__main__":
    main()
