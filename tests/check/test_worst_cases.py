"""The worst case of each bundled scenario, and of each case of a real kernel's report (tests/cases).

worst.tsv says what is found in order of time in each surroundings, on which versions and in which build. It is what
was, so that no change goes unseen, and each row of it is held to a reason: a bundled scenario shows what it promises,
and bugs that its versions are known to have, and nothing else; a case that a real kernel reported is no, and mended it
is clean. What is meant to change is written anew:

    python tests/check/test_worst_cases.py
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from rcuactors import load_scenario  # noqa: E402 - the file is run by itself, too
from rcuactors.builds import BUILDS  # noqa: E402
from rcuactors.check import Checked, check  # noqa: E402
from rcuactors.check.text import range_of  # noqa: E402
from rcuactors.eras import ERAS  # noqa: E402
from rcuactors.userfiles import find_scenarios  # noqa: E402
from tests.cases.table import read_cases  # noqa: E402

FILE = Path(__file__).with_name("worst.tsv")
FIELDS = ("scenario", "parameters", "kernels", *BUILDS)
SMALLER = {
    "cold_cache_burst": {"objects": "600"},
    "flood": {"objects": "2000"},
    "kunit_nolock": {"objects": "40"},
    "nmi_caller": {"objects": "60"},
    "shrinker_pressure": {"objects": "100"},
    "slab_and_vmalloc": {"objects": "60"},
}
CHECKS = {name for build in BUILDS.values() for name in build.settings}
SHORT = ("v5.9", "v6.12.0", "v7.3")
QUICK = ("hardirq_caller", "preempt_off_caller", "raw_lock_caller", "spin_under_raw")
SLOW = ("c12_unmatched_rcu", "c52_walk_restart")


@attrs.frozen
class Subject:
    """What is checked: a bundled scenario on every version, or a case on its own."""

    name: str
    source: str
    parameters: tuple[tuple[str, str], ...]
    kernels: tuple[str, ...]

    def check(self, *, kernels: tuple[str, ...] = (), schedules: int | None = None, **words: Any) -> Checked:
        """In order of time, each cell once unless there is less room."""
        chosen = tuple(kernel for kernel in kernels or self.kernels if kernel in self.kernels)
        most = schedules or 6 * len(BUILDS) * len(chosen)
        checked = check(
            load_scenario(self.source), kernels=chosen, schedules=most, **{**dict(self.parameters), **words}
        )
        assert schedules or all(state.tried for state in checked.states.values())
        return checked

    def __str__(self) -> str:
        return " ".join([self.name, *(f"{name}={text}" for name, text in self.parameters)])


def bundled() -> list[Subject]:
    return [Subject(name, name, tuple(SMALLER.get(name, {}).items()), tuple(ERAS)) for name in sorted(find_scenarios())]


def cases() -> list[Subject]:
    """Each case on all versions of which there is a report, with what it was reported under besides checks."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], list[str]] = {}
    paths: dict[str, Path] = {}
    for case in read_cases():
        parameters = tuple((name, text) for name, text in case.chosen.items() if name not in CHECKS)
        found.setdefault((case.scenario, parameters), []).append(case.kernel)
        paths[case.scenario] = case.path
    return [
        Subject(name, str(paths[name]), parameters, tuple(version for version in ERAS if version in kernels))
        for (name, parameters), kernels in found.items()
    ]


def worst(checked: Checked, version: str, build: str) -> str:
    """Kinds that were found in order of time, expected or not."""
    kinds = set[str]()
    for state in checked.states.values():
        if state.cell.entry == (version, build):
            kinds |= state.met
            if state.found is not None and state.found.in_order_of_time and state.found.found is not None:
                kinds.add(state.found.found.signature.kind)
    return ", ".join(sorted(kinds)) or "clean"


def table_of(checked: Checked, kernels: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    return {version: tuple(worst(checked, version, build) for build in BUILDS) for version in kernels}


def read() -> dict[tuple[str, str], tuple[str, ...]]:
    """(subject, version) -> what is found in each build."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    with FILE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            subject = " ".join(filter(None, (row["scenario"], row["parameters"])))
            for version in ERAS:
                if version in expanded(row["kernels"]):
                    found[subject, version] = tuple(row[build] for build in BUILDS)
    return found


def expanded(kernels: str) -> list[str]:
    versions, found = list(ERAS), list[str]()
    for part in kernels.split(", "):
        first, _, last = part.partition(" to ")
        found += versions[versions.index(first) : versions.index(last or first) + 1]
    return found


def reasons(checked: Checked) -> list[str]:
    """Findings that are no bug of the version."""
    return [f"{finding.shown.title} ({finding.plainest.cell})" for finding in checked.findings if not finding.known]


# -- in short ----------------------------------------------------------------------------------------------------------


@pytest.mark.one_in(2)
@pytest.mark.parametrize("name", QUICK)
def test_a_bundled_scenario_in_short(name: str) -> None:
    (subject,) = (subject for subject in bundled() if subject.name == name)
    checked, known = subject.check(kernels=SHORT), read()
    assert reasons(checked) == []
    assert table_of(checked, SHORT) == {version: known[str(subject), version] for version in SHORT}


@pytest.mark.one_in(3)
@pytest.mark.parametrize("subject", [subject for subject in cases() if subject.name not in SLOW], ids=str)
def test_a_case_as_booted(subject: Subject) -> None:
    kernel = subject.kernels[-1:]
    checked = subject.check(kernels=kernel, schedules=len(BUILDS))
    (found,) = table_of(checked, kernel).values()
    assert set(found) != {"clean"}
    for kinds, whole in zip(found, read()[str(subject), kernel[0]], strict=True):
        assert kinds == "clean" or set(kinds.split(", ")) <= set(whole.split(", "))


# -- as a whole --------------------------------------------------------------------------------------------------------


@pytest.mark.campaign
@pytest.mark.parametrize("subject", bundled(), ids=str)
def test_a_bundled_scenario(subject: Subject) -> None:
    checked = subject.check()
    assert reasons(checked) == []
    assert table_of(checked, subject.kernels) == {version: read()[str(subject), version] for version in ERAS}


@pytest.mark.campaign
@pytest.mark.parametrize("subject", cases(), ids=str)
def test_a_case_and_its_mend(subject: Subject) -> None:
    checked = subject.check()
    assert not checked.clean
    assert table_of(checked, subject.kernels) == {version: read()[str(subject), version] for version in subject.kernels}
    assert subject.check(fixed="y").clean


def main() -> None:
    """Write the file anew, or the subjects of these names."""
    names = sys.argv[1:]
    old = FILE.read_text(encoding="utf-8").splitlines()[1:] if names else []
    with FILE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE)
        writer.writerow(FIELDS)
        for subject in [*cases(), *bundled()]:
            parameters = " ".join(f"{name}={text}" for name, text in subject.parameters)
            if names and subject.name not in names:
                begins = f"{subject.name}\t{parameters}\t"
                file.writelines(f"{line}\n" for line in old if line.startswith(begins))
                continue
            rows: dict[tuple[str, ...], list[str]] = {}
            for version, found in table_of(subject.check(), subject.kernels).items():
                rows.setdefault(found, []).append(version)
            for found, versions in rows.items():
                writer.writerow([subject.name, parameters, range_of(versions), *found])
            file.flush()
            print(subject, flush=True)


if __name__ == "__main__":
    main()
