"""Seek a bug of `cases.py`, cut the schedule down and keep it: `python tests/history/find.py [--seeds N] LABEL..`.

A label may be the beginning of some; none is all of them. What is found goes to `kept/`, with the median and the most
of schedules and of CPU seconds to `figures.json`. A schedule holds the digest of its scenario and of all events of its
run: whoever changes a scenario, or what the model does, has this run again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import attrs

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from rcuactors.hunt.keep import Kept, keep, shrink
from rcuactors.hunt.plan import plan_of
from rcuactors.hunt.progress import Progress
from rcuactors.hunt.search import explore
from tests.history.cases import CASES, FIGURES, KEPT, Case, figures
from tests.history.neighbours import neighbours

REPLAYS = 1500
"""Runs that cutting one of them down may take."""

APART = 10_000
"""Seeds of one search are that far from those of the next."""


@attrs.frozen
class Sought:
    """One search: the schedule it came to, if it did, after so many schedules and CPU seconds."""

    kept: Kept | None
    schedules: int
    seconds: float


def seek(case: Case, number: int, kernel: str = "", most: int = 0) -> Sought:
    """The search of that number: until the bug is shown first by a schedule."""
    plan = plan_of(case.spec(kernel), case.strategies, seed=number * APART, sought=case.sought)
    began, tried = time.process_time(), 0
    for trial in explore(plan, Progress(), schedules=most or case.most):
        tried += 1
        first = next((shown for shown in trial.shown if case.is_it(shown)), None)
        if first is not None:
            seconds = time.process_time() - began
            return Sought(keep(plan.attempt, trial, first.signature), tried, seconds)
    return Sought(None, tried, time.process_time() - began)


def measure(case: Case, seeds: int) -> None:
    """Seek it so many times, keep a schedule and write the figures."""
    sought = [seek(case, number) for number in range(seeds)]
    found = [one.kept for one in sought if one.kept is not None]
    if not found:
        print(f"{case.label}: not found in {sum(one.schedules for one in sought):,} schedules")
        return
    # The shortest of them.
    kept = min((shrink(one, REPLAYS) for one in found), key=lambda one: (not one.schedule.minimal, len(one.departures)))
    KEPT.mkdir(exist_ok=True)
    case.path.write_text(kept.schedule.text())
    seconds = [one.seconds for one in sought]
    schedules = [one.schedules for one in sought]
    everything = figures()
    everything[case.label] = {
        "hits": len(found),
        "seeds": seeds,
        "schedules": [int(statistics.median(schedules)), max(schedules)],
        "seconds": [round(statistics.median(seconds), 1), round(max(seconds), 1)],
        "departures": len(kept.departures),
    }
    FIGURES.write_text(json.dumps(dict(sorted(everything.items())), indent=1) + "\n")
    print(f"{case.label}: {everything[case.label]}", flush=True)


def main() -> None:
    """What the command does."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labels", nargs="*")
    parser.add_argument("--seeds", type=int, default=6)
    given = parser.parse_args()
    wanted = tuple(given.labels) or ("",)
    chosen = [case for case in CASES if case.label.startswith(wanted)]
    if not chosen:
        parser.error(f"no such label; there are {', '.join(case.label for case in CASES)}")
    with neighbours():
        for case in chosen:
            measure(case, given.seeds)


if __name__ == "__main__":
    main()
