"""What becomes of each kind of THING: panels, story, notes."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest

from rcuactors import Run, RunOptions
from rcuactors.cli.reporting import write_report
from rcuactors.engine.events import TextSink
from rcuactors.errors import BadInput
from rcuactors.hunt.keep import Kept, keep, shrink
from rcuactors.hunt.nearest import nearest
from rcuactors.hunt.plan import plan_of
from rcuactors.hunt.progress import Progress
from rcuactors.hunt.search import explore
from rcuactors.page import Report
from rcuactors.picture import Asked, finding_report, made
from rcuactors.runs.spec import RunSpec
from rcuactors.timeline import MarkKind, Stage
from rcuactors.userfiles import load_scenario

HERE = Path(__file__).resolve().parent
TRACE = HERE.parent / "data" / "timeline" / "trace.txt"
RECORDING = HERE.parent / "data" / "recordings" / "kvfree-6.12" / "c_mixed_2_min5.txt.gz"

SCENARIO = """
from rcuactors import Kernel, scenario

@scenario()
async def one(k: Kernel, objects: int = 2) -> None:
    for _ in range(objects):
        await k.kvfree_rcu(await k.kmalloc(64), "rcu")

@scenario()
async def leaks(k: Kernel) -> None:
    await k.kmalloc(64)

@scenario()
async def raises(k: Kernel) -> None:
    await k.kvfree_rcu(await k.kmalloc(64), "rcu")
    assert False, "no"
"""


@pytest.fixture(scope="module")
def kept() -> Kept:
    plan = plan_of(RunSpec.of(load_scenario("stale_batch"), kernel="v5.11"), ("holds",))
    trial = next(trial for trial in explore(plan, Progress(), schedules=400) if trial.shown)
    return shrink(keep(plan.attempt, trial, trial.shown[0].signature))


@pytest.fixture(scope="module")
def found(kept: Kept) -> Report:
    return finding_report(kept)


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "mine.py"
    path.write_text(SCENARIO)
    return str(path)


def options_for(**words: Any) -> Callable[[int, Collection[str], str], RunOptions]:
    return lambda _number, _parameters, _of: RunOptions(**words)


def drawn(*names: str, version: str = "", designs: tuple[str, ...] = (), **words: Any) -> Any:
    return made(
        Asked(
            names=names,
            options_for=options_for(**words),
            command_of=lambda name, options: f"run {name} {options.kernel}",
            version=version,
            designs=designs,
        )
    )


COMPARISON = {
    "strategy": "timed",
    "seeds": [0],
    "settings": {},
    "scenarios": [],
    "kernels": [],
    "summary": {"mainline": ["hrtimer-work"], "sentences": ["Take hrtimer-work."]},
    "designs": [
        {
            "name": name,
            "version": "",
            "reason": f"why {name}",
            "costs": [{"kernel": "plain", "subject": "raw_bursts", "outcome": outcome}],
        }
        for name, outcome in (("hrtimer-work", "clean"), ("reserve", "clean"))
    ],
}


def test_a_scenario_is_its_run(file: str) -> None:
    page = drawn(f"{file}::one", kernel="v5.9")
    (panel,) = page.report.panels
    assert panel.title.startswith("one on v5.9, design skip-on-rt, objects=2")
    assert [life.stage for life in panel.sketch.lives].count(Stage.FREED) == 2
    assert not page.reported
    assert dict(page.report.facts)["verdict"].startswith("clean (one schedule, in order of time; off: PROVE_RAW_LOCK")
    assert dict(page.report.facts)["again"] == f"run {file}::one v5.9"
    assert any(note.startswith("3 CPUs that nothing has touched: 1") or "CPU that" in note for note in panel.notes)


def test_what_a_run_reports_and_what_ends_it_is_told(file: str) -> None:
    page = drawn(f"{file}::leaks")
    assert page.reported
    assert [told.kind for told in page.report.panels[0].sketch.reports] == ["leak"]
    page = drawn(f"{file}::raises")
    assert str(page.raised).startswith("scenario raises raised AssertionError: no (mine.py:")
    assert any("it raised AssertionError" in note for note in page.report.panels[0].notes)


def test_what_raised_is_not_called_clean(file: str) -> None:
    page = drawn(f"{file}::raises")
    assert dict(page.report.facts)["verdict"].startswith("clean so far, ended by ")


def test_reports_in_a_file_of_events_are_marked(file: str, tmp_path: Path) -> None:
    """Such a page had no mark, and the command said 0."""
    events = tmp_path / "events.txt"
    with events.open("w") as out:
        Run(load_scenario(f"{file}::leaks"), RunOptions(sinks=(TextSink(out),))).run()
    page = drawn(str(events))
    (panel,) = page.report.panels
    (told,) = panel.sketch.reports
    assert page.reported
    assert told.title.startswith("BUG: leak: ")
    assert "more of a report than its first line" in panel.notes


def test_two_things_stand_side_by_side(file: str) -> None:
    page = drawn(f"{file}::one", f"{file}::leaks")
    assert [panel.title.partition(" on ")[0] for panel in page.report.panels] == ["one", "leaks"]
    assert page.reported
    assert {name.partition(":")[0] for name, _ in page.report.facts} == {"A", "B"}


def test_a_trace_is_drawn_and_begins_with_its_first_line() -> None:
    page = drawn(str(TRACE))
    (panel,) = page.report.panels
    assert min(mark.time_ns for mark in panel.sketch.marks) == 0
    assert dict(page.report.facts)["begins"] == "at 1.000000 s of the kernel's clock, here 0"
    assert panel.notes


def test_a_recording_and_its_run_have_one_axis() -> None:
    page = drawn(str(RECORDING))
    recorded, modelled = page.report.panels
    assert modelled.title == "the model's run of it, v6.12"
    assert not page.report.looks_for_difference

    def first_call(at: int) -> int:
        lives = page.report.panels[at].sketch.lives
        return min(life.time_ns for life in lives if life.stage is Stage.RETIRED)

    assert abs(first_call(0) - first_call(1)) < 20_000
    assert any("sched_switch" in note for note in recorded.notes)
    assert drawn(str(RECORDING), version="v5.11").report.panels[1].title == "the model's run of it, v5.11"


def test_a_finding_stands_beside_the_nearest_that_passes(kept: Kept, found: Report) -> None:
    finding, passing = found.panels
    assert finding.sketch.reports[0].kind == "use-after-free"
    assert not passing.sketch.reports
    departs = [mark for mark in finding.sketch.marks if mark.kind is MarkKind.DEPARTURE]
    assert len(departs) == len(kept.departures)
    assert len([mark for mark in passing.sketch.marks if mark.kind is MarkKind.DEPARTURE]) == len(departs) - 1


def test_each_step_of_the_story_says_why_it_came_there(kept: Kept, found: Report) -> None:
    assert found.story is not None
    *steps, last = found.story.steps
    assert [step.time_ns for step in steps] == [one.at_ns for one in kept.departures]
    assert all(step.why.startswith("Left out, nothing is shown; ") for step in steps)
    assert all("a decision later, " in step.why for step in steps)
    assert last.text == kept.schedule.shown.title
    assert "HELD UP for" in found.story.text


def test_a_finding_is_text_or_a_page_by_the_name_of_its_file(tmp_path: Path, kept: Kept) -> None:
    for name, begins in (("found.txt", "what happens:"), ("found.html", "<!DOCTYPE html>")):
        write_report(str(tmp_path / name), kept)
        assert (tmp_path / name).read_text().startswith(begins)


def test_the_reasons_are_tried(kept: Kept) -> None:
    """A departure that is put in for nothing is one that can be left out: that is said of it."""
    extra = kept.departures[0].__class__("hold up", kept.departures[0].whose, 10_000, "", 1_000_000)
    tried = nearest(Kept(attempt=kept.attempt, schedule=kept.schedule, departures=(*kept.departures, extra)))
    assert tried.whys[-1].reason.startswith("Left out, the same is shown")
    assert tried.without == kept.departures[-1]


def test_a_comparison_is_two_of_its_designs(tmp_path: Path) -> None:
    path = tmp_path / "compared.json"
    path.write_text(json.dumps(COMPARISON))
    page = drawn(str(path), designs=("hrtimer-work", "reserve"))
    assert page.report.title == "hrtimer-work and reserve, compared: raw_bursts on plain"
    assert [panel.title.partition(",")[0] for panel in page.report.panels] == ["hrtimer-work", "reserve"]
    assert ("the comparison says", "Take hrtimer-work.") in page.report.facts
    with pytest.raises(BadInput, match="a comparison is two runs already"):
        drawn(str(path), str(TRACE))


@pytest.mark.parametrize(
    ("change", "designs", "wrong"),
    [
        ({}, ("hrtimer-work", "nobodys"), "design nobodys: is none of its designs"),
        ({}, (), "is no whole document"),
        ({"designs": [{"name": "x"}]}, ("x", "y"), "is no whole comparison"),
        ({"summary": None}, ("hrtimer-work", "reserve"), "is no whole comparison"),
    ],
)
def test_a_document_that_is_no_whole_comparison_is_told(
    tmp_path: Path, change: dict[str, Any], designs: tuple[str, ...], wrong: str
) -> None:
    path = tmp_path / "compared.json"
    path.write_text(json.dumps({**COMPARISON, **change}))
    with pytest.raises(BadInput, match=wrong):
        drawn(str(path), designs=designs)
