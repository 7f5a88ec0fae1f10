"""Runs that are written down: by what they are known, what is seen of them, and that one fails which differs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest

from rcuactors import Kernel, RunOptions, scenario
from rcuactors.engine.choice import Timed
from rcuactors.machine import Machine
from rcuactors.runs.plain import PlainRun
from rcuactors.scenario import Scenario
from tests.outcomes import plugin
from tests.outcomes.plugin import Runs
from tests.outcomes.runs import FOLDER, ROOMS, TESTS, file_of, key_of, outcome_of, recorded
from tests.outcomes.write import read, write


def waits(microseconds: int) -> Scenario:
    @scenario()
    async def script(k: Kernel) -> None:
        await k.udelay(microseconds)
        await k.kvfree_rcu(await k.kmalloc(64), "rcu")

    return script


@scenario()
async def other(k: Kernel) -> None:
    await k.kvfree_rcu(await k.kmalloc(64), "rcu")


def done(script: Scenario, **words: object) -> PlainRun:
    run = PlainRun(script, RunOptions(), **words)
    run.attempt()
    return run


def test_a_run_is_known_by_all_that_it_is_told() -> None:
    runs = [
        PlainRun(waits(1)),
        PlainRun(waits(2)),
        PlainRun(other),
        PlainRun(other, kernel="v5.9"),
        PlainRun(other, seed=1),
        PlainRun(other, strategy="random"),
        PlainRun(other, nr_cpus="2"),
        PlainRun(other, design="direct"),
        PlainRun(other, events=False),
        PlainRun(other, max_steps=1000),
        PlainRun(other, costs={"call_rcu_ns": 7}),
    ]
    keys = [key_of(run) for run in runs]
    assert None not in keys
    assert len(set(keys)) == len(runs)
    assert key_of(PlainRun(waits(1))) == keys[0]


def test_one_in_which_an_object_decides_is_not_known() -> None:
    assert key_of(PlainRun(other, strategy=Timed())) is None


def test_what_is_seen_of_it() -> None:
    first, again, later = done(waits(1)), done(waits(1)), done(waits(2))
    assert outcome_of(first, None) == outcome_of(again, None)
    assert outcome_of(first, None) != outcome_of(first, ValueError())
    seen, figures = zip(outcome_of(first, None).split(), outcome_of(later, None).split(), strict=True)
    assert seen[0] != seen[1]
    assert figures[0] != figures[1]
    again.machine.kvfree.figures.cache_hits += 1
    assert outcome_of(again, None).split()[0] == seen[0]
    assert outcome_of(again, None).split()[1] != figures[0]


def test_a_figure_that_is_new_changes_the_runs_of_which_it_says_something(monkeypatch: pytest.MonkeyPatch) -> None:
    run = done(other)
    figures = run.machine.statistics()
    more: Any = attrs.make_class("More", ["new"], bases=(type(figures),), frozen=True, kw_only=True)
    values = {field.name: getattr(figures, field.name) for field in attrs.fields(type(figures))}
    before = outcome_of(run, None)
    monkeypatch.setattr(Machine, "statistics", lambda _: more(**values, new=0))
    assert outcome_of(run, None) == before
    monkeypatch.setattr(Machine, "statistics", lambda _: more(**values, new=1))
    assert outcome_of(run, None) != before


@pytest.mark.parametrize("changed", [False, True])
def test_a_run_that_differs_is_told(monkeypatch: pytest.MonkeyPatch, changed: bool) -> None:
    first = done(waits(1), kernel="v6.6", nr_cpus="2")
    key = key_of(first)
    assert key is not None
    monkeypatch.setattr(plugin, "recorded", lambda: {key: outcome_of(first, None)})
    runs = Runs(None, test="tests/kvfree/test_it.py::test_it")
    for run in (done(waits(1), kernel="v6.6", nr_cpus="2"), done(waits(3))):
        run.machine.kvfree.figures.cache_hits += changed
        runs.over(run, key_of(run), None)
    assert runs.other() == (["script on v6.6, {'nr_cpus': '2'}"] if changed else [])
    runs.over(first, key, KeyboardInterrupt())
    assert len(runs.made) == 1


def test_what_is_noted_is_written_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs(tmp_path, test="tests/kvfree/test_it.py::test_it")
    run = done(other)
    runs.over(run, key_of(run), None)
    runs.write()
    found = read(tmp_path.glob("*.jsonl"))
    assert found == {"tests/kvfree/test_it.py": {f"{key_of(run)}\t{outcome_of(run, None)}"}}
    monkeypatch.setattr("tests.outcomes.runs.FOLDER", tmp_path / "runs")
    write(found)
    file = file_of("tests/kvfree/test_it.py")
    assert file == tmp_path / "runs" / "kvfree" / "test_it.tsv"
    assert found == {"tests/kvfree/test_it.py": set(file.read_text().splitlines())}
    recorded.cache_clear()
    assert recorded() == {key_of(run): outcome_of(run, None)}
    run.machine.kvfree.figures.cache_hits += 1
    write({"tests/rcu/test_it.py": {f"{key_of(run)}\t{outcome_of(run, None)}"}})
    recorded.cache_clear()
    assert recorded() == {}, "known by the same, and not the same"
    recorded.cache_clear()
    write({"tests/kvfree/test_it.py": set()})
    assert not file.exists()


def test_there_are_some_of_each_room_and_of_no_file_that_is_gone() -> None:
    files = [file.relative_to(FOLDER) for file in FOLDER.rglob("*.tsv")]
    assert {file.parts[0] for file in files} == set(ROOMS)
    assert [file for file in files if not (TESTS / file.with_suffix(".py")).exists()] == []
    assert len(recorded()) > 5000
