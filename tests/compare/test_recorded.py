"""Workloads from recordings: what is kept of them is what is in the recordings, and that is what is freed."""

from __future__ import annotations

from collections import Counter

import pytest

from rcuactors.compare.recorded import sections_of
from rcuactors.compare.workloads import WORKLOADS
from rcuactors.runs import Run, RunOptions
from tests.compare.make_recorded import RECORDED, SOURCES, lines_of

NAMES = [workload.name for workload in WORKLOADS.values() if workload.recorded]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_kept_is_what_was_recorded(name: str) -> None:
    kept = (RECORDED / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    assert kept == list(lines_of(*SOURCES[name]))
    assert kept[0].startswith(f"# From the recording {SOURCES[name][0].removesuffix('.txt.gz')} ")


def test_every_workload_says_where_it_comes_from() -> None:
    assert sorted(NAMES) == sorted(SOURCES)
    abouts = [workload.about for workload in WORKLOADS.values()]
    assert all(about.startswith(("made up: ", "recorded on ")) for about in abouts)
    assert len(abouts) > len(NAMES) > 0


@pytest.mark.parametrize("version", ["v5.11", "v7.3"])
@pytest.mark.parametrize("name", NAMES)
def test_all_of_it_is_freed_where_it_was_recorded(name: str, version: str) -> None:
    run = Run(WORKLOADS[name].scenario, RunOptions(kernel=version, events=False))
    assert run.attempt() is None
    calls = run.result().counters.calls
    recorded: Counter[int] = Counter()
    for section in sections_of(name):
        recorded[section.arguments] += section.count
    made = {2: sum(calls.two_argument.values()), 1: sum(calls.one_argument.values())}
    assert made == {2: recorded[2], 1: recorded[1]}
    if name == "raw_bursts":
        assert set(calls.two_argument) == {"irqs_off"} or "process" not in calls.two_argument


def test_sections_begin_when_they_began() -> None:
    sections = sections_of("everyday")
    assert [section.at_us for section in sections] == sorted(section.at_us for section in sections)
    assert sections[0].at_us == 0
    run = Run(WORKLOADS["everyday"].scenario, RunOptions(kernel="v5.11", events=False))
    run.attempt()
    assert sections[-1].at_us * 1_000 <= run.result().end_ns
