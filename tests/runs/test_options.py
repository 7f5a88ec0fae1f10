"""What a run is told (rcuactors/runs/options.py): the same words everywhere, each checked once."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import attrs
import pytest

from rcuactors import BadInput, Kernel, RunOptions, run, scenario
from rcuactors.designs import make_design
from rcuactors.engine.choice import Timed
from rcuactors.engine.events import ListSink
from rcuactors.explore import Random
from rcuactors.kernel.costs import CostModel
from rcuactors.runs.options import LARGEST_SEED, Settings
from rcuactors.scenario import RUN_WORDS
from rcuactors.testing import AsyncRun, RcuLab


async def burst(k: Kernel, objects: int = 4) -> None:
    for _ in range(objects):
        await k.kvfree_rcu(await k.kmalloc(64), "rcu")


def test_the_words_of_a_run_are_the_fields_of_its_options() -> None:
    assert {field.name for field in attrs.fields(RunOptions)} == set(RUN_WORDS)


@pytest.mark.parametrize("word", RUN_WORDS)
def test_no_parameter_has_the_name_of_a_word(word: str) -> None:
    names: dict[str, object] = {}
    exec(f"async def script(k, {word}=1): pass", names)  # noqa: S102 - nine functions that differ in one word
    with pytest.raises(BadInput, match=f"scenario script: parameter {word} has the name of an option of every run"):
        scenario()(names["script"])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"kernel": "v5.1"}, "kernel v5.1: "),
        ({"kernel": None}, "kernel None: "),
        ({"strategy": "x"}, "strategy x: "),
        ({"strategy": 3}, "strategy=3: needs a name, or an object that is a strategy"),
        ({"strategy": Timed}, "strategy=<class 'rcuactors.engine.choice.Timed'>: needs a name"),
        ({"seed": "x"}, f"seed='x': needs a whole number from 0 to {LARGEST_SEED}"),
        ({"seed": -1}, f"seed=-1: needs a whole number from 0 to {LARGEST_SEED}"),
        ({"seed": True}, "seed=True: needs a whole number"),
        ({"seed": 1.0}, "seed=1.0: needs a whole number"),
        ({"seed": LARGEST_SEED + 1}, f"seed={LARGEST_SEED + 1}: needs a whole number"),
        ({"max_steps": 0}, "max_steps=0: needs a whole number from 1 to "),
        ({"max_steps": None}, "max_steps=None: needs a whole number from 1 to "),
        ({"design": 5}, "design=5: needs a name, the path of a file, or an object that is a design"),
        ({"design": type(make_design("direct"))}, "design=<class "),
        ({"settings": ["HZ=100"]}, "settings=['HZ=100']: needs values by name"),
        ({"settings": {"HZ": None}}, "HZ=None: needs a number, a text or True or False"),
        ({"settings": {"HZ": 1.5}}, "HZ=1.5: needs a number"),
        ({"settings": {3: 4}}, "3=4: needs a number, a text or True or False, by its name"),
        ({"costs": 5}, "costs=5: needs a CostModel, or nanoseconds by name"),
        ({"costs": {"lock": 5}}, "cost lock: no such cost; did you mean lock_ns? "),
        ({"costs": {"lock_ns": -1}}, "cost lock_ns = -1: needs a whole number of nanoseconds"),
        ({"events": "yes"}, "events='yes': needs True or False"),
        ({"sinks": ListSink()}, "sinks=<"),
        ({"sinks": (3,)}, "sinks=(3,): needs objects that take events, in a tuple"),
    ],
)
def test_a_wrong_value_is_one_line(options: dict[str, object], wanted: str) -> None:
    with pytest.raises(BadInput) as made:
        RunOptions(**options)  # type: ignore[arg-type]
    with pytest.raises(BadInput) as told:
        run(burst, **options)
    assert str(made.value) == str(told.value)
    assert str(made.value).startswith(wanted)
    assert len(str(made.value).splitlines()) == 1
    assert len(str(made.value)) < 200


def test_values_of_a_setting_become_text() -> None:
    options = RunOptions(settings={"HZ": 1000, "PREEMPT_RT": True, "mem": "64M"})
    assert options.settings == {"HZ": "1000", "PREEMPT_RT": "y", "mem": "64M"}
    assert run(burst, options).config["HZ"] == "1000"


def test_costs_by_name_are_a_cost_model() -> None:
    assert RunOptions(costs=None) == RunOptions(costs={}) == RunOptions()
    assert RunOptions(costs={"lock_ns": 20}).costs == CostModel(lock_ns=20)
    assert run(burst, costs={"lock_ns": 20}).costs == {"lock_ns": 20}


def test_words_and_options_add_up_and_words_win() -> None:
    options = RunOptions(kernel="v5.9", seed=3, settings={"HZ": "100", "nr_cpus": "4"})
    changed = options.given({"seed": 5, "HZ": 300, "settings": {"nr_cpus": 3}})
    assert changed == RunOptions(kernel="v5.9", seed=5, settings={"HZ": "300", "nr_cpus": "3"})
    assert options.seed == 3


def test_a_settings_value_is_a_value() -> None:
    one, two = (Settings((("HZ", "100"), ("mem", "64M"))) for _ in range(2))
    turned = Settings((("mem", "64M"), ("HZ", "100")))
    assert one == two == turned == {"HZ": "100", "mem": "64M"}
    assert len({one, two, turned}) == 1
    assert one != Settings((("HZ", "100"),))
    assert pickle.loads(pickle.dumps(one)) == one  # noqa: S301 - our own
    assert repr(one) == "{'HZ': '100', 'mem': '64M'}"
    with pytest.raises(TypeError):
        one["HZ"] = "300"  # type: ignore[index]
    with pytest.raises(KeyError):
        one["hz"]


def test_options_in_words_are_a_value() -> None:
    one, two = (RunOptions(design="direct", strategy="random", settings={"HZ": 100}) for _ in range(2))
    assert one == two
    assert len({one, two}) == 1
    assert pickle.loads(pickle.dumps(one)) == two  # noqa: S301 - our own


def test_a_path_is_a_designs_name_too(tmp_path: Path) -> None:
    assert RunOptions(design=tmp_path / "mine.py").design == os.fspath(tmp_path / "mine.py")  # type: ignore[arg-type]


EVERY_WORD = {"kernel": "v5.9", "design": "direct", "strategy": "random", "seed": 7, "objects": 5, "HZ": 100}


def test_run_and_the_lab_take_the_same_words(rcu_lab: RcuLab) -> None:
    options = RunOptions(
        kernel="v5.9", design="direct", strategy=Random(), seed=7, settings={"objects": "5", "HZ": "100"}
    )
    results = [
        run(scenario()(burst), options),
        run(burst, **EVERY_WORD),
        rcu_lab.run(burst, **EVERY_WORD),
        rcu_lab.run(scenario()(burst), options),
        rcu_lab.prepare(burst, RunOptions(kernel="v5.9", seed=1), **EVERY_WORD).run(),
    ]
    assert all(result.as_json() == results[0].as_json() for result in results)
    assert results[0].parameters == {"objects": 5}
    assert (results[0].strategy, results[0].design, results[0].kernel) == ("random", "direct", "v5.9")


EXPECTED = run(burst, **EVERY_WORD).as_json()


async def test_and_so_does_rcu_run(rcu_run: AsyncRun, virtual_clock: object) -> None:
    assert (await rcu_run(burst, RunOptions(), **EVERY_WORD)).as_json() == EXPECTED


def test_bounds_events_and_sinks_reach_the_run(rcu_lab: RcuLab) -> None:
    sink = ListSink()
    assert run(burst, sinks=[sink]).events == len(sink.events) > 0
    assert rcu_lab.run(burst, events=False, costs={"lock_ns": 20}).digest is None
    with pytest.raises(BadInput, match="more than 10 steps"):
        run(burst, max_steps=10)


@pytest.mark.parametrize(
    ("word", "meant"), [("PREMPT_RT", "PREEMPT_RT"), ("objekts", "objects"), ("kernal", "kernel"), ("sed", "seed")]
)
def test_a_word_that_nobody_knows(rcu_lab: RcuLab, word: str, meant: str) -> None:
    with pytest.raises(BadInput) as caught:
        rcu_lab.run(burst, **{word: 1})
    text = str(caught.value)
    assert text.startswith(f"{word}: no such name; did you mean {meant}? burst has the parameter objects; ")
    assert "PREEMPT_RT" in text


@pytest.mark.parametrize("options", [{"kernel": "v5.9"}, "v5.9", 3])
def test_what_are_no_options(options: object) -> None:
    with pytest.raises(BadInput, match="needs RunOptions"):
        run(burst, options)  # type: ignore[arg-type]


@pytest.mark.parametrize("what", [3, "burst", None, print])
def test_what_is_no_scenario(what: object) -> None:
    with pytest.raises(BadInput, match="needs"):
        run(what)  # type: ignore[arg-type]
