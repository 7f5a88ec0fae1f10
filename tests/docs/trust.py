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
DATA = ROOT / "tests" / "data"
ASKED = {"6.1.192": "context-6.1", "6.12.117": "context-6.12"}
"""The kernels that were asked, and the folders of what they said."""

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


def listed(folder: str, name: str) -> dict[str, str]:
    """KERNEL/QUESTION -> what stands behind it, of a file beside the recordings."""
    lines = (DATA / folder / name).read_text(encoding="utf-8").splitlines()
    cells = [line.partition("\t") for line in lines if line and not line.startswith("#")]
    return {question: rest for question, _, rest in cells}


def group(question: str) -> str:
    """A1 of A/A1-bh-gpfirst."""
    return question.partition("/")[2].partition("-")[0]


def recorded(folder: str) -> list[str]:
    """KERNEL/QUESTION of every recording."""
    with tarfile.open(DATA / folder / f"{folder}.tar.xz") as archive:
        found = [re.search(r"([^/]+/[^/]+)\.txt$", name) for name in archive.getnames()]
    return [match[1] for match in found if match]


def _standing(folder: str) -> dict[str, tuple[int, int, int]]:
    """By group, and for all: how many agree, differ, cannot be put."""
    everything = Counter(map(group, recorded(folder)))
    wrong, apart = (Counter(map(group, listed(folder, name))) for name in ("differing.txt", "not-expressible.tsv"))
    counts = {name: (every - wrong[name] - apart[name], wrong[name], apart[name]) for name, every in everything.items()}
    totals = (everything.total() - wrong.total() - apart.total(), wrong.total(), apart.total())
    return {**dict(sorted(counts.items())), "all": totals}


def asked(markdown: Markdown) -> str:
    standing = {kernel: _standing(folder) for kernel, folder in ASKED.items()}
    groups = sorted({name for found in standing.values() for name in found if name != "all"})
    head = ("group", *(f"{kernel}: {word}" for kernel in ASKED for word in ("agree", "differ", "not expressible")))
    rows = [
        (
            name,
            *(
                str(count) if name in found else ""
                for found in standing.values()
                for count in found.get(name, (0,) * 3)
            ),
        )
        for name in [*groups, "all"]
    ]
    return markdown(head, rows)


def asked_differing(markdown: Markdown) -> str:
    rows = [
        (kernel, name, marks(question for question in found if group(question) == name))
        for kernel, folder in ASKED.items()
        if (found := sorted(listed(folder, "differing.txt")))
        for name in sorted(set(map(group, found)))
    ]
    return markdown(("kernel", "group", "questions that differ"), rows)


def asked_reasons(markdown: Markdown) -> str:
    rows = [
        (kernel, str(n), why)
        for kernel, folder in ASKED.items()
        for why, n in Counter(listed(folder, "not-expressible.tsv").values()).most_common()
    ]
    return markdown(("kernel", "questions", "why they cannot be put"), rows)
