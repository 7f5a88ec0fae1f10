"""The name that was probably meant, the one message for all names, and numbers of things (rcuactors/spelling.py)."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from rcuactors import BadInput, run
from rcuactors.compare.designs import find_designs
from rcuactors.compare.kernels import find_kernels
from rcuactors.config import Config, with_settings
from rcuactors.designs import make_design
from rcuactors.eras import find_era
from rcuactors.explore import make_strategy
from rcuactors.kernel.costs import cost_model, load_costs
from rcuactors.lock_matrix.presets import find_preset
from rcuactors.spelling import counted, did_you_mean, no_such, plural
from rcuactors.userfiles import find_design, load_scenario


@pytest.mark.parametrize(
    ("word", "meant"),
    [("PREEMT_RT", "PREEMPT_RT"), ("preempt_rt", "PREEMPT_RT"), ("Objcts", "objects"), ("zzz", None), ("", None)],
)
def test_close_names(word: str, meant: str | None) -> None:
    assert did_you_mean(word, ["objects", "PREEMPT_RT"]) == (f"did you mean {meant}? " if meant else "")


def test_no_names() -> None:
    assert did_you_mean("anything", []) == ""
    assert str(no_such("thing", "x", [])) == "thing x: there are none"


def test_one_message_for_all() -> None:
    names = ["v5.9", "v5.11"]
    assert str(no_such("kernel", "v5.1", names)) == "kernel v5.1: did you mean v5.11? there are v5.9, v5.11"
    assert str(no_such("", "x", names, wrong="no such name")) == "x: no such name; there are v5.9, v5.11"
    assert str(no_such("--set", "v5.1", names, there="see there")) == "--set v5.1: did you mean v5.11? see there"
    assert str(no_such("a", "x", names, meant="x.py")) == "a x: did you mean x.py? there are v5.9, v5.11"


def _costs_file(word: str, folder: Path) -> object:
    path = folder / "costs.toml"
    path.write_text(f"{word} = 1\n")
    return load_costs(path)


@pytest.mark.parametrize(
    ("look_up", "word", "meant"),
    [
        (find_era, "v5.1", "v5.11"),
        (make_strategy, "randm", "random"),
        (make_design, "dirct", "direct"),
        (find_design, "dirct", "direct"),
        (lambda word: find_designs([word], []), "dirct", "direct"),
        (lambda word: find_kernels([word], {}), "prov", "prove"),
        (lambda word: find_kernels([word], {}), "v5.10", "v5.11"),
        (lambda word: find_kernels([f"v5.9:{word}"], {}), "prov", "prove"),
        (load_scenario, "raw_lock_caler", "raw_lock_caller"),
        (lambda word: with_settings(Config(), {word: "y"}), "PREMPT_RT", "PREEMPT_RT"),
        (lambda word: run(load_scenario("raw_lock_caller"), **{word: 1}), "objcts", "objects"),
        (lambda word: cost_model({word: 1}), "lock", "lock_ns"),
        (find_preset, "prove_rwa", "prove_raw"),
    ],
)
def test_whoever_mistypes_a_name_is_told_what_was_meant(
    look_up: Callable[[str], object], word: str, meant: str
) -> None:
    with pytest.raises(BadInput, match=f"{word}: .*did you mean {meant}\\? ") as caught:
        look_up(word)
    assert len(str(caught.value).splitlines()) == 1


def test_costs_of_a_file_too(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"cost file .*costs\.toml: cost lokc_ns: no such cost; did you mean lock_ns\?"):
        _costs_file("lokc_ns", tmp_path)


def test_nobody_writes_such_a_message_of_his_own(package: Path) -> None:
    """A list of what there is comes from `no_such`: everybody who has mistyped a name gets the same help."""
    own = [
        f"{path.relative_to(package)}:{number}"
        for path in sorted(package.rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(r"BadInput\(.*there are", line)
    ]
    assert own == []


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 pages"), (1, "1 page"), (2, "2 pages"), (1234567, "1,234,567 pages")]
)
def test_plurals(count: int, text: str) -> None:
    assert plural(count, "page") == text
    assert counted(count, "page") == text.replace(",", "")


def test_a_plural_that_is_no_s_at_the_end() -> None:
    assert [plural(count, "miss", "misses") for count in (1, 2_000)] == ["1 miss", "2,000 misses"]
    assert [counted(count, "thread waits", "threads wait") for count in (1, 2)] == ["1 thread waits", "2 threads wait"]
