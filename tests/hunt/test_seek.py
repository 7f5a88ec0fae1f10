"""Waste that is sought (hunt/finding.py): no violation, but a schedule may be what makes it come."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rcuactors import load_scenario
from rcuactors.hunt.finding import WASTE
from rcuactors.hunt.keep import keep, keyed, shrink
from rcuactors.hunt.plan import plan_of
from rcuactors.hunt.schedule import read_schedule
from rcuactors.hunt.search import Progress, explore
from rcuactors.runs import RunOptions
from rcuactors.runs.spec import RunSpec
from tests.cli.conftest import call_cli

NAME = "counts_too_low"
BUSY = {"rounds": "4", "pause_us": "9000"}
SPEC = RunSpec.of(load_scenario("stale_batch"), RunOptions(kernel="v5.11", settings=BUSY))


def test_it_is_found_by_who_seeks_it_only_cut_down_and_run_again() -> None:
    """4c33464ae85e: both batches wait, and a channel moves that has room in one of them."""
    plan = plan_of(SPEC, ("holds",), sought=(NAME,))
    trials = explore(plan, Progress(), schedules=60)
    trial = next(trial for trial in trials if any(one.signature.kind == WASTE for one in trial.shown))
    assert trial.number
    other = plan_of(SPEC, ("holds",), sought=("pages_for_another_cpu",))
    for plain in (plan_of(SPEC, ("holds",)), other):
        assert not any(again.shown for again in explore(plain, Progress(), schedules=trial.number + 1))
    kept = shrink(keep(plan.attempt, trial, trial.shown[0].signature))
    assert kept.schedule.minimal
    assert 0 < len(kept.departures) < 4
    assert str(kept.schedule.shown.signature) == f"waste, {NAME}"


def test_on_the_command_line(tmp_path: Path) -> None:
    words = ["explore", "stale_batch", "--kernel", "v5.11", "--strategy", "holds", "--jobs", "1", "--schedules", "60"]
    words += [word for name, text in BUSY.items() for word in ("--set", f"{name}={text}")]
    found = call_cli(*words, "--seek", f"pages_refused,{NAME}", "--out", str(tmp_path))
    assert found.exit_code == 1
    assert f"found             waste, {NAME}: schedule " in found.stdout
    (path,) = tmp_path.iterdir()
    assert keyed(read_schedule(str(path))).departures
    again = call_cli("replay-schedule", str(path))
    assert again.exit_code == 1
    assert f"events as they were; shows waste, {NAME}" in again.stdout


def test_all_of_it_each_by_itself() -> None:
    """None of it is a consequence of another, as reports behind the first may be."""
    words = ["explore", "destroy_under_reclaim", "--kernel", "v6.1-stable", "--set", "rcu_min_cached_objs=0"]
    words += ["--set", "devices=1", "--schedules", "6", "--jobs", "1", "--keep-going", "--json"]
    found = json.loads(call_cli(*words, "--seek", "waste").stdout)["found"]
    assert {one["place"] for one in found} >= {"refills_for_nothing", "monitor_runs_for_nothing", "no_caches_emptied"}
    assert all(one["kind"] == WASTE and not one["departures"] for one in found)
    assert call_cli(*words).exit_code == 0


@pytest.mark.parametrize("sought", ["", "wast", f"{NAME},", "waste,pages_refused"])
def test_what_is_no_waste_is_refused(sought: str) -> None:
    result = call_cli("explore", "stale_batch", "--seek", sought)
    assert result.exit_code == 2
    assert result.stderr.startswith("rcuactors: --seek ")
    assert len(result.stderr.splitlines()) == 1
