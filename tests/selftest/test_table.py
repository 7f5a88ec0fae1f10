"""selftest/: the table is the one that a real kernel printed at boot, as far as the model has its parts."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from rcuactors.selftest import LEFT_OUT, Case, Outcome, run_selftest, sections, selftest_lines
from rcuactors.selftest.program import parse

NEST_LOCKS = ("spinlock nest unlocked", "spinlock nest test")
"""What is run of the Wound/wait tests."""

FAMILIES = {
    "A-A deadlock": "recursive-locking",
    "A-B-": "circular-locking",
    "double unlock": "bad-unlock",
    "initialize held": "held-lock-freed",
    "recursive read-lock": "recursive-locking",
    "mixed read-write-lock": "recursive-locking",
    "mixed write-read-lock": "recursive-locking",
    "mixed read-lock/": "circular-locking",
    "mixed write-lock/": "circular-locking",
    "chain cached": "circular-locking",
    "rlock ": "circular-locking",
    "hard-irqs-on + irq-safe-A": "inconsistent-lock-state",
    "soft-irqs-on + irq-safe-A": "inconsistent-lock-state",
    "sirq-safe-A": "inconsistent-lock-state",
    "hard-safe-A + irqs-on": "inconsistent-lock-state",
    "soft-safe-A + irqs-on": "inconsistent-lock-state",
    "spinlock nest": "nest-lock-not-held",
    "hardirq read-lock": "circular-locking",
    "wrong nesting": "recursive-locking",
    "in ": "invalid-wait-context",
}
"""The start of a label -> the kind of its reports."""


def recorded_parts(text: str) -> Iterator[list[str]]:
    """The recorded table from one heading to the next: what stands between two rules and belongs to one title."""
    lines = [line for line in text.splitlines() if not line.startswith(("#", "Linux version"))]
    starts = [index for index, line in enumerate(lines) if line.startswith("  | ")]
    # A title has the rule above it; what comes before the first title is the classic part.
    bounds = [0, *(start - 1 for start in starts), lines.index("-" * 55)]
    yield from (lines[begin:end] for begin, end in pairwise(bounds))


def title_of(part: list[str]) -> str:
    return part[1].strip("| ") if part[1].startswith("  | ") else ""


def known_lines(part: list[str]) -> list[str]:
    """Of a part that is not run as a whole its heading and the rows that are."""
    if title_of(part) not in LEFT_OUT:
        return part
    return part[:3] + [line for line in part[3:] if line.partition(":")[0].strip() in NEST_LOCKS]


@pytest.fixture(scope="module")
def outcomes() -> dict[Case, Outcome]:
    return run_selftest()


@pytest.fixture(scope="module")
def recording(root: Path) -> str:
    return (root / "tests" / "data" / "lock-nesting" / "locking_selftest.txt").read_text()


def test_the_recorded_table_has_the_parts_known_here(recording: str) -> None:
    titles = [title_of(part) for part in recorded_parts(recording)]
    assert titles == [
        "",
        "Wound/wait tests",
        "queued read lock tests",
        "fs_reclaim tests",
        "wait context tests",
        "local_lock tests",
    ]
    assert set(LEFT_OUT) < set(titles)


def test_same_lines_as_the_kernel(recording: str, outcomes: dict[Case, Outcome]) -> None:
    expected = [line for part in recorded_parts(recording) for line in known_lines(part)]
    printed = selftest_lines(outcomes)
    assert printed[: len(expected)] == expected
    assert [line.partition(" (")[0] for line in printed[len(expected) :]] == [
        "-" * 55,
        *(f"not run: {part}" for part in LEFT_OUT),
        f"Good, all {len(outcomes)} testcases passed! |",
    ]


def test_nothing_is_lost_from_the_kernels_count(recording: str, outcomes: dict[Case, Outcome]) -> None:
    left_out = [part for part in recorded_parts(recording) if title_of(part) in LEFT_OUT]
    cells = {
        title_of(part): sum(line.count("  ok  |") for line in part if line not in known_lines(part))
        for part in left_out
    }
    assert {part: int(why.split()[0]) for part, why in LEFT_OUT.items()} == cells
    assert f"Good, all {len(outcomes) + sum(cells.values())} testcases passed! |" in recording


def test_wait_contexts_are_those_recorded(root: Path) -> None:
    path = root / "tests" / "data" / "lock-nesting" / "locking_selftest_wait_context.csv"
    with path.open(newline="") as file:
        recorded = [row[1:5] for row in csv.reader(file)][1:]
    part = next(section for section in sections() if "  | wait context tests |" in section.heading)
    expected = [
        ["forbidden" if case is not None and case.reported else "allowed" for case in row.cells] for row in part.rows
    ]
    assert expected == recorded


def test_each_mistake_is_called_by_its_name(outcomes: dict[Case, Outcome]) -> None:
    wrong = {}
    for case, outcome in outcomes.items():
        kinds = [kind for start, kind in FAMILIES.items() if case.label.startswith(start)]
        if outcome.report is not None and kinds and outcome.report.kind.value not in kinds:
            wrong[case.name] = outcome.report.kind.value
    assert wrong == {}


@pytest.mark.parametrize(
    ("order", "kind"),
    [
        ("123", "irq-lock-inversion"),  # the interrupt comes last: A turns irq-safe
        ("132", "irq-lock-inversion"),  # the plain use comes last: B turns irq-unsafe
        ("231", "safe-unsafe-lock-order"),  # both are known when B is taken under A
        ("321", "safe-unsafe-lock-order"),
    ],
)
@pytest.mark.parametrize("irq", ["hard", "soft"])
def test_the_report_names_what_completed_the_mistake(
    outcomes: dict[Case, Outcome], irq: str, order: str, kind: str
) -> None:
    label = f"{irq}-safe-A + unsafe-B #2/{order}"
    reports = [outcome.report for case, outcome in outcomes.items() if case.label == label and case.reported]
    assert [report.kind.value for report in reports if report is not None] == [kind, kind]


def test_every_case_is_there_once(outcomes: dict[Case, Outcome]) -> None:
    cases = [case for section in sections() for row in section.rows for case in row.cells if case is not None]
    assert len(cases) == len(outcomes)
    assert len({(case.label, case.column) for case in cases}) == len(cases)
    assert all(parse(case.program) for case in cases)


def test_the_orders_of_a_row_are_different_programs(outcomes: dict[Case, Outcome]) -> None:
    programs = {case.program for case in outcomes if case.label.startswith("hard-irq read-recursion #2/")}
    assert len(programs) == 6 * 2
