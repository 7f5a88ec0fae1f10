"""The benchmarks still run, in small; what they print is for people, not for a test."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def benchmarks() -> ModuleType:
    path = Path(__file__).with_name("run.py")
    spec = importlib.util.spec_from_file_location("benchmarks_run", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_peer_and_the_machine_free_every_object(benchmarks: ModuleType) -> None:
    assert benchmarks.run_peer(3_000, 500, cpus=2) == 6_000
    result = benchmarks.burst(3_000)
    assert result.counters["bulk_objects"] + result.counters["list_freed"] == 3_000


FIGURES = {
    "calls": lambda b: b.calls_against_simpy(2_000, 1),
    "a hundred times": lambda b: b.hundred_times(50, 1),
    "memory": lambda b: b.memory_follows_outstanding(50),
    "many CPUs": lambda b: b.many_cpus(200, 1),
    "hand-overs": lambda b: b.hand_overs_against_trio(200, 1),
    "first answer": lambda b: b.first_answer(1),
    "may": lambda b: b.may_in("udelay(1)", "--in", "process", "--kernels", "v6.12:all", rounds=1),
    "random": lambda b: b.schedules_under_random(3, 1),
    "without Trio": lambda b: b.schedules_without_trio(3, 1),
    "two processes": lambda b: b.two_processes(110, 1),
    "against itself": lambda b: b.schedules_against(Path(__file__).parents[2], 3, 1),
    "description": lambda b: b.description_against_bare_reading(2_000, 1),
    "memory of description": lambda b: b.memory_of_description(200),
    "validation": lambda b: b.validation(2_000, 1),
}


@pytest.mark.one_in(3)
@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_measured(benchmarks: ModuleType, name: str) -> None:
    figure = FIGURES[name](benchmarks)
    if name == "validation":
        assert figure.ratio < 1
        assert "without" in figure.line()
        return
    assert figure.ratio > 0
    assert figure.name in figure.line()
    assert figure.wanted in figure.line()


def test_a_reduction_is_told_in_a_line() -> None:
    """All of them, with what both reach, are tests of their own: tests/explore/test_dpor.py."""
    path = Path(__file__).with_name("reduction.py")
    spec = importlib.util.spec_from_file_location("benchmarks_reduction", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    told = module.line(next(one for one in module.REDUCED if one.chosen.name == "two_owners"))
    assert told.startswith("two_owners, 300 ns       dpor    5  dfs ")
    assert told.endswith("1 final states, 0 findings, the same")
