"""The mutation command on a small program: what its tests notice and what not, and that it goes on where it ended."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.mutation import equivalent
from tests.mutation.mutants import Mutant, compiled, draw, modules, mutants_of
from tests.mutation.selection import Map, map_lines, nearness

ROOT: Final = Path(__file__).resolve().parents[2]
COMMAND: Final = ROOT / "tests" / "mutation" / "run.py"

PROGRAM: Final = '''
"""A small program."""

LIMIT = 3


def is_full(count: int) -> bool:
    """Whether no more goes in."""
    if count >= LIMIT:
        return True
    return False


def untested(count: int) -> int:
    """Nobody calls it."""
    return count * 2


def loosely(count: int) -> int:
    """Its test looks at one value only, at which two changes make no difference."""
    return count + count
'''

TESTS: Final = """
from rcuactors.kvfree.thing import is_full, loosely


def test_is_full():
    assert [is_full(n) for n in range(5)] == [False, False, False, True, True]


def test_loosely():
    assert loosely(0) == 0
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with one module and its tests, mapped."""
    root = tmp_path_factory.mktemp("mutation")
    files = {
        "rcuactors/__init__.py": "",
        "rcuactors/testing.py": "",
        "rcuactors/kvfree/__init__.py": "",
        "rcuactors/kvfree/thing.py": PROGRAM,
        "tests/kvfree/test_thing.py": TESTS,
        "pyproject.toml": '[tool.pytest.ini_options]\naddopts = ["--import-mode=importlib"]\n',
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    run(root, "--map", "--jobs", "1")
    return root


def run(root: Path, *args: str, status: int = 0) -> str:
    """The command, in a process of its own: its children are made of a process without threads."""
    command = [sys.executable, str(COMMAND), "--root", str(root), *args]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout or done.stderr


def outcomes(root: Path, seed: int) -> dict[str, str]:
    """What came of each mutant, by what is changed."""
    lines = (root / "build" / "mutation" / f"seed-{seed}.jsonl").read_text().splitlines()
    return {told["mutant"].partition("thing.py:")[2]: told["outcome"] for told in map(json.loads, lines)}


def test_what_the_tests_would_not_notice_is_named(program: Path) -> None:
    """All mutants of the module: those of the function whose test is loose survive, an untested one is not entered."""
    said = run(program, "--seed", "1", "--count", "1000")
    told = outcomes(program, 1)
    assert {outcome for key, outcome in told.items() if " is_full " in key} == {"noticed"}
    assert told["4 - [constant] 3 -> 4"] == "noticed"
    assert {outcome for key, outcome in told.items() if " untested " in key} == {"not entered"}
    assert told["21 loosely [arithmetic] count + count -> count - count"] == "survived"
    assert told["21 loosely [nothing returned] return count + count -> return None"] == "noticed"
    assert (
        "survived: rcuactors/kvfree/thing.py:21 loosely [arithmetic] count + count -> count - count (1 tests)" in said
    )


def test_it_goes_on_where_it_was_ended(program: Path) -> None:
    """What is written is not tried again; half a line is nothing."""
    run(program, "--seed", "2", "--count", "4")
    file = program / "build" / "mutation" / "seed-2.jsonl"
    first, *others = file.read_text().splitlines()
    changed = json.dumps({**json.loads(first), "how": "was here"})
    file.write_text(f"{changed}\n{others[0]}\n")
    said = run(program, "--seed", "2", "--count", "4")
    assert "4 mutants" in said
    assert file.read_text().splitlines()[0] == changed
    assert len(file.read_text().splitlines()) == 4


def test_a_part_of_the_map_is_made_anew(program: Path) -> None:
    """For the tests that are named, on the same sources only: what is kept of others goes by the same blocks."""
    folder = program / "build" / "mutation" / "map"
    kept = list(map_lines(folder))
    later = program / "tests" / "kvfree" / "test_later.py"
    later.write_text("from rcuactors.kvfree.thing import untested\n\n\ndef test_it():\n    assert untested(2) == 4\n")
    run(program, "--map", "tests/kvfree/test_later.py", "--jobs", "1")
    first, second, *more = map_lines(folder)
    assert [first, second] == kept
    assert [json.loads(line)["test"] for line in more] == ["tests/kvfree/test_later.py::test_it"]
    covered = Map.read(program, folder)
    (mutant,) = (one for one in mutants_of(program, "rcuactors/kvfree/thing.py") if one.before == "count * 2")
    assert [test.name for test in covered.of(mutant)] == ["tests/kvfree/test_later.py::test_it"]
    later.write_text("")
    run(program, "--map", "tests/kvfree/test_later.py", "--jobs", "1", status=5)
    assert list(map_lines(folder)) == kept
    later.unlink()
    module = program / "rcuactors" / "kvfree" / "thing.py"
    module.write_text(f"{PROGRAM}\n")
    said = run(program, "--map", "tests/kvfree/test_thing.py", status=1)
    assert said == "a part of the map can be made anew only while the program is what the map is of: --map\n"
    module.write_text(PROGRAM)


def test_a_draw_is_the_same_for_a_seed_and_another_for_another() -> None:
    """By seed; and all floors have some."""
    drawn = draw(ROOT, 1, 300)
    assert drawn == draw(ROOT, 1, 300)
    assert drawn != draw(ROOT, 2, 300)
    assert {mutant.path.split("/")[1] for mutant in drawn} == {"kvfree", "rcu", "context", "mm", "kernel"}


@pytest.mark.parametrize("path", ["rcuactors/kvfree/core.py", "rcuactors/rcu/gp.py", "rcuactors/mm/page/zone.py"])
def test_each_mutant_is_another_program_with_the_same_lines(path: str) -> None:
    """None is the program itself, and none fails to compile."""
    if path not in set(modules(ROOT)):
        path = next(module for module in modules(ROOT) if module.startswith("rcuactors/mm/"))
    whole = compile((ROOT / path).read_text(), str(ROOT / path), "exec", dont_inherit=True)
    mutants: list[Mutant] = mutants_of(ROOT, path)
    assert len(mutants) > 10
    for mutant in mutants[:: max(1, len(mutants) // 40)]:
        code = compiled(ROOT, mutant)
        assert code != whole, str(mutant)
        assert mutant.before != mutant.after


def test_those_called_equivalent_are_still_there_and_each_has_its_argument() -> None:
    """A mutant that is not found any more is no longer excused."""
    by_path: dict[str, set[str]] = {}
    for key, why in equivalent.read().items():
        path = key.partition(" ")[0]
        keys = by_path.setdefault(path, {mutant.key for mutant in mutants_of(ROOT, path)})
        assert key in keys, f"no such mutant: {key}"
        assert len(why.split()) > 5, f"that is no argument: {why}"


@pytest.mark.parametrize(
    ("test", "near"),
    [
        ("tests/kernel/time/test_timer.py", 3),
        ("tests/kernel/time/test_hrtimer.py", 2),
        ("tests/kernel/test_smp.py", 1),
        ("tests/rcu/test_timer.py", 0),
        ("tests/test_timer.py", 0),
    ],
)
def test_the_nearest_tests_are_tried_first(test: str, near: int) -> None:
    assert nearness(test, "rcuactors/kernel/time/timer.py") == near
