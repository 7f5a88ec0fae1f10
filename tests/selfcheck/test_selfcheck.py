"""`rcuactors selfcheck`: runs that are the same are, and each way in which one may differ is noticed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rcuactors.cli import cli
from rcuactors.engine.events import ListSink
from rcuactors.selfcheck import ways
from rcuactors.selfcheck.programs import subjects_drawn
from rcuactors.selfcheck.runner import Tally, selfcheck
from rcuactors.selfcheck.subject import STRATEGIES, subjects_of
from rcuactors.selfcheck.ways import ELSEWHERE, WAYS, check, events_of, first_difference
from rcuactors.userfiles.scenarios import load_scenario

BODY = '''"""other: for the tests."""
from rcuactors import Kernel, scenario
CALLS = []
@scenario()
async def other(k: Kernel) -> None:
    for _ in range(1 + ({times}) % 7):
        await k.kvfree_rcu(await k.kmalloc(64), "rcu")
'''


def called(*args: str) -> Result:
    return CliRunner().invoke(cli, ["selfcheck", *args])


def differences(result: Result) -> set[str]:
    assert result.exit_code == 1, result.output
    return {one["way"] for one in json.loads(result.stdout)["differences"]}


@pytest.fixture
def other(tmp_path: Path) -> Callable[[str], str]:
    """A scenario that frees as many objects as an expression says."""

    def write(times: str) -> str:
        path = tmp_path / "other.py"
        path.write_text(BODY.format(times=times))
        return str(path)

    return write


def test_scenarios_and_programs_are_the_same() -> None:
    tally = Tally()
    subjects = [*subjects_of([load_scenario("cold_cache_burst")], 3, ["v5.9", "v7.3"]), *subjects_drawn(2, 100)]
    assert [one.subjects for one in selfcheck(subjects, 2, tally)][-1] == 4
    assert tally.differences == []
    assert tally.runs == 4 * 2 * (len(WAYS) + 1)
    assert tally.events > 1000
    assert tally.lines()[-1] == "all the same"


def test_programs_beside_a_scenario_are_drawn_where_that_is_asked_for(other: Callable[[str], str]) -> None:
    words = (other("1"), "--kernel", "v6.12", "--jobs", "1")
    assert called(*words).stdout.startswith("1 subject, ")
    assert called(*words, "--programs", "2").stdout.startswith("3 subjects, ")


def test_strategies_take_turns() -> None:
    scenarios = [load_scenario(name) for name in ("cold_cache_burst", "stale_batch")]
    specs = [one.spec for one in subjects_of(scenarios, 0, ["v5.9", "v5.11", "v6.1.0", "v6.6", "v6.12"])]
    assert {spec.strategy for spec in specs[:5]} == {spec.strategy for spec in specs[5:]} == set(STRATEGIES)
    assert specs[0].strategy != specs[5].strategy


def test_what_is_no_function_of_its_seed_is_found(other: Callable[[str], str]) -> None:
    """Each call does more than the one before: all that come later in a process differ."""
    result = called(other("len(CALLS) + (CALLS.append(0) or 0)"), "--kernel", "v6.12", "--jobs", "2", "--json")
    assert differences(result) == set(WAYS) - {"once"}


def test_the_first_line_that_differs_elsewhere_is_told(other: Callable[[str], str]) -> None:
    result = called(other("hash('a word')"), "--kernel", "v6.12", "--jobs", "2")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    at = lines.index(f"other on v6.12, strategy timed, seed 0: not the same {ELSEWHERE}")
    assert lines[at + 1].startswith("  event ")
    assert lines[at + 2].startswith("    once: ")
    assert lines[at + 3].startswith("    then: ")
    assert lines[at + 2] != lines[at + 3]
    assert lines[-1] == "1 difference"


@pytest.mark.parametrize("way", list(WAYS)[1:])
def test_each_way_is_compared(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted mistake: in that way one event more is heard of."""
    (subject,) = subjects_drawn(1, 5)
    honest = WAYS[way]

    def lies(one: ways.Subject, *sinks: ListSink) -> ways.Ran:
        ran = honest(one, *sinks)
        return ways.Ran(ran.digest[::-1], ran.events, ran.steps, ran.ended, ran.error)

    monkeypatch.setattr(ways, "WAYS", {**WAYS, way: lies})
    assert set(check(subject).differ) == {way}


def test_where_two_differ_first() -> None:
    assert first_difference(["a", "b"], ["a", "b"]) == []
    assert first_difference(["a", "b"], ["a", "c"]) == ["event 2 differs:", "  once: b", "  then: c"]
    assert first_difference(["a"], ["a", "c"])[1:] == ["  once: (it ended there)", "  then: c"]
    (subject,) = subjects_drawn(1, 5)
    assert events_of(subject) == events_of(subject, "on Trio")
    assert len(events_of(subject)) > 10


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--programs", "x"), "--programs x: needs a whole number from 0"),
        (("--kernel", "6.1"), "kernel 6.1: "),
        (("no_such",), "no_such"),
    ],
)
def test_bad_input(args: tuple[str, ...], said: str) -> None:
    result = called(*args)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
