"""The tables of this folder: what was reported of each case, and where the model says something else."""

from __future__ import annotations

import csv
from pathlib import Path

import attrs

HERE = Path(__file__).resolve().parent


@attrs.frozen
class Case:
    """One row of cases.tsv: what is told on this kernel with these settings, in the order of the first."""

    scenario: str
    kernel: str
    settings: str
    kinds: str

    @property
    def path(self) -> Path:
        """The file of the scenario."""
        return HERE / f"{self.scenario}.py"

    @property
    def chosen(self) -> dict[str, str]:
        """Settings and parameters, as `run()` takes them."""
        return dict(word.split("=", 1) for word in self.settings.split())

    def __str__(self) -> str:
        return " ".join(filter(None, (self.scenario, self.kernel, self.settings)))


@attrs.frozen
class Differing:
    """One row of differing.tsv: what the model says of a case instead, and why."""

    model: str
    reason: str


def rows(name: str) -> list[dict[str, str]]:
    with (HERE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def read_cases() -> list[Case]:
    """Every row, in the order of the file."""
    return [Case(**row) for row in rows("cases.tsv")]


def read_differing() -> dict[Case, Differing]:
    """The cases of which the model says something else."""
    found = {}
    for row in rows("differing.tsv"):
        key = (row["scenario"], row["kernel"], row["settings"])
        (case,) = (case for case in read_cases() if (case.scenario, case.kernel, case.settings) == key)
        found[case] = Differing(row["model"], row["reason"])
    return found
