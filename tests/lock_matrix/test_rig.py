"""The rig: its contexts are those of the real one, its operations do what their names say, its cells end."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import attrs
import pytest

from rcuactors.config import Config
from rcuactors.lock_matrix.cells import VARIANTS, Cell, all_cells
from rcuactors.lock_matrix.contexts import CONTEXTS
from rcuactors.lock_matrix.operations import OPERATIONS
from rcuactors.lock_matrix.presets import DEFAULT_KERNEL, PRESETS, cell_options, configuration
from rcuactors.lock_matrix.rig import LIMIT_NS, Measured, Outcome, Rig, run_cell
from rcuactors.lock_matrix.verdict import VerdictClass

OPTIONS = cell_options(DEFAULT_KERNEL, configuration(PRESETS["prove_raw"], {}))


def run(preset: str, cell: str, **settings: str) -> Outcome:
    config = configuration(PRESETS[preset], settings)
    return run_cell(Cell(*cell.split()), cell_options(DEFAULT_KERNEL, config))


def recorded_context(path: Path, context: str) -> Measured:
    """What the real rig found in this context most often, in cells without a report."""
    found: Counter[Measured] = Counter()
    with path.open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            if row["context"] == context and row["verdict"] == "none":
                found[
                    Measured(
                        irqs_off=row["irqs_off"] == "1",
                        preempt_count=int(row["preempt_count_hex"], 16),
                        in_hardirq=row["in_hardirq"] == "1",
                        in_serving_softirq=row["in_serving_softirq"] == "1",
                        in_task=row["in_task"] == "1",
                    )
                ] += 1
    return found.most_common(1)[0][0]


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("preset", PRESETS)
def test_each_context_is_what_was_measured(recordings: Path, preset: str, context: str) -> None:
    recorded = recorded_context(recordings / f"matrix_{PRESETS[preset].word}.csv", context)
    outcome = run(preset, f"{context} none first")
    measured = outcome.measured
    assert measured is not None
    assert outcome.verdict is VerdictClass.NONE
    assert measured == recorded


def test_the_cells_are_all_combinations_once() -> None:
    cells = list(all_cells())
    assert len(set(cells)) == len(cells) == len(CONTEXTS) * sum(len(one.variants) for one in OPERATIONS.values())
    assert {cell.variant for cell in cells} == set(VARIANTS)
    assert all(cell.unknown() == "" for cell in cells)


def test_what_the_rig_does_not_have() -> None:
    assert Cell("user", "msleep", "first").unknown() == "the rig has no context 'user'"
    assert Cell("process", "ioctl", "first").unknown() == "the rig has no operation 'ioctl'"
    assert Cell("process", "msleep", "refill").unknown() == "the rig's msleep has no variant 'refill'"


def test_a_first_page_comes_from_the_list_and_3000_from_200_refills() -> None:
    assert run("prove_raw", "process get_page_nowait first").refills == 0
    assert run("prove_raw", "process get_page_nowait refill").refills in (195, 196, 197, 198, 199, 200)


def test_a_cold_cache_makes_the_first_object_fall_back_and_a_warm_one_does_not() -> None:
    fallbacks, hits = {}, {}
    for variant in ("first", "warm", "many", "warm_many"):
        rig = Rig(Cell("raw_spin", "kfree_rcu2", variant), OPTIONS)
        rig.run()
        figures = rig.machine.kvfree.figures
        fallbacks[variant], hits[variant] = figures.fallbacks_list, figures.cache_hits
    # Warming up misses once on each CPU.
    assert fallbacks == {"first": 1, "warm": 2, "many": 1_200, "warm_many": 2}
    assert hits == {"first": 0, "warm": 1, "many": 0, "warm_many": 3}


def test_a_report_names_the_lock_and_ends_the_cell() -> None:
    outcome = run("prove_raw", "raw_spin spin_lock first")
    assert outcome.verdict is VerdictClass.WAIT_CONTEXT
    assert outcome.title == "[ BUG: Invalid wait context ]"
    assert outcome.offence is not None
    assert (outcome.offence.lock, outcome.offence.context) == ("op_spin{3:3}", "{5:5}")
    assert "(ctx_raw)" in outcome.text


def test_only_what_is_reported_while_the_operation_runs_counts() -> None:
    rig = Rig(Cell("process", "none", "first"), OPTIONS)
    # The preparation leaks by design: the run ends before anybody looks for it.
    assert rig.run().verdict is VerdictClass.NONE
    assert rig.machine.reporter.violations == []


def test_an_operation_that_never_ends_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never_ending(rig: Rig) -> None:
        await rig.nothing()

    monkeypatch.setitem(OPERATIONS, "none", attrs.evolve(OPERATIONS["none"], act=never_ending))
    rig = Rig(Cell("process", "none", "first"), cell_options(DEFAULT_KERNEL, Config()))

    async def forever() -> None:
        await rig.k.wait_for_completion(rig.k.completion("nothing"))

    rig.nothing = forever  # type: ignore[method-assign]
    outcome = rig.run()
    assert outcome.title == "HANG: nest_runner did not finish in 9 s"
    assert "nothing" in outcome.text
    assert outcome.verdict is VerdictClass.OTHER
    assert LIMIT_NS <= rig.machine.end_ns < LIMIT_NS + 1_000_000_000


def test_the_contender_stands_in_the_way() -> None:
    outcome = run("rt_bare", "process mutex_lock contend")
    assert outcome.verdict is VerdictClass.NONE
    assert outcome.reason == "slept on op_mutex (1x), without a preempt count: nothing to complain about"
    assert run("rt_bare", "process mutex_lock first").reason == "never had to sleep"
    blocked = run("rt_bare", "preempt_disable get_page_nowait refill_contend")
    assert blocked.verdict is VerdictClass.ATOMIC
    assert blocked.reason == "has to wait for &zone->lock in rmqueue_bulk"


def test_the_same_cell_twice_is_the_same() -> None:
    cell = "rt_bare", "raw_spin free_page refill_contend"
    assert run(*cell) == run(*cell)
