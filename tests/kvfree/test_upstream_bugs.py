"""Bugs of these versions that were found upstream later, each by the interleaving that makes it happen.

None is planted: the version's rule is modelled, and the bug is there because the rule is.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rcuactors import GFP_ATOMIC, Kernel, KernelBug, Run, RunOptions, ViolationKind, run, scenario
from rcuactors.context.violation import UseAfterFree
from rcuactors.kernel.cpu import Cpu
from rcuactors.kvfree.krc import Krc
from rcuactors.kvfree.parts.arming import TodoFlag
from rcuactors.kvfree.parts.batching import whole_batch
from rcuactors.kvfree.parts.counting import exact
from rcuactors.mm.gfp import GFP_KERNEL

Compose = Callable[..., str]
KERNELS = ["v5.9", "v5.11"]
SETTINGS = [{}, {"PROVE_RAW_LOCK_NESTING": "y"}, {"PREEMPT_RT": "y"}]


async def warm(k: Kernel) -> None:
    krcp = k.machine.kvfree.krc(0)
    while len(krcp.cache) < 4:
        krcp.cache.append(await k.machine.pages.get_free_page(k.machine.current, GFP_KERNEL))


async def new_memory_after_an_old_grace_period(k: Kernel) -> None:
    """5da7cb193db3 "Avoid freeing new kfree_rcu() memory after old grace period".

    A batch with slab objects waits for its grace period, which an early reader holds up. A late reader begins; a
    vmalloc object that it holds is retired, and the monitor drops it into the same batch, whose work is pending: no
    second grace period is asked for.
    """
    gp = k.machine.gp
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
    while not gp.gp_seq & 3:
        await k.msleep(1)
    await k.msleep(8)
    await k.kthread_run(late, cpu=2)
    await k.usleep_range(100, 100)
    await k.kvfree_rcu(shared, "rcu")
    await k.msleep(40)
    krcp = k.machine.kvfree.krc(0)
    assert krcp.batches[0].blocks[0]
    assert krcp.batches[0].blocks[1]


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_5da7cb193db3_new_memory_is_freed_after_an_old_grace_period(kernel: str, settings: dict[str, str]) -> None:
    result = run(scenario()(new_memory_after_an_old_grace_period), RunOptions(kernel=kernel), nr_cpus="3", **settings)
    assert result.kinds == {ViolationKind.USE_AFTER_FREE}
    freed, used = result.violations
    assert "freed by vfree under a reader that may hold it" in freed.title
    assert "reader late/" in freed.text
    assert "reader early/" not in freed.text
    assert "after it was freed" in used.title
    # One grace period only: nobody asked for a second.
    assert result.counters["grace_periods"] == 1


def test_5da7cb193db3_under_panic_on_warn_is_one_plain_exception() -> None:
    with pytest.raises(UseAfterFree) as caught:
        run(scenario()(new_memory_after_an_old_grace_period), nr_cpus="3", panic_on_warn="y", kernel="v5.11")
    assert isinstance(caught.value, KernelBug)
    assert caught.value.violation.kind is ViolationKind.USE_AFTER_FREE


def test_5da7cb193db3s_fix_cures_it(compose: Compose) -> None:
    """v5.11 with that commit's rule and nothing else: a batch is usable only when all three channels are empty."""

    async def script(k: Kernel) -> None:
        with pytest.raises(AssertionError):
            await new_memory_after_an_old_grace_period(k)

    fixed = compose("v5.11", batching=whole_batch)
    result = run(scenario()(script), RunOptions(kernel=fixed), nr_cpus="3")
    assert result.clean
    assert result.counters["grace_periods"] == 2


@pytest.mark.parametrize("kernel", KERNELS)
def test_5da7cb193db3_with_the_list_in_the_place_of_vmalloc(kernel: str) -> None:
    """Blocks in the batch, then objects on the list, since the cache has run empty."""

    async def script(k: Kernel) -> None:
        shared = await k.kmalloc(64)
        await warm(k)

        async def early() -> None:
            with k.rcu_reader():
                await k.udelay(100_000)

        async def late() -> None:
            with k.rcu_reader():
                k.rcu_dereference(shared)
                await k.udelay(300_000)

        await k.kthread_run(early, cpu=1)
        await k.usleep_range(100, 100)
        await k.kvfree_rcu(await k.kmalloc(64), "rcu")
        await k.msleep(50)
        await k.kthread_run(late, cpu=2)
        await k.usleep_range(100, 100)
        await k.cold_caches()
        await k.kvfree_rcu(shared, "rcu")

    # v5.9 takes a page by itself, except on PREEMPT_RT.
    result = run(scenario()(script), RunOptions(kernel=kernel), nr_cpus="3", PREEMPT_RT="y")
    assert result.outcome() == "use-after-free"


async def put_off_into_an_old_grace_period(k: Kernel) -> None:
    """5da7cb193db3 behind kfree_rcu_nolock(), found by strategy random on v5.11 with PREEMPT_RT.

    A batch with a vmalloc object waits for a grace period, which an early reader holds up. An interrupt hits a task
    under the lock of the CPU's sheaf, which on PREEMPT_RT is a read-side section as any spinlock_t. The interrupt's
    object is put off to the irq_work, whose thread preempts that task, finds the sheaf busy, and hands the object to
    the ordinary kvfree_rcu(). The monitor drops it into the waiting batch; that grace period is older than the section.
    """
    machine = k.machine
    gp = machine.gp
    area, p = await k.vmalloc(64), await k.kmalloc(64)
    await warm(k)
    sheaf_lock = p.home.cache.sheaves.cpus[k.machine.this_cpu.cpu_id].lock

    async def early() -> None:
        with k.rcu_reader():
            await k.udelay(100_000)

    async def sheaf_holder() -> None:
        async def handler() -> None:
            await k.kvfree_rcu(p, "rcu")

        await machine.system.locks.spin_lock(k.machine.current, sheaf_lock)
        await k.raise_irq(handler)
        await k.udelay(300_000)
        await machine.system.locks.spin_unlock(k.machine.this_cpu, sheaf_lock)

    await k.kthread_run(early, cpu=1)
    await k.usleep_range(100, 100)
    await k.kvfree_rcu(area, "rcu")
    while not gp.gp_seq & 3:
        await k.msleep(1)
    await k.msleep(8)
    await k.kthread_run(sheaf_holder)


@pytest.mark.parametrize(
    ("kernel", "fixed", "freed_early"),
    [("v5.9", False, True), ("v5.11", False, True), ("v5.11", True, False), ("v6.1-stable", False, False)],
)
def test_5da7cb193db3_behind_kfree_rcu_nolock(kernel: str, fixed: bool, freed_early: bool, compose: Compose) -> None:
    """The design adds the reader and the way there, the version's batches add the bug; v6.1.192 has the backport."""
    if fixed:
        kernel = compose(kernel, batching=whole_batch)
    one = Run(
        scenario()(put_off_into_an_old_grace_period),
        RunOptions(kernel=kernel, design="nolock-sheaves", settings={"PREEMPT_RT": "y"}),
    )
    result = one.run()
    assert one.machine.kvfree.nolock.deferred == 2
    assert result.counters["bulk_objects"] == result.counters["vmalloc_freed"] == 1
    assert result.counters["grace_periods"] == (1 if freed_early else 2)
    assert result.outcome() == ("use-after-free" if freed_early else "clean")
    assert not freed_early or "reader sheaf_holder/" in result.violations[0].text


class NotRepeated(TodoFlag):
    """Before 594aa5975b9b: what a monitor had to leave where it was is nobody's any more."""

    async def attempted(self, cpu: Cpu, krcp: Krc, *, stayed: bool) -> None:
        """It was run, and that is that."""


@pytest.mark.parametrize(("arming", "freed"), [(NotRepeated, False), (TodoFlag, True)])
def test_594aa5975b9b_the_monitor_comes_again_when_something_stayed(
    arming: type[TodoFlag], freed: bool, compose: Compose
) -> None:
    """In stable 5.7 and 5.8. Both batches wait for one reader, so a third lot has to stay; nobody else calls."""

    async def script(k: Kernel) -> None:
        await warm(k)

        async def reader() -> None:
            with k.rcu_reader():
                await k.udelay(300_000)

        await k.kthread_run(reader, cpu=1)
        await k.usleep_range(100, 100)
        for _ in range(3):
            await k.kvfree_rcu(await k.kmalloc(64), "rcu")
            await k.msleep(60)

    result = run(scenario()(script), RunOptions(kernel=compose("v5.11", arming=arming)), nr_cpus="2")
    assert result.outcome() == ("clean" if freed else "never-freed")


@pytest.mark.parametrize(("kernel", "expected"), [("v5.9", [0, 2]), ("v5.11", [5, 0])])
def test_56292e8609e3_gave_a_drained_page_back_to_the_cpu_whose_batch_it_was(kernel: str, expected: list[int]) -> None:
    """B14: before it, the page went to the CPU that the worker ran on.

    Here CPU 1 drains CPU 0's queue, as reclaim does.
    """

    async def script(k: Kernel) -> None:
        objects = [await k.kmalloc(64) for _ in range(510 * 8)]
        kvfree = k.machine.kvfree
        krcp = kvfree.krc(0)
        await k.cold_caches()

        async def shrink() -> None:
            await k.cold_caches()
            (rcu,) = k.machine.pages.reclaim.shrinkers.registered
            await rcu.scan(k.machine.current, 10_000)

        for _ in range(8):
            krcp.cache.append(await k.machine.pages.get_free_page(k.machine.current, GFP_KERNEL))
        for p in objects:
            await k.kvfree_rcu(p, "rcu")
        await k.kthread_join(await k.kthread_run(shrink, cpu=1))
        await k.msleep(200)
        cached.extend(len(kvfree.krc(cpu).cache) for cpu in (0, 1))

    cached: list[int] = []
    assert run(scenario()(script), RunOptions(kernel=kernel)).clean
    assert cached == expected


async def some_channels_move(k: Kernel) -> int:
    """Both batches hold slab objects: seven new ones stay, the vmalloc object moves. What the count says then."""
    krcp = k.machine.kvfree.krc(0)
    (rcu,) = k.machine.pages.reclaim.shrinkers.registered
    area = await k.vmalloc(64)
    await warm(k)

    async def reader() -> None:
        with k.rcu_reader():
            await k.udelay(300_000)

    await k.kthread_run(reader, cpu=1)
    await k.usleep_range(100, 100)
    for _ in range(2):
        await k.kvfree_rcu(await k.kmalloc(64), "rcu")
        await k.msleep(60)
    for _ in range(7):
        await k.kvfree_rcu(await k.kmalloc(64), "rcu")
    await k.kvfree_rcu(area, "rcu")
    assert await rcu.count(k.machine.current) == 8
    await k.msleep(60)
    assert len(krcp.blocks[0][0].records) == 7
    return await rcu.count(k.machine.current)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("fixed", [False, True])
def test_the_count_says_too_little_when_only_some_channels_moved(kernel: str, fixed: bool, compose: Compose) -> None:
    """B12: krcp->count is zeroed whenever any channel moves. Exact since 4c33464ae85e."""

    async def script(k: Kernel) -> None:
        assert await some_channels_move(k) == (7 if fixed else 0)

    chosen = compose(kernel, counting=exact) if fixed else kernel
    assert run(scenario()(script), RunOptions(kernel=chosen)).clean


def test_ee6ddf58475c_the_refill_worker_invokes_the_oom_killer() -> None:
    """B9: GFP_KERNEL without __GFP_NORETRY. Five failures in a row, since the loop does not end at NULL either."""

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

    result = run(scenario()(script), mem="16M", kernel="v5.11")
    assert result.outcome() == "out-of-memory"
    text = result.violations[0].text
    assert "kworker/0:1H invoked oom-killer: gfp_mask=0x2cc0(GFP_KERNEL|__GFP_NOWARN), order=0" in text
    assert "fill_page_cache_func" in text
    assert "Killed process victim" in text


def test_4d2919411867_on_rt_v5_9_does_not_enter_the_page_allocator() -> None:
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(64)
        await k.cold_caches()
        lock = k.raw_spinlock("L")
        await k.raw_spin_lock(lock)
        await k.kvfree_rcu(p, "rcu")
        await k.raw_spin_unlock(lock)

    options = {"PREEMPT_RT": "y", "DEBUG_ATOMIC_SLEEP": "y"}
    assert run(scenario()(script), RunOptions(kernel="v5.9"), **options).clean
    found = run(scenario()(script), RunOptions(kernel="v5.9", design="direct"), **options)
    assert ViolationKind.SLEEPING_FUNCTION in found.kinds


@pytest.mark.parametrize("kernel", ["v5.9", "v5.11"])
def test_rcu_barrier_does_not_wait_for_kvfree_rcu(kernel: str) -> None:
    """B16, stated in the first posting (a35d16905efc); kvfree_rcu_barrier() came in v6.12."""

    async def script(k: Kernel) -> None:
        p = await k.kmalloc(64)
        await k.kvfree_rcu(p, "rcu")
        await k.rcu_barrier()
        assert p.state == 1

    assert run(scenario()(script), RunOptions(kernel=kernel)).clean
