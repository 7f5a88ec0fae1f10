"""A task that is not pinned may be moved between its call's probe and the lock: worlds, until one explains no more.

In the recordings the probe's line is put on another CPU than the call's own lines, which tell where the lock was taken.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rcuactors.conform import conform
from rcuactors.conform.begin import first_states
from rcuactors.conform.explain import Explainer
from rcuactors.conform.lines import Told, read
from rcuactors.eras import find_era
from rcuactors.kvfree import invariants
from rcuactors.traces import Trace

from .recorded import DATA, lines_of, written

ONE = "kvfree/a_cold_1_min5_rep1"
FOUR = "kvfree-6.12/c_mixed_2_min5"


def calls_in(lines: list[str]) -> list[int]:
    """Where the calls are."""
    return [at for at, line in enumerate(lines) if ": kvfree_call_rcu: " in line]


def on_cpu(line: str, cpu_id: int, flags: str = r"\g<1>") -> str:
    """The line as if it had been written on another CPU."""
    return re.sub(r"\[\d+\] (\S+)", rf"[{cpu_id:03d}] {flags}", line, count=1)


@pytest.mark.parametrize("name", [ONE, FOUR])
def test_a_call_counts_where_its_task_has_taken_the_lock(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines, whole = lines_of(name), conform(DATA / f"{name}.txt.gz")
    moved = [on_cpu(line, 0) if ": kvfree_call_rcu: " in line else line for line in lines]
    for one in calls_in(lines):
        said = conform(written(tmp_path, [*lines[:one], moved[one], *lines[one + 1 :]]))
        assert said.exit_code == 0, said.lines()
        assert said.compared == whole.compared
    # With nobody moved it would be another CPU's.
    monkeypatch.setattr(Told, "moves", lambda _told, _line: [])
    assert conform(written(tmp_path, [*lines[:one], moved[one], *lines[one + 1 :]])).exit_code == 1


def test_several_may_be_moved(tmp_path: Path) -> None:
    lines = lines_of(FOUR)
    first, second, third, _ = calls_in(lines)
    for at in (first, second, third):
        lines[at] = on_cpu(lines[at], 2)
    said = conform(written(tmp_path, lines))
    # The line behind the third is that of the fourth, on CPU 1.
    assert said.exit_code == 0, said.lines()


@pytest.mark.parametrize("flags", ["...1.", "d....", "..s.."])
def test_who_is_pinned_is_not_moved(tmp_path: Path, flags: str) -> None:
    lines = lines_of(ONE)
    (at,) = calls_in(lines)
    assert conform(written(tmp_path, [*lines[:at], on_cpu(lines[at], 0, flags), *lines[at + 1 :]])).exit_code == 1


def moved_behind() -> tuple[list[str], int]:
    """The line behind a call is on another CPU; the state behind that says that the object is where the probe was."""
    lines = lines_of(FOUR)
    at = calls_in(lines)[1]
    assert "STMTEND" in lines[at + 1]
    lines[at + 1] = on_cpu(lines[at + 1], 0)
    return lines, at + 1


def test_who_is_moved_behind_his_call_has_been_in_two_worlds_until_then(tmp_path: Path) -> None:
    """On the other CPU nothing is queued: there the call would have started timers."""
    lines, at = moved_behind()
    told = read(Trace(written(tmp_path, lines)))
    explainer = Explainer(told, find_era("v6.12"))
    worlds: dict[int, int] = {}

    def watch(number: int) -> bool:
        worlds[number] = len(explainer.worlds)
        return True

    explainer.watch = watch
    with invariants.checking(on=False):
        verdict = explainer.run(first_states(told, explainer.place, -1))
    assert verdict.disagreement is None
    assert {number: count for number, count in worlds.items() if count > 1} == {at + 1: 2}


def test_too_many_worlds_are_undecided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, moved_behind()[0])
    assert conform(path).exit_code == 0
    monkeypatch.setattr("rcuactors.conform.explain.MOST_WORLDS", 1)
    said = conform(path)
    assert said.exit_code == 2
    assert "2 ways in which tasks may have been moved" in said.undecided
