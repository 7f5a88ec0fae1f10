"""Every bundled scenario, held to the outcomes that it promises in its table and in its head."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rcuactors import KernelBug, Run, RunOptions, Scenario, run
from rcuactors.builds import BUILDS, USUAL_BUILDS
from rcuactors.expectation import promised_kernels
from rcuactors.explore import make_strategy
from rcuactors.userfiles import find_scenarios, load_scenario

ROOT = Path(__file__).resolve().parent.parent
NAMES = sorted(find_scenarios())
SHIPPED = {
    "cache_destroy",
    "churn",
    "cache_while_a_cpu_goes",
    "kunit_kfree_rcu",
    "kunit_nolock",
    "kunit_wq_destroy",
    "nmi_caller",
    "sheaf_cache",
    "barrier_while_freeing",
    "module_unload",
    "one_argument_migrates",
    "shrinker_pressure",
    "call_rcu_from_raw",
    "cold_cache_burst",
    "cpu_goes_offline",
    "destroy_under_reclaim",
    "driver_remove",
    "driver_thread_sleeps",
    "fdb_gc",
    "flood",
    "hardirq_caller",
    "hotplug_short_grace_period",
    "lock_in_object",
    "low_memory_fallback",
    "offloaded_callbacks",
    "one_argument",
    "preempt_off_caller",
    "raw_lock_caller",
    "reader_holds_object",
    "refill_put_off",
    "scheduler_lock_caller",
    "shrunk_cache",
    "slab_and_vmalloc",
    "spin_under_raw",
    "stale_batch",
}


def load(name: str) -> Scenario:
    return load_scenario(name)


SMALLER = {"flood": {"objects": "17000"}}
"""Still more than the machine's memory holds, and half the time."""
WHOLE = ("v5.9", "v5.11", "v6.12")
"""Where it is run as it stands all the same."""


def outcome(name: str, label: str, build: str = "plain", **settings: str) -> str:
    kernel, design = promised_kernels()[label]
    return run(load(name), RunOptions(kernel=kernel, design=design), **BUILDS[build].settings, **settings).outcome()


def test_the_promised_scenarios_are_there() -> None:
    assert set(NAMES) >= SHIPPED


@pytest.mark.parametrize("name", NAMES)
def test_the_table_is_complete(name: str) -> None:
    expect = load(name).expect
    assert list(expect) == list(promised_kernels())
    assert all(set(row) == set(USUAL_BUILDS) for row in expect.values())


@pytest.mark.parametrize("name", NAMES)
def test_the_head_names_the_scenario_and_says_what_to_expect(name: str) -> None:
    source = find_scenarios()[name].read_text(encoding="utf-8")
    assert source.startswith(f'"""{name}: ')
    head = " ".join(source.split('"""')[1].split())
    assert "v5.11" in head or "every kernel" in head
    for row in load(name).expect.values():
        for promised in ", ".join(row.values()).split(", "):
            assert promised == "clean" or promised.replace("-", " ") in head.lower()


@pytest.mark.one_in(4)
@pytest.mark.parametrize("build", USUAL_BUILDS)
@pytest.mark.parametrize("label", promised_kernels())
@pytest.mark.parametrize("name", NAMES)
def test_outcome(name: str, label: str, build: str) -> None:
    smaller = SMALLER.get(name, {}) if label not in WHOLE else {}
    assert outcome(name, label, build, **smaller) == load(name).expect[label][build]


@pytest.mark.campaign
@pytest.mark.parametrize("build", USUAL_BUILDS)
@pytest.mark.parametrize("label", [label for label in promised_kernels() if label not in WHOLE])
@pytest.mark.parametrize("name", SMALLER)
def test_outcome_of_the_whole(name: str, label: str, build: str) -> None:
    assert outcome(name, label, build) == load(name).expect[label][build]


@pytest.mark.parametrize("build", USUAL_BUILDS)
@pytest.mark.parametrize("label", promised_kernels())
def test_a_work_queued_under_the_run_queues_lock_is_a_deadlock(label: str, build: str) -> None:
    """Why the refill begins with an hrtimer."""
    found = outcome("scheduler_lock_caller", label, build, queue_directly="y")
    promised = load("scheduler_lock_caller").expect[label][build]
    kinds = [] if promised == "clean" else [promised]
    # Lockdep is off after its first report.
    seen_coming = [] if promised == "invalid-wait-context" else ["circular-locking"]
    assert found == ", ".join([*kinds, *seen_coming, "deadlock"])


@pytest.mark.parametrize("build", USUAL_BUILDS)
@pytest.mark.parametrize("label", promised_kernels())
def test_freeing_at_once_under_a_reader_is_a_use_after_free(label: str, build: str) -> None:
    assert outcome("reader_holds_object", label, build, free_at_once="y") == "use-after-free"


@pytest.mark.parametrize(
    ("label", "expected"), [("v5.9", "clean"), ("v5.9 direct", "clean"), ("v5.11", "out-of-memory")]
)
def test_the_refill_of_v5_11_kills_when_nothing_can_be_reclaimed(label: str, expected: str) -> None:
    """The bug that commit ee6ddf58475c fixed."""
    assert outcome("low_memory_fallback", label, reclaimable="0") == expected


@pytest.mark.parametrize("label", promised_kernels())
def test_call_rcu_itself_is_clean_in_a_raw_section(label: str) -> None:
    assert outcome("call_rcu_from_raw", label, "prove", use_kvfree_rcu="n") == "clean"


@pytest.mark.parametrize(
    ("label", "build", "caller_pages", "refills", "fallbacks"),
    [
        ("v5.9", "plain", 10, 0, 0),
        ("v5.9", "rt", 0, 0, 5000),
        ("v5.9 direct", "rt", 10, 0, 0),
        ("v5.11", "plain", 0, 2, 2),
    ],
)
def test_where_cold_cache_burst_has_its_pages_from(
    label: str, build: str, caller_pages: int, refills: int, fallbacks: int
) -> None:
    kernel, design = promised_kernels()[label]
    result = run(load("cold_cache_burst"), RunOptions(kernel=kernel, design=design), **BUILDS[build].settings)
    counters = result.counters
    assert (counters["caller_pages"], counters["refills_done"], counters["fallbacks_list"]) == (
        caller_pages,
        refills,
        fallbacks,
    )
    assert counters["grace_periods"] == 1


@pytest.mark.parametrize(("label", "build", "waits"), [("v5.9", "plain", 0), ("v5.9", "rt", 10), ("v5.11", "plain", 1)])
def test_who_waits_in_one_argument(label: str, build: str, waits: int) -> None:
    kernel, design = promised_kernels()[label]
    result = run(load("one_argument"), RunOptions(kernel=kernel, design=design), **BUILDS[build].settings)
    assert result.counters["fallbacks_synchronize"] == waits


def test_the_flood_comes_through_with_reclaim_and_without_a_kill() -> None:
    counters = run(load("flood")).counters
    assert counters["kswapd_wakeups"] > 0
    assert counters["direct_reclaims"] > 0
    assert counters["oom_kills"] == 0
    assert counters["peak_bytes"] > 8 << 20


def test_a_run_that_a_deadlock_ends_does_not_end_before_its_reports() -> None:
    result = run(load("scheduler_lock_caller"), queue_directly="y")
    assert result.end_ns >= max(violation.time_ns for violation in result.violations)


def test_a_report_from_hardirq_says_what_turned_interrupts_off() -> None:
    """Not the place where the interrupted code had them off last."""
    result = run(load("hardirq_caller"), RunOptions(kernel="v5.9", design="direct"), PREEMPT_RT="y")
    text = result.violations[1].text
    assert "hardirqs last disabled at:\n common_interrupt\n" in text
    assert "Preemption disabled at:\n irq_enter_rcu\n" in text


@pytest.mark.parametrize("by_path", [False, True])
def test_by_name_and_by_path_it_is_the_same_scenario(by_path: bool) -> None:
    chosen = load_scenario(ROOT / "scenarios" / "raw_lock_caller.py") if by_path else load("raw_lock_caller")
    result = run(chosen, RunOptions(kernel="v5.9"), PROVE_RAW_LOCK_NESTING="y")
    assert result.scenario == "raw_lock_caller"
    assert result.outcome() == "invalid-wait-context"


@pytest.mark.parametrize(
    ("name", "arguments", "status"),
    [
        ("raw_lock_caller", [], 0),
        ("raw_lock_caller", ["--kernel", "v5.9", "--set", "PROVE_RAW_LOCK_NESTING=y"], 1),
        ("reader_holds_object", ["--set", "free_at_once=y"], 1),
    ],
)
def test_as_a_script(name: str, arguments: list[str], status: int) -> None:
    ran = subprocess.run(
        [sys.executable, str(ROOT / "scenarios" / f"{name}.py"), *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == status, ran.stderr
    assert ("BUG: " in ran.stdout) == (status == 1)
    assert "Traceback" not in ran.stdout + ran.stderr


SMALLER = {"cold_cache_burst": {"objects": 1200}, "flood": {"objects": 2000}, "slab_and_vmalloc": {"objects": 60}}


@pytest.mark.one_in(4)
@pytest.mark.parametrize("build", USUAL_BUILDS)
@pytest.mark.parametrize("name", NAMES)
def test_v5_11_keeps_its_promises_under_the_random_strategy_too(name: str, build: str) -> None:
    """A short form of a campaign: RCUACTORS_SEEDS=100 in the environment makes it a long one."""
    for seed in range(int(os.environ.get("RCUACTORS_SEEDS", "2"))):
        options = RunOptions(kernel="v5.11", strategy=make_strategy("random"), seed=seed)
        result = run(load(name), options, **BUILDS[build].settings, **SMALLER.get(name, {}))
        assert result.outcome() == load(name).expect["v5.11"][build], f"seed {seed}"


LONG = {"cold_cache_burst", "flood", "kunit_nolock", "nmi_caller", "shrinker_pressure"}


@pytest.mark.parametrize("name", sorted(set(NAMES) - LONG))
def test_none_fails_by_itself_where_there_is_no_memory(name: str) -> None:
    """What an allocation returns is looked at: a scenario may oops as kernel code does, and raises nothing else."""
    for kernel in ("v5.9", "v6.12"):
        options = RunOptions(kernel=kernel, strategy="random", seed=1)
        one = Run(load(name), options, fail_page_alloc=60, nr_cpus=3)
        raised = one.attempt()
        assert isinstance(raised, KernelBug | None) or "there is no memory" in str(raised), repr(raised)


BUGS = {
    ("fdb_gc", "used_outside"): "use-after-free",
    ("fdb_gc", "no_cancel"): "free-active, use-after-free",
    ("shrunk_cache", "refcount_inc"): "refcount, use-after-free",
    ("shrunk_cache", "alloc_under_lock"): "circular-locking",
    ("driver_remove", "rearmed"): "use-after-free",
    ("driver_remove", "found_late"): "use-after-free",
}
"""The usual bugs of scenarios in the shape of subsystems, which the order of time shows."""


@pytest.mark.parametrize("label", ["v5.9", "v6.12", "v7.3"])
@pytest.mark.parametrize(("name", "bug"), BUGS)
def test_the_usual_bugs_of_subsystems_are_found(name: str, bug: str, label: str) -> None:
    assert outcome(name, label, bug=bug) == BUGS[name, bug]


def test_the_one_that_is_a_matter_of_schedule_is_found_by_one() -> None:
    assert outcome("driver_remove", "v6.12", bug="kfree") == "clean"
    found = run(load("driver_remove"), RunOptions(kernel="v6.12", strategy="random", seed=0), bug="kfree").outcome()
    assert found == "use-after-free"


@pytest.mark.parametrize("name", ["fdb_gc", "shrunk_cache", "driver_remove"])
def test_subsystems_keep_their_data_from_races(name: str) -> None:
    assert outcome(name, "v6.12", KCSAN="y", PROVE_RCU_LIST="y", DEBUG_LIST="y", DEBUG_ATOMIC_SLEEP="y") == "clean"
