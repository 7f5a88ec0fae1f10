"""Recordings of 6.12.117 on v6.12: the recorded figures, wherever the emulator's latencies do not decide."""

from __future__ import annotations

from pathlib import Path

import pytest

from rcuactors.recordings import read_recording
from rcuactors.recordings.comparison import ReplayResult
from rcuactors.recordings.replay import Replay, replay
from rcuactors.runs import RunOptions
from rcuactors.traces.freers import FreedBlock, Freer, Inside, by_freer, freer_of

DATA = Path(__file__).parents[1] / "data" / "recordings" / "kvfree-6.12"


def on(name: str, kernel: str = "v6.12") -> ReplayResult:
    return replay(read_recording(DATA / f"{name}.txt.gz"), RunOptions(kernel=kernel))


def figures(result: ReplayResult) -> tuple[dict[str, int], dict[str, int]]:
    rows = [row for row in result.compared() if row.real is not None]
    return {row.name: row.real for row in rows if row.real is not None}, {row.name: row.machine for row in rows}


@pytest.mark.parametrize(
    "name",
    [
        "b_warm_507_min5",
        "c_mixed_2_min5",
        "d_rawspin_600_min0",
        "h_shrink_ready_400_min5_delay200",
        "k_barrier_idle_min5",
        "k_barrier_warm300_min5",
        "l_ready_warm300_gp_min5",
        "l_ready_warm300_gp_vmalloc5_min5",
    ],
)
def test_every_figure_and_every_order_is_the_recorded_one(name: str) -> None:
    """Which way the objects went, who freed them, in blocks of which sizes; grace periods."""
    result = on(name)
    assert result.verdict() == "clean"
    real, machine = figures(result)
    assert len(real) == (10 if result.calls else 5)
    assert machine == real
    assert list(result.recording.observed.bulk_sizes) == result.result.counters["bulk_sizes_in_order"]


def test_where_a_cold_cache_is_filled_late_only_that_differs() -> None:
    """The emulator's worker came after the first burst of 50, which went to the list: the machine's comes at once."""
    result = on("n_bg_gp_burst50_every100ms_40_min5")
    assert result.done == {"synchronize_rcu": 300}
    real, machine = figures(result)
    assert {name for name in real if real[name] != machine[name]} <= {
        *("freed_bulk", "freed_list", "freed_by_work", "freed_by_monitor", "bulk_frees", "grace_periods"),
    }
    assert (real["freed_list"], machine["freed_list"]) == (50, 1)
    assert abs(real["grace_periods"] - machine["grace_periods"]) < 5
    blocks = result.recording.observed.blocks
    assert blocks is not None
    sizes = ["s43W", "s507W", "s43W", "s507W", "s350M"]
    assert [str(block) for block in blocks[1:]] == [str(block) for block in result.witness.blocks[2:]] == sizes


def test_the_shrinker_puts_the_next_refill_off() -> None:
    """drop_slab() counts, and scans: the refill asked for next comes after rcu_delay_page_cache_fill_msec."""
    result = on("h_dropslab_mid_300_min5_delay200")
    assert result.result.config["rcu_delay_page_cache_fill_msec"] == "200"
    counters = result.result.counters
    assert (counters["monitor_runs"], counters["work_runs"]) == (7, 2)
    assert counters["refills_asked"] == 2
    real, machine = figures(result)
    assert machine["grace_periods"] == real["grace_periods"] == 2


def test_a_deed_that_a_version_does_not_know_is_told() -> None:
    result = on("k_barrier_warm300_min5", "v6.1-stable")
    assert (result.done, result.not_done) == ({}, {"barrier": 1})
    assert any("barrier 1 not done: v6.1-stable has no such thing" in line for line in result.lines())
    assert result.as_json()["deeds"] == {"done": {}, "not_done": {"barrier": 1}}


def test_on_6_1_the_work_alone_frees() -> None:
    """The monitor frees by itself from v6.6 on: the same calls need a second grace period before."""
    old, new = on("l_ready_warm300_gp_min5", "v6.1-stable"), on("l_ready_warm300_gp_min5", "v6.6")
    assert [str(block) for block in old.witness.blocks] == ["s300W"]
    assert [str(block) for block in new.witness.blocks] == ["s300M"]
    assert figures(new)[1]["grace_periods"] == figures(old)[1]["grace_periods"] - 1


def test_the_report_and_the_document_have_both_sides() -> None:
    result = on("l_ready_warm300_gp_vmalloc5_min5")
    text = "\n".join(result.lines())
    assert "  freed by the monitor           301       301\n" in text
    assert "beside: synchronize_rcu 1" in text
    assert result.as_json()["compared"]["freed_by_work"] == {"real": 5, "machine": 5}


def test_page_caches_begin_as_the_first_states_say() -> None:
    """The rig's kernel had five pages on CPU 0, none on CPU 1 and one on CPU 2."""
    recording = read_recording(DATA / "l_ready_warm300_gp_vmalloc5_min5.txt.gz")
    assert recording.cached_pages == {0: 5, 1: 0, 2: 1}
    replayed = Replay(recording, RunOptions(kernel="v6.12"))
    assert replayed.run().verdict() == "clean"
    # CPU 1's was filled on the way, the others were not touched.
    assert [len(krcp.cache) for krcp in replayed.machine.kvfree.all_krcs()] == [5, 5, 1]


# -- who frees ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("functions", "freer"),
    [
        ((), None),
        (("kfree_rcu_work",), Freer.WORK),
        (("kfree_rcu_monitor",), Freer.MONITOR),
        (("kfree_rcu_shrink_scan", "kfree_rcu_monitor"), Freer.SHRINKER),
        (("kfree_rcu_monitor", "kfree_rcu_shrink_scan", "do_shrink_slab"), Freer.SHRINKER),
    ],
)
def test_who_frees_is_told_by_the_functions_that_it_is_in(functions: tuple[str, ...], freer: Freer | None) -> None:
    assert freer_of(functions) is freer


def test_a_task_leaves_what_it_returned_from_and_what_was_not_recorded() -> None:
    inside = Inside()
    inside.entered(7, "kfree_rcu_shrink_scan")
    inside.entered(7, "kfree_rcu_monitor")
    assert inside.freer(7) is Freer.SHRINKER
    inside.left(7, "kfree_rcu_monitor")
    inside.left(7, "kfree_rcu_shrink_scan")
    assert inside.freer(7) is inside.freer(8) is None
    # A kernel of which the return is not recorded: entered twice.
    inside.entered(7, "kfree_rcu_monitor")
    inside.entered(7, "kfree_rcu_monitor")
    inside.left(7, "kfree_rcu_monitor")
    assert inside.freer(7) is None
    inside.left(7, "kfree_rcu_work")


def test_blocks_are_written_as_the_summaries_have_them() -> None:
    blocks = [FreedBlock(False, 507, Freer.WORK), FreedBlock(True, 5, Freer.MONITOR), FreedBlock(False, 1, None)]
    assert [str(block) for block in blocks] == ["s507W", "v5M", "s1?"]
    assert by_freer(blocks, vmalloc=False) == {Freer.WORK: 507, None: 1}
