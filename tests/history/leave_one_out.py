"""The default strategies on bugs on which they were not tuned: `python tests/history/leave_one_out.py [LABEL..]`.

The parameters of `holds` come from a small grid. Each set of them tries the same few schedules of every case of
`cases.py` that is sought by `holds`, and what share of these shows the bug is noted (`tried`). For each bug the set is
chosen that is best on the *other* bugs: the largest product of the shares, each bug's being that of its cases; of equal
ones the first in the grid. The bug itself has no part in that.

With the chosen set in the place of `holds`, the strategies of the default take turns then, as in an exploration, until
a schedule shows the bug: twenty searches of each case, each with seeds of its own (`searches`).

Raw figures are kept in `leave_one_out.json`, after each step, and what is there is not made again; so it can be ended
and begun again. `--seconds` of CPU time are used at most; a LABEL, or the beginning of some, says which are sought.
docs/history.md has the table of it.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from rcuactors.hunt.plan import PORTFOLIO, plan_of
from rcuactors.hunt.progress import Progress
from rcuactors.hunt.search import explore
from tests.history.cases import CASES, HERE, Case, Row
from tests.history.find import APART

FIGURES: Final = HERE / "leave_one_out.json"

GRID: Final = tuple(f"holds:d={d},hints={hints}" for d in (3, 2, 4) for hints in (1, 0))
"""The first is what `holds` has where nothing is said."""

TRIED: Final = 96
"""Schedules that each set tries of each case."""

SEARCHES: Final = 20
MOST: Final = 600
"""Schedules of one search."""

SEED: Final = 1_000_000
"""Seeds of the choosing, far from those of the searches."""

Shares = dict[str, dict[str, int]]
Search = tuple[int, float, bool]
"""(schedules, CPU seconds, whether the bug was shown)"""


def sought_by_holds(cases: Iterable[Case] = CASES) -> list[Case]:
    """The cases that this is about: those that are a matter of somebody being held up."""
    return [case for case in cases if case.strategies == ("holds",)]


def share(case: Case, strategy: str) -> int:
    """How many of the schedules that a set tries show the bug."""
    plan = plan_of(case.spec(), (strategy,), seed=SEED)
    trials = explore(plan, Progress(), schedules=TRIED + 1)
    return sum(any(case.is_it(shown) for shown in trial.shown) for trial in trials if trial.number)


def chosen_without(bug: str, tried: Shares, cases: Iterable[Case]) -> str:
    """The set that is best on all bugs but that one."""
    others = [case for case in cases if case.bug != bug]
    bugs = sorted({case.bug for case in others})

    def worth(strategy: str) -> float:
        total = 0.0
        for other in bugs:
            shares = [tried[case.label][strategy] for case in others if case.bug == other]
            # One that has shown nothing is not hopeless: half a schedule.
            total += math.log(max(sum(shares), 0.5) / (len(shares) * TRIED))
        return total

    return max(GRID, key=worth)


def search(case: Case, strategy: str, number: int) -> Search:
    """One search with that set in the place of `holds`, among the strategies of the default."""
    names = tuple(strategy if name == "holds" else name for name in PORTFOLIO)
    plan = plan_of(case.spec(), names, seed=number * APART)
    began, tried, found = time.process_time(), 0, False
    for trial in explore(plan, Progress(), schedules=MOST):
        tried += 1
        if any(case.is_it(shown) for shown in trial.shown):
            found = True
            break
    return tried, round(time.process_time() - began, 2), found


def figures() -> dict[str, Any]:
    """What was measured."""
    return dict(json.loads(FIGURES.read_text())) if FIGURES.exists() else {"tried": {}, "searches": {}}


def _keep(known: dict[str, Any]) -> None:
    FIGURES.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


def measure(seconds: float, wanted: tuple[str, ...]) -> None:
    """Choose, then search, as long as there is time; what is known already is not made again."""
    known, cases = figures(), sought_by_holds()
    for case in cases:
        row = known["tried"].setdefault(case.label, {})
        for strategy in GRID:
            if strategy not in row:
                if time.process_time() > seconds:
                    return
                row[strategy] = share(case, strategy)
                _keep(known)
        print(case.label, row, flush=True)
    for number in range(SEARCHES):
        for case in (case for case in cases if case.label.startswith(wanted)):
            strategy = chosen_without(case.bug, known["tried"], cases)
            made = known["searches"].setdefault(case.label, {}).setdefault(strategy, [])
            if len(made) == number:
                if time.process_time() > seconds:
                    return
                made.append(search(case, strategy, number))
                _keep(known)
                print(case.label, strategy, made[-1], flush=True)


def quantile(values: Sequence[float], part: float) -> float:
    """The least value that so large a part of them does not exceed."""
    return sorted(values)[max(0, math.ceil(part * len(values)) - 1)]


def rows() -> list[Row]:
    """The table of docs/history.md: of the cases that were sought, with the set that is chosen without their bug."""
    known, found = figures(), []
    cases = [case for case in sought_by_holds() if case.label in known["tried"]]
    for case in cases:
        strategy = chosen_without(case.bug, known["tried"], cases)
        searches = known["searches"].get(case.label, {}).get(strategy)
        if not searches:
            continue
        schedules = [float(made[0]) if made[2] else math.inf for made in searches]
        seconds = [made[1] for made in searches]
        found.append(
            (
                f"`{case.bug}`",
                f"`{case.scenario}`",
                case.kernel,
                f"`{strategy}`",
                f"{sum(made[2] for made in searches)} of {len(searches)}",
                f"{_count(quantile(schedules, 0.5))} ({_count(quantile(schedules, 0.95))})",
                f"{quantile(seconds, 0.5):.1f} s ({quantile(seconds, 0.95):.1f} s)",
            )
        )
    return found


def _count(schedules: float) -> str:
    return f"more than {MOST}" if schedules == math.inf else f"{schedules:,.0f}"


def main() -> None:
    """What the command does."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("labels", nargs="*")
    given = parser.parse_args()
    measure(given.seconds, tuple(given.labels) or ("",))


if __name__ == "__main__":
    main()
