"""What a run leaves (rcuactors/result.py)."""

from __future__ import annotations

import json

import pytest

from rcuactors import Kernel, Result, RunOptions, ViolationKind, run, scenario

COUNTERS = {
    "calls", "cache_hits", "cache_misses", "refills_asked", "refills_done", "pages_allocated", "pages_freed", "blocks",
    "bulk_frees", "fallbacks_list", "fallbacks_synchronize", "grace_periods", "peak_objects", "peak_bytes",
}  # fmt: skip


@scenario()
async def mixed(k: Kernel) -> None:
    objects = [await k.kmalloc(64) for _ in range(600)]
    for p in objects:
        await k.kvfree_rcu(p, "rcu")
    await k.kvfree_rcu(await k.vmalloc(8192), "rcu")
    await k.msleep(100)
    await k.kvfree_rcu(await k.kmalloc(64))
    await k.kmalloc(32)


@pytest.fixture(scope="module")
def result() -> Result:
    return run(mixed, RunOptions(kernel="v5.11", seed=3))


def test_json_is_plain_and_complete(result: Result) -> None:
    data = json.loads(json.dumps(result.as_json()))
    assert {"scenario", "kernel", "config", "seed", "violations", "counters", "latency_ns", "digest"} <= set(data)
    assert set(data["counters"]) >= COUNTERS
    (violation,) = data["violations"]
    assert set(violation) == {
        "kind",
        "title",
        "time_ns",
        "cpu",
        "context",
        "text",
        "line",
        "trace",
        "held",
        "preempt_disabled_at",
        "irqs_disabled_at",
        "by",
    }
    assert violation["kind"] == "leak"
    assert (data["scenario"], data["kernel"], data["seed"], data["strategy"]) == ("mixed", "v5.11", 3, "timed")


def test_the_figures_add_up(result: Result) -> None:
    found = result.counters
    calls = sum(sum(row.values()) for row in found["calls"].values())
    assert calls == 602
    assert found["bulk_objects"] + found["vmalloc_freed"] + found["list_freed"] + found["inline_freed"] == calls
    assert found["bulk_objects"] == sum(int(size) * count for size, count in found["bulk_frees"].items())
    assert found["bulk_objects"] == sum(found["bulk_sizes_in_order"])
    assert found["pages_allocated"] >= found["pages_freed"]
    assert found["peak_pages"] >= found["pages_allocated"] - found["pages_freed"]
    assert found["peak_objects"] == 601
    assert found["peak_bytes"] == 600 * 64 + 8192
    assert found["cache_hits"] == found["blocks"]


def test_latencies(result: Result) -> None:
    latency = result.latency_ns
    assert latency["count"] == 602
    assert 20_000_000 < latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["max"] < 100_000_000


def test_without_a_call_there_are_no_latencies() -> None:
    async def script(k: Kernel) -> None:
        pass

    assert run(scenario()(script)).latency_ns == {"count": 0, "p50": None, "p90": None, "p99": None, "max": None}


def test_the_configuration_is_the_effective_one(result: Result) -> None:
    assert result.config["rcu_min_cached_objs"] == "5"
    assert run(mixed, RunOptions(kernel="v5.9")).config["rcu_min_cached_objs"] == "2"
    assert run(mixed, RunOptions(kernel="v5.11"), rcu_min_cached_objs="9").config["rcu_min_cached_objs"] == "9"


def test_outcome_names_the_kinds_in_the_order_of_their_first_report() -> None:
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(64)
        await k.kfree(p)
        k.preempt_disable()
        await k.usleep_range(1, 1)
        await k.preempt_enable()
        for _ in range(3):
            await k.kfree(p)

    found = run(scenario()(script))
    assert found.outcome() == "scheduling-while-atomic, double-free"
    assert found.kinds == {ViolationKind.SCHEDULING_WHILE_ATOMIC, ViolationKind.DOUBLE_FREE}
    assert found.violation_count == len(found.violations) == 4
    assert not found.clean


def test_more_violations_than_are_kept_are_counted() -> None:
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(64)
        for _ in range(1201):
            await k.kfree(p)

    found = run(scenario()(script), RunOptions(events=False))
    assert found.violation_count == 1200
    assert len(found.violations) == 1000
