"""Anything that one can give to the program: some cases each time, and whether what is wrong would be noticed."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

import attrs
import click
import pytest

from rcuactors.cli import COMMANDS, cli
from tests.fuzz import changing, trying, words
from tests.fuzz.case import ANY, LONGEST_ARG, WRONG, Case
from tests.fuzz.inputs import INPUTS, draw
from tests.fuzz.shrinking import shrunk
from tests.fuzz.trying import attempt, wrong_with

CASES = 120
"""More of them: `python tests/fuzz/run.py --time 1h`."""
STUMBLING = "tests.fuzz.stumbling"


@pytest.mark.parametrize("part", range(4))
def test_no_input_makes_it_stumble(part: int) -> None:
    for number in range(part, CASES, 4):
        case = draw(0, number)
        assert wrong_with(case, attempt(case)) == "", f"python tests/fuzz/run.py --seed 0 --first {number} --cases 1"


@pytest.mark.campaign
def test_no_input_of_many_makes_it_stumble() -> None:
    for number in range(2000):
        case = draw(99, number)
        assert wrong_with(case, attempt(case)) == "", f"python tests/fuzz/run.py --seed 99 --first {number} --cases 1"


def test_every_input_is_among_the_cases() -> None:
    assert {draw(0, number).input for number in range(CASES)} == set(INPUTS)


def test_no_argument_is_longer_than_a_system_takes() -> None:
    """One of 210 MB was the fuzzer's own fault, and nobody's who reads it."""
    assert len(Case(input="x", args=("a" * 200_000,)).args[0]) == LONGEST_ARG


def test_a_case_is_always_the_same() -> None:
    assert [draw(5, number) for number in range(20)] == [draw(5, number) for number in range(20)]
    assert draw(5, 1) != draw(6, 1)


def test_every_command_has_words_for_all_that_it_takes() -> None:
    every = list(words.commands())
    assert {path[0] for path, _ in every} == set(COMMANDS)
    drawn: dict[tuple[str, ...], set[str]] = {path: set() for path, _ in every}
    random = Random(1)
    for path, command in every:
        for _ in range(40):
            for parameter in command.params:
                if words.arguments_for(random, parameter, some=random.random() < 0.35):
                    drawn[path].add(parameter.name or "")
    wanted = {path: {parameter.name for parameter in command.params} for path, command in every}
    assert drawn == wanted


def test_a_new_option_has_words_of_all_kinds() -> None:
    drawn = {words.kind_of(click.Option(["--new"], metavar="THING")).draw(Random(n)).text for n in range(2000)}
    assert {"tidy.py", "v6.12", "costs.toml"} <= drawn


def test_what_is_surely_wrong_is_refused_by_what_reads_it() -> None:
    assert words.OF_METAVAR["NUMBER"].wrong
    command = cli.get_command(click.Context(cli), "run")
    assert command is not None
    [seed] = [parameter for parameter in command.params if parameter.name == "seed"]
    wrong = [words.kind_of(seed).draw(Random(n)) for n in range(100)]
    assert any(word.wrong for word in wrong)
    assert any(not word.wrong for word in wrong)


def test_changes_change() -> None:
    data = b"a = 1\nb = 22\nc = 333\n"
    for change in {*changing.CHANGES}:
        assert any(change(Random(n), data) != data for n in range(20)), change.__name__
        change(Random(1), b"")


@pytest.mark.parametrize(
    ("reader", "said"),
    [
        ("swells", "MemoryError"),
        ("raises", "internal error"),
        ("leaves", "leaves left.txt"),
        ("talks", "3 lines on stderr"),
        ("names_nothing", "an address in a message"),
        ("dies", "died (SIGABRT)"),
        ("outlives", "a process outlives it"),
        ("hangs", "hangs"),
    ],
)
def test_what_is_wrong_is_noticed(monkeypatch: pytest.MonkeyPatch, reader: str, said: str) -> None:
    # To touch all that memory takes time, too.
    monkeypatch.setattr(trying, "CPU_S", 10 if reader == "swells" else 1)
    monkeypatch.setattr(trying, "GONE_S", 0.2)
    case = Case(input="x", args=("text",), reader=f"{STUMBLING}:{reader}")
    assert said in wrong_with(case, attempt(case))


def test_nonsense_that_is_taken_is_noticed() -> None:
    case = Case(input="x", args=("text",), reader=f"{STUMBLING}:takes_anything", codes=WRONG)
    assert wrong_with(case, attempt(case)).startswith("exit code 1, may be [2]")
    assert wrong_with(attrs.evolve(case, codes=ANY), attempt(case)) == ""


def test_what_is_found_is_made_smaller_and_kept(tmp_path: Path) -> None:
    lines = b"".join(b"lock_ns = %d\n" % number for number in range(8))
    files = {"tidy.py": b"", "costs.toml": lines + b"no_such_ns = 1\n", "more.txt": b""}
    args = ("run", "cold_cache_burst", "--seed", "3", "--costs", "costs.toml", "--json")
    case = Case(input="x", args=args, files=files, codes=frozenset({0}))
    wrong = wrong_with(case, attempt(case))
    assert wrong.startswith("exit code 2, may be [0]")
    small = shrunk(case, wrong)
    assert len(small.args) < len(args)
    assert sum(map(len, small.files.values())) < len(lines)
    small.keep(tmp_path / "found", wrong)
    assert Case.kept(tmp_path / "found") == small
    again = (tmp_path / "found" / "again.sh").read_text("utf-8")
    assert re.search(r"python -m rcuactors run", again)
