"""kvfree_rcu_barrier() (parts/barrier.py), its workqueue, and the names of the one-argument form (kapi/kvfree.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rcuactors import BadInput, Kernel, Result, RunOptions, ViolationKind, run, scenario
from rcuactors.engine.events import ListSink
from rcuactors.eras import ERAS
from rcuactors.kernel.workqueue import WqFlags
from rcuactors.kvfree.monitor import Monitor
from tests.one_argument import one_argument

Compose = Callable[..., str]
WITH_BARRIER = ["v6.12.0", "v6.12", "v6.18", "v7.3"]
FREED = 2


async def queue(k: Kernel, count: int) -> list[Any]:
    objects = [await k.kmalloc(64) for _ in range(count)]
    for p in objects:
        await k.kvfree_rcu(p, "rcu")
    return objects


@pytest.mark.parametrize("kernel", ["v6.12.0", "v6.12"])
def test_all_that_was_queued_is_freed_when_it_returns(kernel: str) -> None:
    async def script(k: Kernel) -> None:
        area = await k.vmalloc(64)
        objects = await queue(k, 20)
        await k.kvfree_rcu(area, "rcu")
        await k.kthread_join(await k.kthread_run(elsewhere, k, objects, cpu=1))
        began = k.now
        await k.kvfree_rcu_barrier()
        assert all(p.state == FREED for p in [*objects, area])
        # A grace period and a flush; recorded on 6.12.117: 14 to 52 ms.
        assert k.now - began < 100_000_000
        assert not any(krcp.monitor_work.work.pending for krcp in k.machine.kvfree.all_krcs())

    async def elsewhere(k: Kernel, objects: list[Any]) -> None:
        objects += await queue(k, 20)

    result = run(scenario()(script), RunOptions(kernel=kernel), nr_cpus="2")
    assert result.clean
    assert result.counters["monitor_runs"] == 0


@pytest.mark.parametrize("kernel", ["v6.12.0", "v6.12"])
def test_with_nothing_queued_it_takes_no_grace_period(kernel: str) -> None:
    async def script(k: Kernel) -> None:
        began = k.now
        await k.kvfree_rcu_barrier()
        assert k.now - began < 1_000_000

    result = run(scenario()(script), RunOptions(kernel=kernel))
    assert result.clean
    assert result.counters["grace_periods"] == 0


def test_where_both_batches_are_busy_it_waits_for_them_and_tries_again() -> None:
    async def script(k: Kernel) -> None:
        kvfree = k.machine.kvfree

        async def reader() -> None:
            with k.rcu_reader():
                await k.udelay(50_000)

        await k.kthread_run(reader, cpu=1)
        await k.usleep_range(100, 100)
        objects = []
        for _ in range(2):
            objects += await queue(k, 3)
            assert await kvfree.monitor.kvfree_rcu_queue_batch(k.machine.current, kvfree.krc(0))
        objects += await queue(k, 3)
        assert not await kvfree.monitor.kvfree_rcu_queue_batch(k.machine.current, kvfree.krc(0))
        await k.kvfree_rcu_barrier()
        assert all(p.state == FREED for p in objects)

    result = run(scenario()(script), RunOptions(kernel="v6.12"), nr_cpus="2")
    assert result.clean
    assert result.counters["work_runs"] == 3


def test_it_does_not_wait_for_a_one_argument_call_that_waits_itself() -> None:
    async def script(k: Kernel) -> None:
        k.machine.pages.inject_failures(False)
        p = await k.kmalloc(64)

        async def caller() -> None:
            await k.kvfree_rcu_mightsleep(p)

        async def reader() -> None:
            with k.rcu_reader():
                await k.udelay(50_000)

        await k.kthread_run(reader, cpu=1)
        k.machine.pages.inject_failures(True)
        task = await k.kthread_run(caller, cpu=0)
        await k.msleep(5)
        await k.kvfree_rcu_barrier()
        assert p.state != FREED
        await k.kthread_join(task)

    settings = {"nr_cpus": "2", "fail_page_alloc": "100"}
    assert run(scenario()(script), RunOptions(kernel="v6.12"), **settings).clean


def test_it_may_sleep_and_says_so() -> None:
    async def script(k: Kernel) -> None:
        k.preempt_disable()
        await k.kvfree_rcu_barrier()
        await k.preempt_enable()

    result = run(scenario()(script), RunOptions(kernel="v6.12"), DEBUG_ATOMIC_SLEEP="y")
    assert result.kinds == {ViolationKind.SLEEPING_FUNCTION}


def test_a_monitor_that_was_armed_meanwhile_is_taken_back_too() -> None:
    """2b55d6a42d14: what was queued after the first round has no timer, until somebody queues or shrinks."""

    async def script(k: Kernel) -> None:
        kvfree = k.machine.kvfree
        late = await k.kmalloc(64)
        await queue(k, 3)

        async def caller() -> None:
            await k.msleep(1)
            await k.kvfree_rcu(late, "rcu")

        # The flush of CPU 0's batch waits for its grace period; CPU 1's monitor is taken back after that.
        await k.kthread_run(caller, cpu=1)
        await k.kvfree_rcu_barrier()
        assert late.state != FREED
        assert kvfree.krc(1).anything_queued()
        assert not kvfree.krc(1).monitor_work.work.pending
        await k.msleep(20_000)
        assert late.state != FREED
        await k.kthread_join(await k.kthread_run(queue, k, 1, cpu=1))

    result = run(scenario()(script), RunOptions(kernel="v6.12"), nr_cpus="2")
    assert result.clean
    assert (result.latency_ns["max"] or 0) > 20_000_000_000


def a_late_object(kernel: str, *, late_ms: int = 1, again: bool = False) -> Result:
    """CPU 1 gets it while the barrier, with nothing to start there, waits for CPU 0's batch."""

    async def script(k: Kernel) -> None:
        async def caller() -> None:
            await k.msleep(late_ms)
            await k.kvfree_rcu(await k.vmalloc(64), "rcu")
            if again:
                await k.msleep(500)
                await k.kvfree_rcu(await k.vmalloc(64), "rcu")

        await k.kvfree_rcu(await k.vmalloc(64), "rcu")
        task = await k.kthread_run(caller, cpu=1)
        await k.kvfree_rcu_barrier()
        await k.kthread_join(task)

    return run(scenario()(script), RunOptions(kernel=kernel), nr_cpus="2")


@pytest.mark.parametrize("kernel", WITH_BARRIER)
def test_2b55d6a42d14_an_object_without_a_monitor_is_told_with_who_has_taken_it_back(kernel: str) -> None:
    (found,) = a_late_object(kernel).violations
    assert found.kind is ViolationKind.NEVER_FREED
    assert "by kvfree_rcu_barrier():" in found.text
    assert [bug.commit for bug in ERAS[kernel].known_bugs if bug.explains(found, "hrtimer-work")] == ["2b55d6a42d14"]
    # The next call on that CPU arms it anew; so does whoever comes after the barrier.
    assert a_late_object(kernel, again=True).clean
    assert a_late_object(kernel, late_ms=500).clean


def test_and_one_that_is_lost_for_another_reason_is_not_that_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its monitor is armed anew by the second call, and then comes to nothing."""

    async def nothing(*_args: object) -> None: ...

    monkeypatch.setattr(Monitor, "kfree_rcu_monitor", nothing)
    (found,) = a_late_object("v6.12", again=True).violations
    assert found.kind is ViolationKind.NEVER_FREED
    assert found.title.startswith("BUG: never-freed: 2 objects")
    assert not [bug for bug in ERAS["v6.12"].known_bugs if bug.explains(found, "hrtimer-work")]


@pytest.mark.parametrize("kernel", [name for name in ERAS if name not in WITH_BARRIER])
def test_a_version_without_it_says_so_in_one_line(kernel: str) -> None:
    async def script(k: Kernel) -> None:
        assert not k.has("kvfree_rcu_barrier")
        await k.kvfree_rcu_barrier()

    with pytest.raises(
        BadInput,
        match=rf"^kvfree_rcu_barrier\(\): {kernel} has no such function; it came with v6.12 \(",
    ):
        run(scenario()(script), RunOptions(kernel=kernel))


# -- where it all runs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kernel", "name", "flags"),
    [
        ("v6.6", "events", 0),
        ("v6.12.0", "events_unbound", WqFlags.UNBOUND),
        ("v6.12", "kvfree_rcu_reclaim", WqFlags.UNBOUND | WqFlags.MEM_RECLAIM),
        ("v7.3", "kvfree_rcu_reclaim", WqFlags.UNBOUND | WqFlags.MEM_RECLAIM),
    ],
)
def test_the_workqueue_of_each_version(kernel: str, name: str, flags: int) -> None:
    async def script(k: Kernel) -> None:
        assert k.machine.kvfree.workqueue.flags == flags
        await k.kvfree_rcu(await k.vmalloc(64), "rcu")

    sink = ListSink()
    assert run(scenario()(script), RunOptions(kernel=kernel, sinks=(sink,))).clean
    told = [event.text.split() for event in sink.events if event.name == "workqueue_queue_work"]
    words = [dict(word.split("=") for word in text if "=" in word) for text in told]
    queues = {(one["function"], one["workqueue"]) for one in words if one["function"].startswith("kfree_rcu")}
    assert queues == {("kfree_rcu_monitor", name), ("kfree_rcu_work", name)}


def test_any_cpu_frees_while_the_one_that_queued_is_busy() -> None:
    """Recorded on 6.12.117: the workqueue is unbound. On 6.1 the batch waits for its own CPU."""

    def freed_on(kernel: str) -> set[int]:
        async def script(k: Kernel) -> None:
            await queue(k, 600)
            k.preempt_disable()
            await k.udelay(20_000)
            await k.preempt_enable()

        sink = ListSink()
        assert run(scenario()(script), RunOptions(kernel=kernel, sinks=(sink,)), nr_cpus="2").clean
        return {event.cpu for event in sink.events if event.name == "rcu_invoke_kfree_bulk_callback"}

    assert freed_on("v6.1-stable") == {0}
    assert 1 in freed_on("v6.12")


def flushed_from_a_reclaim_work(kernel: str) -> frozenset[ViolationKind]:
    async def script(k: Kernel) -> None:
        nvme = k.alloc_workqueue("nvme-wq", WqFlags.MEM_RECLAIM | WqFlags.UNBOUND, 0)
        objects = [await k.kmalloc(64) for _ in range(40)]

        async def nvme_scan_work() -> None:
            await k.kvfree_rcu_barrier()

        for p in objects:
            await k.kvfree_rcu(p, "rcu")
        work = k.work(nvme_scan_work)
        await k.queue_work(nvme, work)
        await k.flush_work(work)
        await k.destroy_workqueue(nvme)

    result = run(scenario()(script), RunOptions(kernel=kernel), nr_cpus="2")
    texts.extend(found.title for found in result.violations)
    return result.kinds


texts: list[str] = []


def test_dfd3df31c9db_the_barrier_from_a_work_that_must_run_when_memory_is_short() -> None:
    """B15: check_flush_dependency() on system_unbound_wq; a workqueue of its own with WQ_MEM_RECLAIM mends it."""
    assert flushed_from_a_reclaim_work("v6.12.0") == {ViolationKind.FLUSH_DEPENDENCY}
    assert (
        "WQ_MEM_RECLAIM nvme-wq:nvme_scan_work is flushing !WQ_MEM_RECLAIM events_unbound:kfree_rcu_work" in texts[-1]
    )
    assert flushed_from_a_reclaim_work("v6.12") == frozenset()


# -- the one-argument form ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", ERAS)
def test_the_one_argument_form_by_the_name_that_the_version_has(kernel: str) -> None:
    async def script(k: Kernel) -> None:
        await one_argument(k, await k.kmalloc(64))
        await one_argument(k, None)

    result = run(scenario()(script), RunOptions(kernel=kernel))
    assert result.clean
    assert result.counters["calls"]["one_argument"] == {"process": 1}


@pytest.mark.parametrize("kernel", ["v6.6", "v6.12", "v7.3"])
def test_7e3f926bf453_the_old_spelling_is_one_clear_line(kernel: str) -> None:
    async def script(k: Kernel) -> None:
        await k.kvfree_rcu(await k.kmalloc(64))

    with pytest.raises(BadInput, match=rf"^kvfree_rcu\(p\): needs the name of its rcu_head on {kernel}; "):
        run(scenario()(script), RunOptions(kernel=kernel))


@pytest.mark.parametrize("kernel", ["v5.9", "v5.11", "v6.1.0"])
@pytest.mark.parametrize("name", ["kvfree_rcu_mightsleep", "kfree_rcu_mightsleep"])
def test_and_so_is_the_new_one_on_older_versions(kernel: str, name: str) -> None:
    async def script(k: Kernel) -> None:
        assert not k.has(name)
        await getattr(k, name)(await k.kmalloc(64))

    with pytest.raises(
        BadInput,
        match=rf"^kvfree_rcu_mightsleep\(\): {kernel} has no such function; it came with v6.4, and ",
    ):
        run(scenario()(script), RunOptions(kernel=kernel))


def test_stable_6_1_has_both() -> None:
    async def script(k: Kernel) -> None:
        await k.kvfree_rcu(await k.kmalloc(64))
        await k.kvfree_rcu_mightsleep(await k.kmalloc(64))

    assert run(scenario()(script), RunOptions(kernel="v6.1-stable")).clean


def test_what_is_asked_for_must_be_a_function_that_only_some_versions_have() -> None:
    async def script(k: Kernel) -> None:
        k.has("kvfree_rcu_mightslep")

    with pytest.raises(BadInput, match="kvfree_rcu_mightsleep"):
        run(scenario()(script))
