"""kvfree_rcu() of v6.1: what differs from v5.11 (rcuactors/eras/v6_1_stable.py, kvfree/parts/)."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from rcuactors import GFP_ATOMIC, Kernel, RunOptions, ViolationKind, run, scenario
from rcuactors.engine.events import Event, ListSink
from rcuactors.kvfree.krc import Krc
from rcuactors.kvfree.parts.refill import Refilling
from rcuactors.mm.gfp import GFP_KERNEL
from rcuactors.mm.reclaim import Shrinker
from rcuactors.recordings import read_recording
from rcuactors.recordings.replay import replay
from rcuactors.runs.result import Result

V6_1 = RunOptions(kernel="v6.1-stable")
MS = 1_000_000


def watched(script, *, early_boot: bool = False, **settings: str) -> tuple[Result, list[Event]]:
    sink = ListSink()
    options = RunOptions(kernel="v6.1-stable", sinks=(sink,), settings=settings)
    return run(scenario(early_boot=early_boot)(script), options), sink.events


def krc(k: Kernel, cpu: int = 0) -> Krc:
    return k.machine.kvfree.krc(cpu)


def expiry(k: Kernel) -> int:
    return k.machine.kvfree.arming.of(krc(k)).monitor_expires


def refilling(k: Kernel, cpu: int = 0) -> Refilling:
    return k.machine.kvfree.refill.of(krc(k, cpu))


def shrinker(k: Kernel) -> Shrinker:
    (found,) = k.machine.pages.reclaim.shrinkers.registered
    return found


async def warm(k: Kernel, pages: int = 4) -> None:
    while len(krc(k).cache) < pages:
        krc(k).cache.append(await k.machine.pages.get_free_page(k.machine.current, GFP_KERNEL))


async def burst(k: Kernel, objects: list) -> None:
    for p in objects:
        await k.kvfree_rcu(p, "rcu")


def timeouts(lines: list[str]) -> list[str]:
    """The delays, in jiffies, that the lines of an event stream give to the timers of delayed works."""
    starts = [line for line in lines if "timer_start:" in line and "delayed_work_timer_fn" in line]
    return [line.partition("timeout=")[2].partition("]")[0] for line in starts]


def monitor_delays(events: list[Event]) -> list[str]:
    """The same for a run of ours, where only kvfree_rcu() has delayed works."""
    return timeouts([event.line() for event in events])


# -- the monitor -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("hz", "five_seconds"), [("100", "500"), ("250", "1250"), ("1000", "5000")])
@pytest.mark.parametrize("pages", [0, 4])
def test_armed_for_five_seconds_and_shortened_to_a_jiffy_by_the_510th_object(
    hz: str, five_seconds: str, pages: int
) -> None:
    """Of the list as of blocks: krcp->count decides."""

    async def script(k: Kernel) -> None:
        objects = [await k.kmalloc(64) for _ in range(700)]
        await warm(k, pages)
        k.preempt_disable()
        await burst(k, objects[:509])
        assert krc(k).monitor_work.work.pending
        expires = expiry(k)
        await burst(k, objects[509:510])
        assert expiry(k) < expires
        await burst(k, objects[510:])
        await k.preempt_enable()

    result, events = watched(script, HZ=hz)
    assert result.clean
    assert monitor_delays(events) == [five_seconds, "1"]
    assert result.latency_ns["max"] < 200 * MS
    assert result.counters["monitor_runs"] == 1


def test_a_few_objects_wait_five_seconds() -> None:
    async def script(k: Kernel) -> None:
        await burst(k, [await k.kmalloc(64) for _ in range(20)])

    result, events = watched(script)
    assert result.clean
    assert monitor_delays(events) == ["1250"]
    # The wheel rounds 1,250 jiffies up to 64 more.
    assert 5000 * MS < result.latency_ns["max"] < 5300 * MS


def test_the_delay_is_only_ever_shortened() -> None:
    async def script(k: Kernel) -> None:
        await burst(k, [await k.kmalloc(64)])
        first = expiry(k)
        await k.msleep(2000)
        await burst(k, [await k.kmalloc(64)])
        assert expiry(k) == first

    result, events = watched(script)
    assert monitor_delays(events).count("1250") == 1
    assert result.counters["monitor_runs"] == 1


def test_an_object_between_the_monitors_wake_up_and_its_run_arms_it_again() -> None:
    """delayed_work_pending() is false by then: there is no flag that says otherwise."""

    async def script(k: Kernel) -> None:
        objects = [await k.kmalloc(64) for _ in range(3)]
        await warm(k)
        run_monitor = k.machine.kvfree.monitor.kfree_rcu_monitor

        async def late(cpu, krcp: Krc) -> None:
            if objects:
                await k.kvfree_rcu(objects.pop(), "rcu")
            await run_monitor(cpu, krcp)

        monitor = k.machine.kvfree.monitor
        monitor.kfree_rcu_monitor = late  # type: ignore[method-assign]
        await burst(k, [objects.pop()])
        await k.msleep(5300)
        assert krc(k).monitor_work.work.pending
        await k.msleep(5300)

    result, events = watched(script)
    assert result.clean
    assert monitor_delays(events).count("1250") == 3
    assert result.counters["monitor_runs"] == 3


@pytest.mark.parametrize("settings", [{}, {"PROVE_RAW_LOCK_NESTING": "y"}, {"PREEMPT_RT": "y"}])
def test_5da7cb193db3_a_batch_that_waits_takes_nothing_more(settings: dict[str, str]) -> None:
    """The interleaving that frees new memory after an old grace period on v5.11 is harmless here."""

    async def script(k: Kernel) -> None:
        kvfree, gp, cpu = k.machine.kvfree, k.machine.gp, k.machine.this_cpu
        shared = await k.vmalloc(64)
        await warm(k)

        async def early() -> None:
            with k.rcu_reader():
                await k.udelay(100_000)

        async def late() -> None:
            with k.rcu_reader():
                p = k.rcu_dereference(shared)
                await k.udelay(300_000)
                k.deref(p)

        await k.kthread_run(early, cpu=1)
        await k.usleep_range(100, 100)
        await k.kvfree_rcu(await k.kmalloc(64), "rcu")
        await kvfree.monitor.kfree_rcu_monitor(cpu.current, krc(k))
        while not gp.gp_seq & 3:
            await k.msleep(1)
        await k.msleep(8)
        await k.kthread_run(late, cpu=2)
        await k.usleep_range(100, 100)
        await k.kvfree_rcu(shared, "rcu")
        await kvfree.monitor.kfree_rcu_monitor(cpu.current, krc(k))
        first, second = krc(k).batches
        assert [bool(blocks) for blocks in first.blocks + second.blocks] == [True, False, False, True]

    result = run(scenario()(script), V6_1, nr_cpus="3", **settings)
    assert result.clean
    assert result.counters["grace_periods"] == 2


def test_with_both_batches_busy_the_monitor_tries_again_after_the_delay() -> None:
    async def script(k: Kernel) -> None:
        monitor, cpu = k.machine.kvfree.monitor, k.machine.this_cpu

        async def reader() -> None:
            with k.rcu_reader():
                await k.udelay(20_000)

        await k.kthread_run(reader, cpu=1)
        await k.usleep_range(100, 100)
        for index in range(3):
            await burst(k, [await k.kmalloc(64)])
            await monitor.kfree_rcu_monitor(cpu.current, krc(k))
            assert krc(k).anything_queued() == (index == 2)
        assert krc(k).monitor_work.work.pending
        assert krc(k).count == 1

    result, _ = watched(script)
    assert result.clean
    assert result.counters["list_freed"] + result.counters["bulk_objects"] == 3


# -- the refill --------------------------------------------------------------------------------------------------------


def test_the_refill_asks_for_pages_that_never_invoke_the_oom_killer() -> None:
    """Commit ee6ddf58475c."""

    async def script(k: Kernel) -> None:
        p = await k.kmalloc(64)
        await k.user_process("victim", 100)
        zone = k.machine.pages.zone
        pages = []
        while zone.free > zone.watermark_min - zone.batch:
            pages.append(await k.get_free_page(GFP_ATOMIC))
        await k.kvfree_rcu(p, "rcu")
        await k.msleep(1000)
        for pfn in pages:
            await k.free_page(pfn)

    result, events = watched(script, mem="16M")
    assert result.clean
    wanted = "gfp_flags=GFP_KERNEL|__GFP_NOWARN|__GFP_NORETRY|__GFP_NOMEMALLOC"
    asked = [event for event in events if event.name == "mm_page_alloc" and wanted in event.text]
    # The first that fails ends the loop.
    assert len(asked) == 1
    assert "pfn=0x0" in asked[0].text
    assert result.counters["refill_pages"] == 0


def test_reclaims_count_puts_off_the_next_refill_of_every_cpu_and_has_it_get_one_page() -> None:
    """Commit d0bfa8b3c411; recorded with delays of 0, 200 and 5000 ms. Until then everything falls back."""

    async def script(k: Kernel) -> None:
        krc(k)
        assert await shrinker(k).count(k.machine.current) == 0

        async def miss() -> None:
            me = k.smp_processor_id()
            assert refilling(k, me).backoff_page_cache_fill
            await burst(k, [await k.kmalloc(64) for _ in range(3)])
            await k.msleep(150)
            seen.append((k.cached_pages(), refilling(k, me).work_in_progress, refilling(k, me).backoff_page_cache_fill))
            await k.msleep(100)
            seen.append((k.cached_pages(), refilling(k, me).work_in_progress, refilling(k, me).backoff_page_cache_fill))

        # CPU 1 had not been touched by anything when reclaim looked.
        for cpu in (0, 1):
            await k.kthread_join(await k.kthread_run(miss, cpu=cpu))

    seen: list[tuple[int, bool, bool]] = []
    result, events = watched(script, rcu_delay_page_cache_fill_msec="200")
    assert result.clean
    assert seen == [(0, True, True), (1, False, False)] * 2
    assert monitor_delays(events).count("50") == 2
    assert not [event for event in events if event.name == "hrtimer_start" and "page_work" in event.text]
    assert result.counters["list_freed"] == 6
    queued = [event.text for event in events if event.name == "workqueue_queue_work" and "fill_page" in event.text]
    assert ["workqueue=events " in text for text in queued] == [True, True]


@pytest.mark.parametrize(("msec", "hz", "jiffies"), [("5000", "250", "1250"), ("1", "250", "1"), ("5", "300", "2")])
def test_the_delay_in_jiffies_is_rounded_up(msec: str, hz: str, jiffies: str) -> None:
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(64)
        await shrinker(k).count(k.machine.current)
        await burst(k, [p])

    _, events = watched(script, HZ=hz, rcu_delay_page_cache_fill_msec=msec)
    assert monitor_delays(events)[0] == jiffies


def test_a_delay_of_0_queues_the_work_under_the_callers_locks() -> None:
    """The very deadlock that the hrtimer avoids: under the scheduler's lock, the wake-up of the worker takes it."""

    async def script(k: Kernel) -> None:
        p = await k.kmalloc(64)
        await shrinker(k).count(k.machine.current)
        flags = await k.raw_spin_lock_irqsave(k.this_rq_lock())
        await k.kvfree_rcu(p, "rcu")
        await k.raw_spin_unlock_irqrestore(k.this_rq_lock(), flags)

    assert run(scenario()(script), V6_1, rcu_delay_page_cache_fill_msec="200").clean
    result = run(scenario()(script), V6_1, rcu_delay_page_cache_fill_msec="0")
    assert {ViolationKind.RECURSIVE_LOCKING, ViolationKind.DEADLOCK} <= result.kinds


def test_without_a_look_of_reclaim_the_refill_is_that_of_v5_11() -> None:
    async def script(k: Kernel) -> None:
        await burst(k, [await k.kmalloc(64)])
        await k.msleep(1)
        assert k.cached_pages() == 5

    result, events = watched(script)
    assert result.clean
    assert [event.name for event in events if event.name.startswith("hrtimer_") and "page_work" in event.text] == [
        "hrtimer_start",
        "hrtimer_expire_entry",
    ]


# -- the shrinker ------------------------------------------------------------------------------------------------------


def test_the_shrinker_sees_and_takes_the_cached_pages_and_runs_the_monitor() -> None:
    async def script(k: Kernel) -> None:
        zone = k.machine.pages.zone
        objects = [await k.kmalloc(64) for _ in range(7)]
        k.preempt_disable()
        await burst(k, objects)
        await k.preempt_enable()
        await k.msleep(1)
        in_use = len(zone.in_use)
        assert k.cached_pages() == 5
        assert await shrinker(k).count(k.machine.current) == 12
        assert await shrinker(k).scan(k.machine.current, 100) == 12
        assert (k.cached_pages(), in_use - len(zone.in_use)) == (0, 5)
        assert krc(k).count == 0
        assert krc(k).batches[0].busy()
        assert await shrinker(k).count(k.machine.current) == 0
        assert await shrinker(k).scan(k.machine.current, 100) is None  # SHRINK_STOP

    result, _ = watched(script)
    assert result.clean
    # The shrinker's two calls, of both possible CPUs each, and the armed one, which finds nothing.
    assert result.counters["monitor_runs"] == 5
    assert result.latency_ns["max"] < 100 * MS


def test_scanning_stops_when_it_has_scanned_enough() -> None:
    async def script(k: Kernel) -> None:
        async def queue() -> None:
            await burst(k, [await k.kmalloc(64) for _ in range(12)])

        for cpu in (0, 1):
            await k.kthread_join(await k.kthread_run(queue, cpu=cpu))
        assert await shrinker(k).scan(k.machine.current, 12) == 12
        assert [krc(k, cpu).count for cpu in (0, 1)] == [0, 12]

    assert run(scenario()(script), V6_1, rcu_min_cached_objs="0").clean


# -- boot --------------------------------------------------------------------------------------------------------------


def test_blocks_filled_before_running_are_not_forgotten() -> None:
    """B11 is fixed: any channel counts when the scheduler runs. A one-argument caller fills a block before that."""

    async def script(k: Kernel) -> None:
        k.kfree_rcu_batch_init()
        await k.kvfree_rcu(await k.kmalloc(64))
        assert krc(k).blocks[0]
        assert not krc(k).monitor_work.work.pending
        await k.rcu_scheduler_running()
        assert krc(k).monitor_work.work.pending

    result, events = watched(script, early_boot=True)
    assert result.clean
    assert monitor_delays(events) == ["1250"]
    assert (result.counters["bulk_objects"], result.counters["inline_freed"]) == (1, 0)


# -- against a real kernel ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["d_rawspin_1100_min5", "e_hardirq_600_min5", "d2_irqoff_600_min5", "g_single_vmalloc_600_min0"]
)
def test_a_replay_gives_the_recorded_figures(root: Path, name: str) -> None:
    path = root / "tests" / "data" / "recordings" / "kvfree" / f"{name}.txt.gz"
    recording = read_recording(path)
    sink = ListSink()
    replayed = replay(recording, RunOptions(kernel="v6.1-stable", sinks=(sink,)))
    assert replayed.result.clean
    assert replayed.version_note == ""
    differing = {row.name for row in replayed.compared() if row.real is not None and row.real != row.machine}
    assert differing == set()
    assert list(recording.observed.bulk_sizes) == replayed.result.counters["bulk_sizes_in_order"]
    # Each burst arms the monitor for 5 s, and its 510th object shortens that.
    real = timeouts(gzip.decompress(path.read_bytes()).decode().splitlines())
    assert monitor_delays(sink.events) == real
    assert real[:2] == ["1250", "1"]
