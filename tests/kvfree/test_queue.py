"""Blocks, channels, the list, the monitor, batches, and the order of freeing (rcuactors/kvfree/core.py, drain.py)."""

from __future__ import annotations

import pytest

from rcuactors import Kernel, RunOptions, ViolationKind, run, scenario
from rcuactors.engine.events import Event, ListSink
from rcuactors.errors import BadInput
from rcuactors.mm.gfp import GFP_KERNEL
from rcuactors.runs.result import Result
from tests.one_argument import one_argument

MS = 1_000_000


def watched(script, kernel: str = "v5.11", **settings: str) -> tuple[Result, list[Event]]:
    sink = ListSink()
    return run(scenario()(script), RunOptions(kernel=kernel, sinks=(sink,), settings=settings)), sink.events


def named(events: list[Event], name: str) -> list[Event]:
    return [event for event in events if event.name == name]


async def warm(k: Kernel, pages: int = 5) -> None:
    """Fill this CPU's cache, as a burst and some quiet do."""
    krcp = k.machine.kvfree.krc(k.smp_processor_id())
    while len(krcp.cache) < pages:
        krcp.cache.append(await k.machine.pages.get_free_page(k.machine.current, GFP_KERNEL))


async def free_objects(k: Kernel, count: int, *, vmalloc: bool = False, rhf: str | None = "rcu") -> None:
    objects = [await (k.vmalloc(64) if vmalloc else k.kmalloc(64)) for _ in range(count)]
    for p in objects:
        await k.kvfree_rcu(p, rhf)


@pytest.mark.parametrize("kernel", ["v5.9", "v5.11"])
def test_a_block_holds_510_and_blocks_are_freed_newest_first(kernel: str) -> None:
    """Recorded on a real 6.1 kernel: 1,100 objects in blocks give 80, 510, 510."""

    async def script(k: Kernel) -> None:
        await warm(k)
        await free_objects(k, 1100)

    result, _ = watched(script, kernel)
    assert result.clean
    assert result.counters["bulk_sizes_in_order"] == [80, 510, 510]
    assert result.counters["blocks"] == 3
    assert result.counters["grace_periods"] == 1
    assert result.counters["work_runs"] == 1


def test_slab_blocks_then_vmalloc_blocks_then_the_list_last_in_first_out() -> None:
    addresses: dict[str, list[int]] = {"vmalloc": [], "list": []}

    async def script(k: Kernel) -> None:
        areas = [await k.vmalloc(64) for _ in range(512)]
        objects = [await k.kmalloc(64) for _ in range(512 + 3)]
        await warm(k, 4)
        for p in areas:
            addresses["vmalloc"].append(p.address)
            await k.kvfree_rcu(p, "rcu")
        for p in objects[:512]:
            await k.kvfree_rcu(p, "rcu")
        # Fill up both blocks, so that the rest finds no page.
        k.local_irq_disable()
        krcp = k.machine.kvfree.krc(0)
        krcp.blocks[0][-1].records, kept = krcp.blocks[0][-1].records * 255, krcp.blocks[0][-1].records
        assert len(krcp.blocks[0][-1].records) == 510
        for p in objects[512:]:
            addresses["list"].append(p.address + 16)
            await k.kvfree_rcu(p, "rcu")
        krcp.blocks[0][-1].records = kept
        await k.local_irq_enable()

    result, events = watched(script)
    assert result.clean
    order = [
        "bulk"
        if event.name == "rcu_invoke_kfree_bulk_callback"
        else "vfree"
        if event.text.endswith("func=0")
        else "list"
        for event in events
        if event.name in ("rcu_invoke_kfree_bulk_callback", "rcu_invoke_kvfree_callback")
    ]
    assert order == ["bulk"] * 2 + ["vfree"] * 512 + ["list"] * 3
    assert result.counters["bulk_sizes_in_order"] == [2, 510]
    freed = [int(event.text.split("rhp=0x")[1].split()[0], 16) for event in named(events, "rcu_invoke_kvfree_callback")]
    areas = addresses["vmalloc"]
    assert freed[:512] == areas[510:] + areas[:510]
    assert freed[512:] == addresses["list"][::-1]


@pytest.mark.parametrize("kernel", ["v5.9", "v5.11"])
@pytest.mark.parametrize("hz", ["100", "250", "1000"])
def test_the_monitor_runs_20_ms_after_the_first_call(kernel: str, hz: str) -> None:
    async def script(k: Kernel) -> None:
        await free_objects(k, 3)

    _, events = watched(script, kernel, HZ=hz)
    called = named(events, "kvfree_call_rcu")[0].time_ns
    (monitor,) = [event for event in named(events, "workqueue_execute_start") if "kfree_rcu_monitor" in event.text]
    jiffy = 1_000_000_000 // int(hz)
    assert 20 * MS <= monitor.time_ns - called <= 20 * MS + 2 * jiffy + MS
    (armed,) = [event for event in named(events, "timer_start") if "delayed_work_timer_fn" in event.text]
    assert f"[timeout={int(hz) // 50}]" in armed.text


def test_calls_while_the_monitor_is_armed_arm_nothing() -> None:
    async def script(k: Kernel) -> None:
        await warm(k)
        for _ in range(10):
            await free_objects(k, 10)
            await k.udelay(1000)

    result, events = watched(script)
    assert result.counters["monitor_runs"] == 1
    assert len([event for event in named(events, "timer_start") if "delayed_work" in event.text]) == 1


def test_two_batches_wait_for_grace_periods_and_a_third_has_to_wait_for_one_of_them() -> None:
    async def script(k: Kernel) -> None:
        async def reader() -> None:
            with k.rcu_reader():
                await k.udelay(400_000)

        krcp = k.machine.kvfree.krc(0)
        await warm(k)
        await k.kthread_run(reader, cpu=1)
        await k.usleep_range(100, 100)
        for count in range(3):
            await free_objects(k, 10)
            await k.msleep(60)
            filled = [bool(batch.blocks[0]) for batch in krcp.batches]
            assert filled == [True, count >= 1]
        # The monitor tries again every 20 ms, and the objects stay where they are.
        assert len(krcp.blocks[0][0].records) == 10
        assert k.machine.kvfree.arming.of(krcp).monitor_todo

    result, _ = watched(script)
    assert result.clean
    assert result.counters["monitor_runs"] > 10
    assert result.counters["bulk_objects"] == 30
    assert result.counters["bulk_sizes_in_order"] == [10, 10, 10]


def test_when_the_second_batch_takes_what_the_first_could_not_the_monitor_runs_once_more_for_nothing() -> None:
    """queue_kfree_rcu_work() of these versions notes `repeat` after each batch, so also when the next one takes all."""

    async def script(k: Kernel) -> None:
        async def reader() -> None:
            with k.rcu_reader():
                await k.udelay(150_000)

        krcp = k.machine.kvfree.krc(0)
        await warm(k)
        await k.kthread_run(reader, cpu=1)
        await k.usleep_range(100, 100)
        await free_objects(k, 10)
        await k.msleep(32)
        assert (k.machine.kvfree.arming.of(krcp).monitor_todo, k.machine.kvfree.figures.monitor_runs) == (False, 1)
        await free_objects(k, 10)
        await k.msleep(22)
        assert not krcp.anything_queued()
        assert (k.machine.kvfree.arming.of(krcp).monitor_todo, k.machine.kvfree.figures.monitor_runs) == (True, 2)
        await k.msleep(40)
        assert (k.machine.kvfree.arming.of(krcp).monitor_todo, k.machine.kvfree.figures.monitor_runs) == (False, 3)

    assert watched(script)[0].clean


@pytest.mark.parametrize("settings", [{}, {"PREEMPT_RT": "y"}, {"PREEMPT": "n", "PROVE_LOCKING": "n"}])
@pytest.mark.parametrize("kernel", ["v5.9", "v5.11"])
def test_the_calls_are_counted_by_form_and_context(kernel: str, settings: dict[str, str]) -> None:
    async def script(k: Kernel) -> None:
        async def free_one() -> None:
            await k.kvfree_rcu(objects.pop(), "rcu")

        async def raise_tasklet() -> None:
            await k.tasklet_schedule(free_one)

        objects = [await k.kmalloc(64) for _ in range(6)]
        await free_one()
        await k.kvfree_rcu(objects.pop())
        k.local_irq_disable()
        await free_one()
        await k.local_irq_enable()
        await k.raise_irq(free_one)
        await k.raise_irq(raise_tasklet)
        await k.raise_nmi(k.cpu_relax)
        k.preempt_disable()
        await free_one()
        await k.preempt_enable()
        await k.msleep(1)

    result, _ = watched(script, kernel, **settings)
    assert result.clean
    preempt_off = "process" if settings.get("PREEMPT") == "n" else "preempt_off"
    two = {"process": 1, "irqs_off": 1, "hardirq": 1, "softirq": 1}
    two[preempt_off] = two.get(preempt_off, 0) + 1
    assert result.counters["calls"] == {"two_argument": two, "one_argument": {"process": 1}}


@pytest.mark.parametrize("kernel", ["v5.9", "v5.11"])
def test_a_second_kvfree_rcu_of_the_same_object_is_reported(kernel: str) -> None:
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(64)
        await k.kvfree_rcu(p, "rcu")
        await k.kvfree_rcu(p, "rcu")

    result, _ = watched(script, kernel)
    assert result.outcome() == "double-free"
    assert "given to kvfree_rcu() again" in result.violations[0].title


@pytest.mark.parametrize("kernel", ["v5.9", "v5.11"])
@pytest.mark.parametrize("vmalloc", [False, True])
def test_kvfree_rcu_of_a_freed_object_is_reported(kernel: str, vmalloc: bool) -> None:
    async def script(k: Kernel) -> None:
        p = await (k.vmalloc(64) if vmalloc else k.kmalloc(64))
        await k.kvfree(p)
        await k.kvfree_rcu(p, "rcu")
        await k.msleep(100)

    result, _ = watched(script, kernel)
    assert result.outcome() == "double-free"
    assert "after it was freed" in result.violations[0].title


def test_kfree_of_a_queued_object_is_reported_when_the_queue_frees_it_again() -> None:
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(64)
        await k.kvfree_rcu(p, "rcu")
        await k.kfree(p)

    assert watched(script)[0].outcome() == "free-active, double-free"


def test_null_is_ignored() -> None:
    async def script(k: Kernel) -> None:
        await k.kvfree_rcu(None, "rcu")
        await k.kvfree_rcu(None, "rcu")
        await k.kfree_rcu(None, "rcu")

    result, _ = watched(script)
    assert result.clean
    assert result.counters["calls"] == {"two_argument": {}, "one_argument": {}}


def test_something_else_is_refused() -> None:
    async def script(k: Kernel) -> None:
        await k.kvfree_rcu(4711, "rcu")

    with pytest.raises(BadInput, match="needs what kmalloc"):
        run(scenario()(script))


@pytest.mark.parametrize("kernel", ["v5.9", "v5.11"])
def test_the_one_argument_form_without_a_block_waits_a_grace_period(kernel: str) -> None:
    async def script(k: Kernel) -> None:
        await k.cold_caches()
        p = await k.kmalloc(64)
        before = k.machine.gp.completed
        await one_argument(k, p)
        assert k.machine.gp.completed > before
        assert p.state == 2

    result, _ = watched(script, kernel, fail_page_alloc="0", PREEMPT_RT="y")
    assert result.clean
    assert (result.counters["fallbacks_synchronize"], result.counters["inline_freed"]) == (1, 1)
    assert result.counters["monitor_runs"] == 0
    assert result.latency_ns["count"] == 1


def test_the_one_argument_form_with_a_block_does_not_wait() -> None:
    async def script(k: Kernel) -> None:
        await warm(k)
        p = await k.kmalloc(64)
        began = k.now
        await one_argument(k, p)
        assert k.now - began < 1000

    result, _ = watched(script)
    assert result.clean
    assert result.counters["bulk_objects"] == 1


@pytest.mark.parametrize("where", ["preempt off", "reader"])
def test_the_one_argument_form_in_atomic_context_is_reported_even_with_a_block(where: str) -> None:
    async def script(k: Kernel) -> None:
        await warm(k)
        p = await k.kmalloc(64)
        if where == "reader":
            with k.rcu_reader():
                await one_argument(k, p)
        else:
            k.preempt_disable()
            await one_argument(k, p)
            await k.preempt_enable()

    assert watched(script, DEBUG_ATOMIC_SLEEP="y")[0].outcome() == "sleeping-function"
    assert watched(script)[0].clean


@pytest.mark.parametrize(("kernel", "rt"), [("v5.9", "n"), ("v5.9", "y"), ("v5.11", "n"), ("v5.11", "y")])
def test_emptied_blocks_fill_the_cache_up_to_its_limit(kernel: str, rt: str) -> None:
    async def script(k: Kernel) -> None:
        await warm(k, 8)
        await free_objects(k, 510 * 8)
        await k.msleep(200)
        cached.append(k.cached_pages())

    cached: list[int] = []
    result, _ = watched(script, kernel, PREEMPT_RT=rt)
    assert result.clean
    assert cached == [2 if kernel == "v5.9" else 5]


def test_each_cpu_has_its_own() -> None:
    async def script(k: Kernel) -> None:
        async def burst() -> None:
            await warm(k)
            await free_objects(k, 100)

        async with k.open_nursery() as nursery:
            for cpu in range(3):
                await nursery.start_soon(burst, cpu=cpu)

    result, events = watched(script, nr_cpus="3")
    assert result.clean
    assert result.counters["bulk_sizes_in_order"] == [100, 100, 100]
    freed = named(events, "rcu_invoke_kfree_bulk_callback")
    assert sorted(event.cpu for event in freed) == [0, 1, 2]
    assert all(event.comm.startswith("kworker/") for event in freed)


@pytest.mark.parametrize(
    "context",
    [
        "process",
        "preempt_disable",
        "irq_disable",
        "bh_disable",
        "raw_spin_irqsave",
        "spin",
        "rcu_read",
        "hardirq",
        "softirq_irq_exit",
        "rq_lock",
    ],
)
@pytest.mark.parametrize(
    "settings", [{}, {"PROVE_RAW_LOCK_NESTING": "y", "DEBUG_ATOMIC_SLEEP": "y"}, {"PREEMPT_RT": "y"}]
)
def test_on_v5_11_the_two_argument_form_is_clean_everywhere(run_in, context: str, settings: dict[str, str]) -> None:
    """Cold, warm, and 1,200 in a row: silent in every context on the real kernels, too."""

    async def script(k: Kernel) -> None:
        objects = [await k.kmalloc(64) for _ in range(1200)]

        async def burst() -> None:
            for p in objects:
                await k.kvfree_rcu(p, "rcu")

        await k.cold_caches()
        await run_in(k, context, burst)

    result = run(scenario()(script), RunOptions(events=False), **settings)
    assert result.outcome() == "clean"
    freed = result.counters
    assert freed["bulk_objects"] + freed["list_freed"] == 1200


def test_three_kinds_of_violation_of_one_planted_bug() -> None:
    """An object of a batch that is freed by hand while a reader holds it, and then by the batch."""

    async def script(k: Kernel) -> None:
        p = await k.kmalloc(64)

        async def reader() -> None:
            with k.rcu_reader():
                k.rcu_dereference(p)
                await k.udelay(1000)

        await k.kthread_run(reader, cpu=1)
        await k.udelay(100)
        await k.kvfree_rcu(p, "rcu")
        await k.kfree(p)

    kinds = [violation.kind for violation in watched(script)[0].violations]
    assert kinds == [ViolationKind.FREE_ACTIVE, ViolationKind.USE_AFTER_FREE, ViolationKind.DOUBLE_FREE]


@pytest.mark.parametrize("kernel", ["v5.9", "v5.11"])
def test_a_second_kvfree_rcu_is_reported_where_the_kernel_has_interrupts_off(kernel: str) -> None:
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(64)
        await k.kvfree_rcu(await k.kmalloc(64), "rcu")
        await k.kvfree_rcu(p, "rcu")
        await k.kvfree_rcu(p, "rcu")

    result = run(scenario()(script), RunOptions(kernel=kernel))
    assert result.violations[0].context == "irqs_off"
