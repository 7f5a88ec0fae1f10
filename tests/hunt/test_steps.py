"""A schedule step by step (rcuactors/hunt/steps.py), and walking through it (cli/stepping.py)."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from rcuactors.cli.stepping import walk_through
from rcuactors.hunt.keep import Kept, keep, shrink
from rcuactors.hunt.plan import plan_of
from rcuactors.hunt.progress import Progress
from rcuactors.hunt.search import explore
from rcuactors.hunt.steps import Step, steps_of
from rcuactors.runs.spec import RunSpec
from rcuactors.userfiles import load_scenario


@pytest.fixture(scope="module")
def kept() -> Kept:
    plan = plan_of(RunSpec.of(load_scenario("stale_batch"), kernel="v5.11"), ("holds",))
    trial = next(trial for trial in explore(plan, Progress(), schedules=400) if trial.shown)
    return shrink(keep(plan.attempt, trial, trial.shown[0].signature))


@pytest.fixture(scope="module")
def steps(kept: Kept) -> list[Step]:
    return steps_of(kept)


def test_each_decision_is_a_step_and_so_is_the_end(kept: Kept, steps: list[Step]) -> None:
    decisions = kept.schedule.decisions
    assert len(steps) == decisions.choices + 1
    assert [step.number for step in steps] == list(range(1, len(steps) + 1))
    assert [step.number for step in steps if step.departs] == [taken.number for taken in decisions.taken]
    assert all("is held up for" in step.what for step in steps if step.departs)
    assert steps[-1].what == f"the end: {kept.schedule.shown.signature}"
    assert [step.time_ns for step in steps if step.cpu == 0] == sorted(step.time_ns for step in steps if step.cpu == 0)


def test_no_event_is_lost_and_krcps_change(kept: Kept, steps: list[Step]) -> None:
    events = [event for step in steps for event in step.events]
    assert any("BUG: use-after-free" in event for event in events)
    assert sum("kvfree_call_rcu:" in event for event in events) > 2
    queued = {krcp for step in steps for krcp in step.krcps if krcp.startswith("CPU 0:")}
    assert any("krw0=[s1 v1 h0]" in krcp for krcp in queued), "the batch that waits has taken another channel's object"
    assert "CPU 0: count=0 head=0 slab=0/0pg vmal=0/0pg" in steps[-1].krcps[0]


def walked(
    steps: list[Step], commands: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> list[str]:
    """What each command shows first of its step, or says."""
    monkeypatch.setattr("sys.stdin", io.StringIO(commands))
    walk_through(steps)
    out = capsys.readouterr().out.splitlines()
    return [line.partition(" at ")[0] for line in out if not line.startswith("  ")][1:]


def test_one_walks_forwards_and_back(
    steps: list[Step], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    last = len(steps)
    first, second = (step.number for step in steps if step.departs)
    commands = f"\nn 3\nb 2\nb\nd\nd\nd\nD\ng {last}\nn\ng 0\ne\nq\nn\n"
    numbers = [1, 2, 5, 3, 2, first, second, None, first, last, None, None, last]
    said = walked(steps, commands, monkeypatch, capsys)
    wanted = [f"step {n:,} of {last:,}," if n else "" for n in numbers]
    wanted[7] = "no departure from here"
    wanted[10] = f"there is no step {last + 1:,}; steps are 1 to {last:,}"
    wanted[11] = f"there is no step 0; steps are 1 to {last:,}"
    assert said == wanted


def test_one_looks_for_what_happened(
    steps: list[Step], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there = [step.number for step in steps[1:] if any("kfree_rcu_monitor" in event for event in step.events)]
    said = walked(steps, "/\n/kfree_rcu_monitor\n/\n/no such thing\nzz\nh\n", monkeypatch, capsys)
    assert said[1] == "/ needs a text, such as /kfree_rcu_work"
    assert [line.split()[1] for line in said[2:4]] == [f"{number:,}" for number in there[:2]]
    assert said[4] == "no step before which 'no such thing' came from here"
    assert said[5] == "zz: no such command; there are:"
    assert sum(line.startswith("q  ") for line in said) == 2


def test_the_command(kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from rcuactors.cli import cli

    file = tmp_path / "schedule.json"
    file.write_text(kept.schedule.text())
    done = CliRunner().invoke(cli, ["replay-schedule", str(file), "--step"], input="d\n")
    assert done.exit_code == 1
    assert "<-- departs" in done.stdout
    assert CliRunner().invoke(cli, ["replay-schedule", str(file), "--step", "--json"]).exit_code == 2
