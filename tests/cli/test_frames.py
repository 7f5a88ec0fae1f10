"""What `--live` shows of comparisons and recordings: as much as there is room for, and how much is left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rcuactors.cli.frames import comparison, conformance
from rcuactors.cli.watching import HowFar
from rcuactors.compare.designs import find_designs
from rcuactors.compare.kernels import find_kernels
from rcuactors.compare.tasks import Answer, Plan, tasks_of
from rcuactors.conform import Conformance, conform
from rcuactors.conform.course import Course
from rcuactors.report.styled import Line, plain

RECORDING = Path(__file__).parents[1] / "data" / "recordings" / "kvfree-6.12" / "c_mixed_2_min5.txt.gz"


def texts(lines: list[Line] | Any) -> list[str]:
    return [plain(line) for line in lines]


def test_cells_of_a_comparison_are_counted_as_they_are_done() -> None:
    kernels = find_kernels(["plain", "rt"], {})
    designs = find_designs(["direct", "hrtimer-work", "sheaves"], [])
    plan = Plan(designs=designs, kernels=kernels, measured=kernels[:1], scenarios=("one_argument",))
    tasks = list(tasks_of(plan))
    answers: dict[int, Answer] = {}
    frame = comparison(tasks, answers, lambda: "so far")
    assert texts(frame(80, 20))[1:] == [
        "              plain     rt",
        "direct          0/1    0/1",
        "hrtimer-work    0/1    0/1",
        "sheaves         0/1    0/1",
    ]
    for number, task in enumerate(tasks):
        if task.design.name == "direct" or (task.design.name == "sheaves" and task.kernel.name == "rt"):
            answers[number] = []
    assert texts(frame(80, 20)) == [
        "[##########..........] so far",
        "              plain     rt",
        "direct          1/1    1/1",
        "hrtimer-work    0/1    0/1",
        "sheaves         0/1    1/1",
    ]
    assert texts(frame(80, 4))[2:] == ["direct          1/1    1/1", "and 2 designs not shown"]


def test_a_recording_is_counted_while_it_is_read_and_told_when_it_was(tmp_path: Path) -> None:
    answers: dict[int, Conformance | str] = {}
    courses: list[Course] = []
    seen: list[list[str]] = []
    paths = [str(RECORDING), "gone.txt", "later.txt"]

    def look() -> bool:
        seen.append(texts(frame(80, 20)))
        return True

    watched = HowFar(look)
    frame = conformance(paths, answers, watched, lambda: courses[-1] if courses else None)
    watched.begins(paths[0])
    answer = conform(paths[0], progress=watched.read, watch=watched.at, begun=courses.append)
    last = seen[-1]
    assert last[0] == "0 of 3 recordings"
    assert last[1].startswith("[")
    assert " lines of " in last[1]
    told = [line for lines in seen for line in lines if line.startswith("decisions ")]
    agreed = [int(line.split()[1].replace(",", "")) for line in told]
    assert agreed == sorted(agreed)
    assert 0 < agreed[-1] <= sum(answer.compared.values())
    assert "call" in told[-1]
    answers.update({0: answer, 1: "no such file"})
    assert texts(frame(80, 20))[-3:] == [
        f"{paths[0]}: agrees, {sum(answer.compared.values()):,} decisions",
        "gone.txt: no such file",
        "later.txt: to come",
    ]
    assert texts(frame(80, 7))[-1] == "and 2 recordings not shown"
