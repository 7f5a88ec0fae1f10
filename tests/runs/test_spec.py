"""A run as a value (rcuactors/runs/spec.py): made, compared, sent, written, read, and run again to the same digest."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest

from rcuactors import BadInput, Kernel, Run, RunOptions, RunSpec, load_scenario, run, scenario
from rcuactors.cli.new_command import design_text
from rcuactors.designs import make_design
from rcuactors.engine.events import ListSink
from rcuactors.explore import Random
from rcuactors.lab.jobs import do_all
from rcuactors.runs.spec import Kind, ScenarioRef
from rcuactors.userfiles import find_scenarios

FILE = '''"""mine: a text."""
from rcuactors import Kernel, scenario, script


@scenario(settings={"nr_cpus": "3"})
async def first(k: Kernel, objects: int = 3) -> None:
    for _ in range(objects):
        await k.kvfree_rcu(await k.kmalloc(64), "rcu")


@scenario()
async def mine(k: Kernel) -> None:
    await first.body(k, 5)


async def plain(k: Kernel) -> None:
    await first.body(k, 7)
'''


async def plain(k: Kernel, objects: int = 2) -> None:
    for _ in range(objects):
        await k.kvfree_rcu(await k.kmalloc(64), "rcu")


@scenario(settings={"HZ": "300"})
async def decorated(k: Kernel) -> None:
    await plain(k)


under_another_name = scenario(settings={"HZ": "1000"})(plain)

OTHER: dict[str, Any] = {
    "kernel": "v5.9",
    "design": "direct",
    "strategy": "random",
    "seed": 5,
    "costs": {"lock_ns": 20},
    "max_steps": 1_000_000,
    "settings": {"HZ": 100, "PREEMPT_RT": True},
}


def of_raw_lock_caller(**words: Any) -> RunSpec:
    return RunSpec.of(load_scenario("raw_lock_caller"), **words)


# -- a value -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [{}, OTHER, {**OTHER, "objects": 3, "events": False}])
def test_it_comes_back_as_it_was(words: dict[str, Any]) -> None:
    spec = of_raw_lock_caller(**words)
    assert RunSpec.from_json(spec.to_json()) == spec
    assert RunSpec.from_json(json.dumps(spec.to_json())) == spec
    assert pickle.loads(pickle.dumps(spec)) == spec  # noqa: S301 - our own
    assert len({spec, of_raw_lock_caller(**words)}) == 1
    assert json.loads(json.dumps(spec.to_json())) == spec.to_json()


@pytest.mark.parametrize("name", [*OTHER, "events"])
def test_each_word_makes_another_run_and_is_written(name: str) -> None:
    spec, other = of_raw_lock_caller(), of_raw_lock_caller(**{name: OTHER.get(name, False)})
    assert spec != other
    assert {key for key in spec.to_json() if spec.to_json()[key] != other.to_json()[key]} == {name}


def test_it_lists_all_that_a_run_is_told() -> None:
    written = set(of_raw_lock_caller().to_json()) - {"format", "version", "scenario"}
    assert written == {field.name for field in attrs.fields(RunOptions)} - {"sinks"}


def test_it_does_not_change() -> None:
    spec = of_raw_lock_caller(HZ=100)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        spec.seed = 3  # type: ignore[misc]
    with pytest.raises(TypeError):
        spec.settings["HZ"] = "300"  # type: ignore[index]


def test_a_designs_file_means_the_same_in_every_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text(design_text("mine"))
    monkeypatch.chdir(tmp_path)
    spec = of_raw_lock_caller(design="mine.py")
    assert spec.design == str(tmp_path / "mine.py")
    assert of_raw_lock_caller(design="direct").design == "direct"
    monkeypatch.chdir("/")
    assert run(spec).design == "mine"


def test_what_is_in_this_process_only_is_refused() -> None:
    for words, wanted in (
        ({"design": make_design("direct")}, "design=<"),
        ({"strategy": Random()}, "strategy=<"),
        ({"sinks": (ListSink(),)}, "sinks: "),
    ):
        with pytest.raises(BadInput, match="in this process only") as caught:
            of_raw_lock_caller(**words)
        assert str(caught.value).startswith(wanted)


# -- the scenario ------------------------------------------------------------------------------------------------------


def test_every_bundled_scenario_has_its_place() -> None:
    for name, path in find_scenarios().items():
        ref = ScenarioRef.of(load_scenario(name))
        assert (ref.kind, ref.source, ref.function) == (Kind.BUNDLED, name, name)
        assert ref == ScenarioRef.of(load_scenario(path))
        assert ref.load().name == name


@pytest.mark.parametrize(
    ("script", "function", "hz"),
    [(plain, "plain", "250"), (decorated, "decorated", "300"), (under_another_name, "under_another_name", "1000")],
)
def test_a_function_of_a_module_has_its_place(script: Any, function: str, hz: str) -> None:
    spec = RunSpec.of(script)
    assert (spec.scenario.kind, spec.scenario.source, spec.scenario.function) == (Kind.FUNCTION, __name__, function)
    again = RunSpec.from_json(spec.to_json())
    assert run(again).as_json() == run(script).as_json()
    assert run(again).config["HZ"] == hz
    made = Run(script, seed=3)
    assert made.spec == RunSpec.of(script, RunOptions(seed=3))
    assert Run(made.spec).run().as_json() == made.run().as_json()


def test_a_function_that_nobody_else_can_find_runs_here_and_says_so() -> None:
    async def closure(k: Kernel) -> None:
        await plain(k)

    assert run(closure).clean
    for ask in (RunSpec.of, ScenarioRef.of, lambda script: Run(script).spec, pickle.dumps):
        with pytest.raises(BadInput, match="scenario closure: runs in this process only"):
            ask(scenario()(closure))


def test_other_settings_than_those_of_the_module_are_another_scenario() -> None:
    with pytest.raises(BadInput, match="runs in this process only"):
        RunSpec.of(scenario(settings={"HZ": "100"})(plain))


@pytest.mark.parametrize("kind", ["file", "program"])
def test_a_file_keeps_its_scenarios_apart(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    if kind == "file":
        spec = RunSpec.of(load_scenario(path), seed=3)
    else:
        told = "import json; from rcuactors import RunSpec; print(json.dumps(RunSpec.of({}, seed=3).to_json()))\n"
        specs = []
        for name in ("mine", "first", "plain"):
            path.write_text(FILE + told.format(name))
            done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=True)
            specs.append(RunSpec.from_json(done.stdout))
            assert specs[-1].scenario.function == name
            calls = run(specs[-1]).counters["calls"]["two_argument"]
            assert sum(calls.values()) == {"mine": 5, "first": 3, "plain": 7}[name]
        spec = specs[0]
        with pytest.raises(BadInput, match="was changed since"):
            run(spec)
        path.write_text(FILE + told.format("mine"))
    assert (spec.scenario.kind, spec.scenario.source) == (Kind.FILE, str(path))
    assert sum(run(spec).counters["calls"]["two_argument"].values()) == 5


def test_a_scenario_that_was_changed_since_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    chosen = load_scenario(path)
    before = RunSpec.of(chosen)
    path.write_text(FILE + "# and more\n")
    assert RunSpec.of(chosen) == before, "what was loaded is what counts"
    assert RunSpec.of(load_scenario(path)) != before
    with pytest.raises(BadInput, match=r"scenario mine: .*mine\.py was changed since \(digest [0-9a-f]{12}, was "):
        run(before)
    path.write_bytes(FILE.replace("\n", "\r\n").encode())
    assert run(before).clean, "line ends are no change"
    path.write_text(FILE.replace("def mine", "def yours"))
    with pytest.raises(BadInput, match=r"scenario mine: .*mine\.py has no scenario of that name"):
        run(before)
    path.unlink()
    with pytest.raises(BadInput, match="there is no such file"):
        run(before)


@pytest.mark.parametrize(
    ("ref", "wanted"),
    [
        (
            ScenarioRef(Kind.FUNCTION, "no.such.module", "f", ""),
            "scenario f: module no.such.module does not import: Mod",
        ),
        (
            ScenarioRef(Kind.FUNCTION, __name__, "of_raw_lock_caller", ""),
            "scenario of_raw_lock_caller: .* has no scenario",
        ),
        (ScenarioRef(Kind.BUNDLED, "raw_lock_caler", "f", ""), "did you mean raw_lock_caller"),
        (ScenarioRef(Kind.FUNCTION, __name__, "plain", "0"), "was changed since"),
    ],
)
def test_a_place_without_a_scenario(ref: ScenarioRef, wanted: str) -> None:
    with pytest.raises(BadInput, match=wanted):
        ref.load()


def test_another_process_runs_the_same() -> None:
    specs = [of_raw_lock_caller(seed=seed, strategy="random", kernel="v5.9") for seed in range(3)]
    there = {number: result.as_json() for number, result in do_all(run, specs, 2)}
    assert there == {number: run(spec).as_json() for number, spec in enumerate(specs)}


# -- strictness --------------------------------------------------------------------------------------------------------


def _with(path: str, value: object) -> dict[str, Any]:
    document = of_raw_lock_caller(HZ=100).to_json()
    inner = document
    *way, last = path.split(".")
    for name in way:
        inner = inner[name]
    inner[last] = value
    return document


@pytest.mark.parametrize(
    ("document", "wanted"),
    [
        ("", "run: is no JSON: "),
        ("{", "run: is no JSON: "),
        ("[" * 100_000, "run: is no JSON: "),
        ("[]", "run: []: needs an object"),
        ('{"format": "rcuactors run", "format": "x"}', "run: 'format' stands there twice"),
        ({}, "run: has no format"),
        (_with("format", "x"), "run: format: 'x': needs 'rcuactors run'"),
        (_with("version", 2), "run: version: 2: this program reads version 1"),
        (_with("version", True), "run: version: True: needs a whole number"),
        (_with("sed", 3), "run: sed: no such key; did you mean seed? there are "),
        (_with("seed", "3"), "run: seed: '3': needs a whole number"),
        (_with("seed", True), "run: seed: True: needs a whole number"),
        (_with("seed", -3), "seed=-3: needs a whole number from 0 to "),
        (_with("kernel", "v4.9"), "kernel v4.9: "),
        (_with("kernel", None), "run: kernel: None: needs a text"),
        (_with("strategy", "randm"), "strategy randm: "),
        (_with("design", 3), "run: design: 3: needs a text or null"),
        (_with("events", 1), "run: events: 1: needs true or false"),
        (_with("settings", []), "run: settings: []: needs an object"),
        (_with("settings.HZ", 100), "run: settings: HZ: 100: needs a text"),
        (_with("costs.lock", 3), "cost lock: no such cost; did you mean lock_ns?"),
        (_with("costs.lock_ns", "3"), "cost lock_ns = '3': needs a whole number"),
        (_with("scenario", "x"), "run: scenario: 'x': needs an object"),
        (_with("scenario.kind", "x"), "run: scenario: kind x: there are bundled, file, function"),
        (_with("scenario.digest", None), "run: scenario: digest: None: needs a text"),
        (_with("scenario.extra", "x"), "run: scenario: extra: no such key; there are kind, source, function, digest"),
    ],
)
def test_what_is_not_as_it_should_be_is_one_line(document: Any, wanted: str) -> None:
    with pytest.raises(BadInput) as caught:
        RunSpec.from_json(document)
    assert str(caught.value).startswith(wanted)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("name", list(of_raw_lock_caller().to_json()))
def test_no_key_may_be_missing(name: str) -> None:
    document = of_raw_lock_caller().to_json()
    del document[name]
    with pytest.raises(BadInput, match=f"run: has no {name}"):
        RunSpec.from_json(document)


def test_reading_executes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("raise SystemExit('was executed')\n")
    document = of_raw_lock_caller().to_json()
    document["scenario"] |= {"kind": "file", "source": str(path)}
    document["design"] = str(path)
    assert RunSpec.from_json(document).design == str(path)
