"""Figures of the workloads: they repeat, they follow the seed, and they tell the designs apart."""

from __future__ import annotations

import pytest

from rcuactors import Kernel, scenario
from rcuactors.compare.costs import FIGURES, CostRun, Spread, explore, measure, spreads, worst_outcome
from rcuactors.compare.designs import DesignRef
from rcuactors.compare.kernels import ComparedKernel, find_kernels, to_measure
from rcuactors.compare.tasks import Plan, tasks_of
from rcuactors.compare.workloads import WORKLOADS
from rcuactors.runs import RunOptions
from rcuactors.userfiles import load_scenario

WORKER, DIRECT, SKIP = (DesignRef(name, "") for name in ("hrtimer-work", "direct", "skip-on-rt"))


def bare(name: str, **settings: str) -> ComparedKernel:
    return to_measure(find_kernels([name], settings), settings)[0]


def options(kernel: ComparedKernel, design: DesignRef = WORKER, **parameters: object) -> RunOptions:
    return RunOptions(kernel=kernel.version, design=design.name, settings={**kernel.settings, **parameters})


def trial(load: str, design: DesignRef = WORKER, on: str = "plain", seed: int = 0, **settings: str) -> CostRun:
    chosen = WORKLOADS[load].scenario
    return measure(
        chosen,
        options(bare(on, **settings), design, **({"draws": seed} if "draws" in chosen.parameters else {})).given(
            {"seed": seed}
        ),
    )


@pytest.mark.parametrize("load", WORKLOADS)
@pytest.mark.parametrize("on", ["plain", "rt"])
def test_the_merged_design_comes_through(load: str, on: str) -> None:
    run = trial(load, on=on)
    assert run.outcome == "clean"
    assert list(run.figures) == list(FIGURES)
    assert run.figures["oom"] == 0
    assert all(value is not None and value >= 0 for value in run.figures.values())


def test_the_seed_draws_the_workload() -> None:
    assert trial("trickle") == trial("trickle")
    assert trial("trickle", seed=1) != trial("trickle")


def test_who_takes_no_pages_falls_back() -> None:
    run = trial("mixed", SKIP, "rt")
    assert run.figures["found_percent"] == 0
    assert run.figures["pages"] == 0
    assert run.figures["fallbacks_list"] > 0  # type: ignore[operator]
    assert run.figures["fallbacks_synchronize"] > 0  # type: ignore[operator]
    assert trial("mixed", DIRECT).figures["found_percent"] == 100


def test_the_mixture_runs_where_the_one_argument_form_has_a_name_of_its_own() -> None:
    kernel = to_measure(find_kernels(["v6.6:plain"], {}), {})[0]
    run = measure(WORKLOADS["mixed"].scenario, options(kernel, draws=0))
    assert (run.outcome, run.first) == ("clean", "")


def test_the_flood_runs_short_of_memory() -> None:
    figures = trial("flood").figures
    assert figures["peak_bytes"] is not None
    assert figures["peak_bytes"] > 0.9 * (12 << 20)


def test_a_flood_at_random_is_let_come_to_its_end() -> None:
    """It takes more than a million steps there, which says nothing of a design."""
    assert explore(load_scenario("flood"), options(bare("plain"), DIRECT, objects=4000)).outcome == "clean"


def test_a_scenario_that_raises_loses_neither_its_report_nor_its_error() -> None:
    async def midway(k: Kernel) -> None:
        p = await k.kmalloc(64)
        await k.kfree(p)
        await k.kfree(p)
        await k.udelay(-1)

    run = measure(scenario()(midway), options(bare("plain")))
    assert (run.outcome, run.fatal) == ("double-free, raised", "raised")
    assert run.first.startswith("BUG: double free: ")
    assert "; then udelay(-1): needs a whole number, 0 or more (test_costs.py:" in run.first


def test_a_scenario_with_a_missing_await_is_not_legal() -> None:
    async def slip(k: Kernel) -> None:
        k.udelay(1)

    run = measure(scenario()(slip), options(bare("plain")))
    assert (run.outcome, run.fatal) == ("raised", "raised")
    assert run.first.startswith("udelay() is called without `await` (test_costs.py:")


def test_checks_are_off_and_equal_kernels_measured_once() -> None:
    measured = to_measure(find_kernels(["plain", "prove", "rt"], {}), {})
    assert [kernel.name for kernel in measured] == ["plain", "rt"]
    assert not any(kernel.config().lockdep for kernel in measured)
    chosen = {"PROVE_LOCKING": "y"}
    assert all(kernel.config().lockdep for kernel in to_measure(find_kernels(["plain"], chosen), chosen))


def test_a_machine_of_few_cpus_runs_the_mixture_too() -> None:
    kernels = find_kernels(["plain"], {"nr_cpus": "3"})
    plan = Plan(designs=(DIRECT,), kernels=kernels, measured=to_measure(kernels, {}))
    (task,) = (task for task in tasks_of(plan) if task.subject == "mixed")
    answer = task.run()
    assert isinstance(answer, CostRun)
    assert answer.outcome == "clean"


def test_a_scenario_that_raises_is_an_outcome() -> None:
    raised = measure(load_scenario("raw_lock_caller"), options(find_kernels(["plain"], {"nr_cpus": "1"})[0]))
    assert raised.outcome.endswith("raised")
    assert "cpu=1" in raised.first


def test_medians_and_spreads() -> None:
    def run(value: float | None, outcome: str = "clean") -> CostRun:
        return CostRun(figures=dict.fromkeys(FIGURES, value), outcome=outcome)

    runs = [run(5), run(1, "deadlock"), run(None), run(9), run(2)]
    assert set(spreads(runs).values()) == {Spread(2, 1, 9)}
    assert set(spreads([run(None)]).values()) == {Spread(None, None, None)}
    assert worst_outcome(runs) == ("deadlock", 1)
    assert worst_outcome([run(1)]) == ("clean", 0)
