"""One verdict of many findings: dry or not, fatal or not, the worst of the seeds."""

from __future__ import annotations

import pytest

from rcuactors.compare.probe import Finding
from rcuactors.compare.verdict import Verdict, verdict_of

OK_FILLED, OK_EMPTY = Finding(fill="filled", way="w"), Finding(fill="empty", way="w")
WAIT = Finding(fill="empty", way="w", kind="invalid-wait-context", title="BUG: Invalid wait context: x")
DEAD = Finding(fill="empty", way="w", kind="recursive-locking", title="recursion", fatal="deadlock")
OK_LOW = Finding(fill="low", way="w")
LOW = Finding(fill="low", way="w", kind="invalid-wait-context", title="BUG: Invalid wait context: y")
LOW_DEAD = Finding(fill="low", way="w", kind="circular-locking", title="circle", fatal="deadlock")
SLEEPS = Finding(fill="filled", way="w", kind="sleeping-function", title="sleeps")
KEPT = Finding(fill="empty", way="w", kind="never-freed", title="8 objects")
OOPS = Finding(fill="filled", way="w", kind="null-dereference", title="NULL", fatal="null-dereference")


@pytest.mark.parametrize(
    ("findings", "word", "sentence"),
    [
        ([OK_FILLED, OK_EMPTY], "legal", "legal"),
        (
            [OK_FILLED, WAIT],
            "~wait-ctx",
            "legal until the pcplist runs dry, then invalid-wait-context: BUG: Invalid wait context: x",
        ),
        ([SLEEPS, OK_EMPTY], "sleeps", "sleeping-function: sleeps"),
        ([SLEEPS, DEAD], "deadlock", "sleeping-function, then deadlock: sleeps"),
        (
            [OK_FILLED, DEAD],
            "~deadlock",
            "legal until the pcplist runs dry, then recursive-locking, then deadlock: recursion",
        ),
        ([OK_FILLED, WAIT, OK_FILLED, DEAD], "~deadlock", None),
        (
            [OK_FILLED, OK_EMPTY, LOW],
            "-wait-ctx",
            "legal until memory is short, then invalid-wait-context: BUG: Invalid wait context: y",
        ),
        ([OK_FILLED, WAIT, LOW], "~wait-ctx", None),
        ([OK_FILLED, WAIT, LOW_DEAD], "~wait-ctx", None),
        ([OK_FILLED, OK_EMPTY, LOW_DEAD], "-deadlock", None),
        ([SLEEPS, OK_EMPTY, LOW], "sleeps", "sleeping-function: sleeps"),
        ([OOPS, OK_EMPTY], "oops", "null-dereference: NULL"),
        ([OK_FILLED, KEPT], "legal+", "legal, but at the end never-freed: 8 objects"),
        ([SLEEPS, KEPT], "sleeps", "sleeping-function: sleeps"),
    ],
)
def test_one_seed(findings: list[Finding], word: str, sentence: str | None) -> None:
    verdict = verdict_of({0: findings})
    assert verdict.word == word
    assert sentence is None or verdict.sentence() == sentence


def test_the_worst_of_the_seeds_and_in_how_many() -> None:
    verdict = verdict_of({7: [OK_FILLED, WAIT], 8: [OK_FILLED, OK_EMPTY], 9: [SLEEPS, OK_EMPTY], 10: [OK_FILLED, DEAD]})
    assert (verdict.kind, verdict.failed, verdict.seeds, verdict.dry) == ("sleeping-function", 3, 4, False)
    assert verdict.failing == (7, 9, 10)
    assert "(in 3 of 4 seeds: 7, 9, 10)" in verdict.sentence()
    assert verdict.word == "sleeps 3/4"


def test_ranks_are_in_order() -> None:
    ordered = [
        [OK_FILLED],
        [OK_FILLED, KEPT],
        [LOW],
        [LOW_DEAD],
        [OK_FILLED, WAIT],
        [OK_FILLED, DEAD],
        [SLEEPS],
        [OOPS],
    ]
    ranks = [verdict_of({0: findings}).rank for findings in ordered]
    assert ranks == sorted(set(ranks))


def test_as_json_says_legal() -> None:
    assert Verdict().as_json()["verdict"] == "legal"
    assert verdict_of({0: [OOPS]}).as_json()["verdict"] == "null-dereference"
