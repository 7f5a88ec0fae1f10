"""What the machine's parts say of themselves (Machine.statistics()): true at any time of a run, and frozen.

What each figure means, and in which unit, is held by tests/docs/test_tables.py.
"""

from __future__ import annotations

import json
import pickle
from typing import Any

import attrs
import pytest

from rcuactors import Kernel, Run, RunOptions, run, scenario
from rcuactors.machine import MachineStatistics
from rcuactors.runs.counters import Counters


def statistics_of(script: Any, **words: Any) -> MachineStatistics:
    """After a clean run."""
    one = Run(scenario()(script), RunOptions(**words))
    assert one.run().clean
    return one.machine.statistics()


async def queue(k: Kernel, count: int) -> None:
    for _ in range(count):
        await k.kvfree_rcu(await k.kmalloc(64), "rcu")


def test_what_is_queued_goes_from_part_to_part() -> None:
    seen: list[tuple[int, int, int, int]] = []

    async def script(k: Kernel) -> None:
        def look() -> None:
            now = k.machine.statistics()
            drain = now.kvfree.drain
            seen.append((now.kvfree.queued, drain.waiting, now.kvfree.latencies.count, now.oracle.objects))
            assert now.kvfree.arming.armed == bool(now.kvfree.queued)
            assert drain.busy == bool(drain.waiting)

        await queue(k, 700)
        look()
        while not k.machine.kvfree.statistics().drain.waiting:
            await k.msleep(4)
        look()
        while k.machine.kvfree.statistics().drain.waiting:
            await k.msleep(4)
        await k.msleep(100)
        look()

    found = statistics_of(script)
    assert seen == [(700, 0, 0, 700), (0, 700, 0, 700), (0, 0, 700, 0)]
    assert found.kvfree.calls.two_argument == {"process": 700}
    assert found.kvfree.monitor.runs >= 1
    assert found.oracle.peak_objects == 700


@pytest.mark.parametrize("kernel", ["v5.9", "v5.11", "v6.1-stable"])
def test_every_page_is_somewhere(kernel: str) -> None:
    async def script(k: Kernel) -> None:
        await queue(k, 2000)
        p = await k.vmalloc(3 * 4096)
        zone, vmalloc = k.machine.pages.zone.statistics(), k.machine.vmalloc.statistics()
        assert zone.free + zone.listed + zone.in_use + zone.set_aside == zone.managed
        assert (vmalloc.areas, vmalloc.pages) == (1, 3)
        await k.vfree(p)

    found = statistics_of(script, kernel=kernel)
    zone = found.zone
    assert zone.free + zone.listed + zone.in_use + zone.set_aside == zone.managed
    assert zone.allocated - zone.freed == zone.in_use == found.slab.slabs + found.kvfree.cached_pages
    assert (found.vmalloc.areas, found.vmalloc.pages) == (0, 0)


def test_grace_periods_callbacks_and_readers() -> None:
    async def script(k: Kernel) -> None:
        async def done() -> None:
            pass

        with k.rcu_reader(), k.rcu_reader():
            await k.call_rcu(done)
            now = k.machine.statistics()
            assert (now.callbacks.waiting, now.callbacks.unassigned, now.callbacks.invoked) == (1, 1, 0)
            assert (now.readers.readers, now.readers.sections, now.oracle.sections) == (1, 2, 1)
            await k.udelay(10_000)
            now = k.machine.statistics()
            assert (now.gp.in_progress, now.gp.cpus_waited_for, now.gp.completed) == (True, 1, 0)
        await k.rcu_barrier()

    found = statistics_of(script)
    assert (found.callbacks.waiting, found.callbacks.invoked) == (0, 2)
    assert (found.readers.sections, found.readers.qs_needed, found.oracle.sections_entered) == (0, 0, 1)
    assert found.gp.completed >= 1
    assert found.gp.gp_seq % 4 == 0


def test_timers_works_and_softirqs() -> None:
    async def script(k: Kernel) -> None:
        async def nothing() -> None:
            pass

        before = k.machine.statistics()
        await k.hrtimer_start(k.hrtimer(nothing), 10_000_000)
        await k.mod_timer(k.timer_setup(nothing), 5)
        await k.schedule_work(k.work(nothing))
        now = k.machine.statistics()
        assert now.hrtimers.started == before.hrtimers.started + 1
        assert now.hrtimers.queued >= 1
        assert (now.timers.pending, now.timers.started) == (1, 1)
        assert now.workqueues.waiting == 1
        await k.tasklet_schedule(nothing)
        await k.msleep(100)

    found = statistics_of(script)
    assert (found.timers.pending, found.timers.expired) == (0, found.timers.started)
    assert found.hrtimers.expired >= 1
    assert (found.workqueues.executed, found.workqueues.waiting) == (1, 0)
    assert found.workqueues.idle == found.workqueues.workers >= 1
    assert found.softirqs.served["TASKLET"] == 1
    assert found.softirqs.pending == found.softirqs.tasklets == 0


def test_threads_and_who_waited_for_a_lock() -> None:
    async def script(k: Kernel) -> None:
        raw, mutex = k.raw_spinlock("raw"), k.mutex("mutex")

        async def holder() -> None:
            await k.raw_spin_lock(raw)
            await k.udelay(100)
            await k.raw_spin_unlock(raw)
            await k.mutex_lock(mutex)
            await k.msleep(10)
            await k.mutex_unlock(mutex)

        async with k.open_nursery() as nursery:
            for cpu in (0, 1):
                await nursery.start_soon(holder, cpu=cpu)
        now = k.machine.system.statistics()
        assert now.threads == now.threads_created - 2

    found = statistics_of(script)
    # One for the raw lock; who finds the mutex taken spins, too, while its owner runs, and then sleeps.
    assert found.locks.spun == 2
    assert found.locks.slept == 1
    assert found.system.cpus == 2
    assert found.system.context_switches >= 4
    assert (found.system.runnable, found.system.migrations) == (0, 0)


@pytest.mark.parametrize("prove", [True, False])
def test_lockdep_knows_its_chains(prove: bool) -> None:
    async def script(k: Kernel) -> None:
        outer, inner = k.raw_spinlock("outer"), k.raw_spinlock("inner")
        before = k.machine.system.lockdep.statistics()
        await k.raw_spin_lock(outer)
        await k.raw_spin_lock(inner)
        await k.raw_spin_unlock(inner)
        await k.raw_spin_unlock(outer)
        now = k.machine.system.lockdep.statistics()
        assert (now.on, now.used - before.used) == (prove, 2 * prove)
        assert (now.chains - before.chains, now.dependencies - before.dependencies) == (2 * prove, prove)
        assert now.classes == before.classes

    statistics_of(script, settings={"PROVE_LOCKING": "ny"[prove]})


def test_reports_are_counted() -> None:
    async def script(k: Kernel) -> None:
        k.preempt_disable()
        await k.msleep(1)
        await k.preempt_enable()
        await k.kmalloc(64)

    one = Run(scenario()(script), RunOptions(settings={"DEBUG_ATOMIC_SLEEP": "y"}))
    result = one.run()
    found = one.machine.reporter.statistics()
    assert found.reports == found.kept == result.violation_count > 1
    assert found.kinds["leak"] == 1
    assert sum(found.kinds.values()) == found.kept


def test_the_steps_of_the_result_are_the_conductors() -> None:
    async def script(k: Kernel) -> None:
        await k.msleep(10)

    one = Run(scenario()(script), RunOptions(strategy="random", seed=3))
    result, found = one.run(), one.machine.conductor.statistics()
    assert found.steps == result.steps > 0
    assert found.decisions > 0
    assert 0 < found.strands <= found.strands_made
    assert found.now_ns <= result.end_ns


# -- the result's counters -----------------------------------------------------------------------------------


def test_counters_are_typed_and_a_mapping() -> None:
    async def script(k: Kernel) -> None:
        await queue(k, 5)

    counters = run(scenario()(script)).counters
    assert isinstance(counters, Counters)
    assert counters.calls.two_argument == {"process": 5}
    assert counters["calls"] == {"two_argument": {"process": 5}, "one_argument": {}}
    assert (counters.fallbacks_list, counters.list_freed) == (1, 1)
    assert counters["bulk_sizes_in_order"] == list(counters.bulk_sizes_in_order) == [4]
    assert dict(counters) == counters.as_dict() == counters
    assert json.loads(json.dumps(counters.as_dict())) == counters.as_dict()
    assert pickle.loads(pickle.dumps(counters)) == counters  # noqa: S301 - it is our own
    assert "as_dict" not in counters
    with pytest.raises(KeyError):
        counters["as_dict"]
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        counters.blocks = 2  # type: ignore[misc]
