"""The tables of docs/trust.md: what was tried on the model, as the files say that the tests hold it to."""

from __future__ import annotations

import csv
import re
import tarfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from rcuactors.userfiles import load_scenario
from tests.cases.table import Case, read_cases, read_differing

ROOT = Path(__file__).resolve().parent.parent.parent
QUESTIONS = ROOT / "tests" / "data" / "context-6.1"

Row = tuple[str, ...]
Markdown = Callable[[Row, Iterable[Row]], str]


def marks(words: Iterable[str]) -> str:
    """Each in code marks."""
    return " ".join(f"`{word}`" for word in words)


def case_row(case: Case) -> Row:
    path = f"tests/cases/{case.scenario}.py"
    about = load_scenario(case.path).about.removeprefix(f"{case.scenario}: ").removesuffix(".")
    agrees = "no" if case in read_differing() else "yes"
    return (f"[`{case.scenario}`](../{path})", about, case.kernel, marks(case.settings.split()), case.kinds, agrees)


def cases(markdown: Markdown, prefixes: str) -> str:
    """The cases whose names begin with one of these letters."""
    head = ("case", "what it is about", "kernel", "settings", "told, in this order", "agrees")
    return markdown(head, [case_row(case) for case in read_cases() if case.scenario[0] in prefixes])


def differing(markdown: Markdown) -> str:
    rows = [
        (f"`{case.scenario}`", case.kernel, case.kinds, found.model, found.reason)
        for case, found in read_differing().items()
    ]
    return markdown(("case", "kernel", "reported", "the model", "why"), rows)


def standing(markdown: Markdown) -> str:
    """Reports and rows in all, and how many agree."""
    rows = []
    for what, prefixes in (("after public reports", "c"), ("smallest forms, and an audit", "af")):
        of = [case for case in read_cases() if case.scenario[0] in prefixes]
        wrong = sum(case in read_differing() for case in of)
        scenarios = len({case.scenario for case in of})
        rows.append((what, str(scenarios), str(len(of)), str(len(of) - wrong), str(wrong)))
    return markdown(("cases", "scenarios", "rows", "agree", "differ"), rows)


def lacking(markdown: Markdown) -> str:
    with (ROOT / "tests" / "cases" / "lacking.tsv").open(encoding="utf-8", newline="") as file:
        rows = [
            (row["subject"], marks(row["words"].split()), row["why"]) for row in csv.DictReader(file, delimiter="\t")
        ]
    return markdown(("subject", "words that are not there", "why"), rows)


# -- questions that real kernels were asked ----------------------------------------------------------------------------


def listed(name: str) -> dict[str, str]:
    """KERNEL/QUESTION -> what stands behind it, of a file beside the recordings."""
    lines = (QUESTIONS / name).read_text(encoding="utf-8").splitlines()
    cells = [line.partition("\t") for line in lines if line and not line.startswith("#")]
    return {question: rest for question, _, rest in cells}


def group(question: str) -> str:
    """A1 of A/A1-bh-gpfirst."""
    return question.partition("/")[2].partition("-")[0]


def recorded() -> list[str]:
    """KERNEL/QUESTION of every recording."""
    with tarfile.open(QUESTIONS / "context-6.1.tar.xz") as archive:
        found = [re.search(r"([^/]+/[^/]+)\.txt$", name) for name in archive.getnames()]
    return [match[1] for match in found if match]


def asked(markdown: Markdown) -> str:
    everything = Counter(map(group, recorded()))
    wrong, apart = (Counter(map(group, listed(name))) for name in ("differing.txt", "not-expressible.tsv"))
    rows = [
        (name, str(count - wrong[name] - apart[name]), str(wrong[name]), str(apart[name]))
        for name, count in sorted(everything.items())
    ]
    totals = (everything.total() - wrong.total() - apart.total(), wrong.total(), apart.total())
    return markdown(("group", "agree", "differ", "not expressible"), [*rows, ("all", *map(str, totals))])


def asked_differing(markdown: Markdown) -> str:
    by_group: dict[str, list[str]] = {}
    for question in sorted(listed("differing.txt"), key=lambda question: (group(question), question)):
        by_group.setdefault(group(question), []).append(question)
    return markdown(("group", "questions that differ"), [(name, marks(found)) for name, found in by_group.items()])


def asked_reasons(markdown: Markdown) -> str:
    reasons = Counter(listed("not-expressible.tsv").values())
    return markdown(("questions", "why they cannot be put"), [(str(n), why) for why, n in reasons.most_common()])
