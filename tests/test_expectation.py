"""expectation.py: what a scenario promises, said of all kernels, of versions, builds, and single kernels; and held."""

from __future__ import annotations

import re

import pytest

from rcuactors import BadInput, Kernel, run, scenario
from rcuactors.builds import BUILDS, USUAL_BUILDS
from rcuactors.expectation import expectation_of, kinds_of, promised, promised_kernels

EVERY = {"plain": "clean", "prove": "invalid-wait-context", "rt": "sleeping-function"}


async def nested(k: Kernel, careful: bool = False) -> None:
    raw, spin = k.raw_spinlock("raw"), k.spinlock("spin")
    await k.raw_spin_lock(raw)
    if not careful:
        await k.spin_lock(spin)
        await k.spin_unlock(spin)
    await k.raw_spin_unlock(raw)


def test_a_text_is_of_every_kernel_in_every_build() -> None:
    expect = expectation_of("x", "leak")
    assert {label: dict(row) for label, row in expect.items()} == {
        label: dict.fromkeys(BUILDS, "leak") for label in promised_kernels()
    }


def test_a_version_that_is_not_named_is_as_the_one_before_it() -> None:
    expect = expectation_of("x", {"v5.11": "leak", "v6.12": {"plain": "clean"}})
    assert promised(expect, "v5.9", "plain") is None
    assert promised(expect, "v6.6", "rt") == "leak"
    assert promised(expect, "v7.3", "plain") == "clean"
    assert promised(expect, "v7.3", "rt") is None


def test_another_design_is_promised_by_its_own_name_only() -> None:
    expect = expectation_of("x", {"v5.9": "leak", "v5.9 direct": "clean"})
    assert promised(expect, "v5.9", "plain", "direct") == "clean"
    assert promised(expectation_of("x", {"v5.9": "leak"}), "v5.9", "plain", "direct") is None
    assert promised(expect, "v5.9", "plain", "sheaves") is None


def test_the_narrower_word_wins() -> None:
    expect = expectation_of("x", {"rt": "deadlock", "v6.1.0": {"plain": "leak"}, "v6.6": "clean", "v6.6:rt": "leak"})
    assert promised(expect, "v5.9", "rt") == "deadlock"
    assert promised(expect, "v5.9", "plain") is None
    assert promised(expect, "v6.1.0", "rt") == "deadlock"
    assert promised(expect, "v6.6", "rt") == "leak"
    assert promised(expect, "v6.6", "plain") == "clean"
    # Of one kernel is of no later one.
    assert promised(expect, "v6.12", "rt") == "clean"


def test_all_checks_promise_what_prove_does_unless_they_are_named() -> None:
    expect = expectation_of("x", {"v5.9": EVERY, "v6.6": {**EVERY, "all": "clean"}})
    assert promised(expect, "v5.9", "all") == "invalid-wait-context"
    assert promised(expect, "v7.3", "all") == "clean"


def test_kinds_of_a_text() -> None:
    assert kinds_of("clean") == ()
    assert kinds_of("leak, deadlock") == ("leak", "deadlock")


@pytest.mark.parametrize(
    ("expect", "said"),
    [
        ("cleen", "scenario x: expectation: cleen: no kind of report; did you mean clean?"),
        ("leak, leak", "scenario x: expectation: leak, leak: a kind stands there twice"),
        ("clean, leak", "scenario x: expectation: clean: alone only"),
        ("leak,deadlock", "scenario x: expectation: leak,deadlock: no kind of report"),
        (7, "scenario x: expectation 7: needs kinds of report, or these by version or build"),
        ({"v5.1": "clean"}, "scenario x: expectation for v5.1: did you mean v5.11?"),
        ({"rtt": "clean"}, "scenario x: expectation for rtt: did you mean rt?"),
        ({"v5.9:rtt": "clean"}, "scenario x: expectation for v5.9: rtt: did you mean rt?"),
        ({"v5.9": {"rtt": "clean"}}, "scenario x: expectation for v5.9, rtt: did you mean rt?"),
        (
            {"v5.9": {"rt": "deadlok"}},
            "scenario x: expectation for v5.9, rt: deadlok: no kind of report; did you mean d",
        ),
        ({"v5.9": 7}, "scenario x: expectation for v5.9 7: needs kinds of report, or these by build"),
        ({"rt": {"v5.9": "clean"}}, "scenario x: expectation for rt: {'v5.9': 'clean'}: needs 'clean', or kinds"),
    ],
)
def test_what_is_wrong_is_one_line(expect: object, said: str) -> None:
    with pytest.raises(BadInput, match=f"^{re.escape(said)}"):
        expectation_of("x", expect)


# -- a run is held to it -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("build", USUAL_BUILDS)
def test_a_run_as_the_scenario_stands_is_held_to_it(build: str) -> None:
    result = run(scenario(expect={"v5.9": EVERY})(nested), **BUILDS[build].settings)
    assert result.expected == EVERY[build] == result.outcome()
    assert result.as_expected


def test_what_differs_is_said() -> None:
    result = run(scenario(expect="leak")(nested))
    assert not result.as_expected
    assert result.clean
    assert repr(result).endswith("seed 0: clean, expected: leak>")
    assert result.as_json()["expected"] == "leak"


@pytest.mark.parametrize(
    "words",
    [
        {"careful": True},
        {"strategy": "random"},
        {"costs": {"lock_ns": 11}},
        {"HZ": 1000},
        {"PREEMPT_RT": True},
        {"design": "sheaves"},
    ],
)
def test_nothing_is_promised_of_another_run(words: dict[str, object]) -> None:
    result = run(scenario(expect="leak")(nested), **words)
    assert result.expected is None
    assert result.as_expected


def test_the_scenarios_own_settings_belong_to_it() -> None:
    result = run(scenario(expect="leak", settings={"HZ": 1000})(nested))
    assert result.expected == "leak"


def test_the_versions_own_design_may_be_named() -> None:
    assert run(scenario(expect="leak")(nested), kernel="v5.9", design="skip-on-rt").expected == "leak"
    assert run(scenario(expect={"v5.9 direct": "leak"})(nested), kernel="v5.9", design="direct").expected == "leak"
