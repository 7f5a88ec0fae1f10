"""What lockdep knows of reclaim (rcuactors/mm/fs_reclaim.py)."""

from __future__ import annotations

import pytest

from rcuactors import GFP_KERNEL, GFP_NOWAIT, Gfp, Kernel, Run, RunOptions, run, scenario
from rcuactors.eras import ERAS
from rcuactors.mm.reclaim import Shrinker

KERNELS = list(ERAS)
CHECKS = {"DEBUG_ATOMIC_SLEEP": "y", "PROVE_RAW_LOCK_NESTING": "y"}
WAYS = ["get_free_page", "kmalloc", "vmalloc"]


async def allocate(k: Kernel, way: str, gfp: Gfp = GFP_KERNEL) -> None:
    if way == "get_free_page":
        await k.free_page(await k.get_free_page(gfp))
    elif way == "kmalloc":
        await k.kfree(await k.kmalloc(64, gfp))
    else:
        await k.vfree(await k.vmalloc(64))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("context", "first"),
    [
        ("process", "clean"),
        ("preempt_disable", "sleeping-function"),
        ("irq_disable", "sleeping-function"),
        ("raw_spin_irqsave", "sleeping-function"),
        ("bh_disable", "sleeping-function"),
        ("rcu_read", "sleeping-function"),
        ("hardirq", "inconsistent-lock-state"),
        ("softirq_irq_exit", "inconsistent-lock-state"),
    ],
)
def test_the_first_report_of_gfp_kernel_in_each_context(
    run_in, kernel: str, way: str, context: str, first: str
) -> None:
    """Recorded: in interrupts lockdep speaks first, elsewhere in atomic context might_sleep()."""

    async def script(k: Kernel) -> None:
        await run_in(k, context, lambda: allocate(k, way))

    result = run(scenario()(script), RunOptions(kernel=kernel), **CHECKS)
    assert result.outcome().partition(", ")[0] == first
    if first == "inconsistent-lock-state":
        # The report switches lockdep off; might_sleep() still speaks.
        assert [violation.kind.value for violation in result.violations[:2]] == [first, "sleeping-function"]


@pytest.mark.parametrize(
    ("context", "states", "usage"),
    [
        ("hardirq", "{HARDIRQ-ON-W} -> {IN-HARDIRQ-W}", "?.+."),
        ("softirq_irq_exit", "{SOFTIRQ-ON-W} -> {IN-SOFTIRQ-W}", "+.?."),
    ],
)
def test_the_report_names_boots_allocation(run_in, context: str, states: str, usage: str) -> None:
    async def script(k: Kernel) -> None:
        await run_in(k, context, lambda: allocate(k, "get_free_page"))

    text = run(scenario()(script), RunOptions(kernel="v6.1-stable")).violations[0].text
    assert f"inconsistent {states} usage." in text
    assert f"(fs_reclaim){{{usage}}}-{{0:0}}, at: might_alloc" in text
    registered = text.partition("state was registered at:\n")[2].splitlines()[:3]
    assert [line.strip() for line in registered[:2]] == ["fs_reclaim_acquire", "kernel_init_freeable"]
    assert "test_fs_reclaim.py" not in "".join(registered)


@pytest.mark.parametrize("gfp", [GFP_NOWAIT, Gfp.DIRECT_RECLAIM | Gfp.KSWAPD_RECLAIM | Gfp.IO])
def test_a_request_that_cannot_get_into_a_file_system_does_not_take_it(run_in, gfp: Gfp) -> None:
    async def script(k: Kernel) -> None:
        await run_in(k, "hardirq", lambda: allocate(k, "get_free_page", gfp))

    outcome = run(scenario()(script), DEBUG_ATOMIC_SLEEP="y").outcome()
    assert outcome == ("clean" if gfp == GFP_NOWAIT else "sleeping-function")


def test_without_lockdep_there_is_only_might_sleep(run_in) -> None:
    async def script(k: Kernel) -> None:
        await run_in(k, "hardirq", lambda: allocate(k, "kmalloc"))

    assert run(scenario()(script), PROVE_LOCKING="n", DEBUG_ATOMIC_SLEEP="y").outcome() == "sleeping-function"
    assert run(scenario()(script), PROVE_LOCKING="n").clean


def test_its_wait_type_is_not_checked() -> None:
    """GFP_KERNEL under a raw lock is a sleeping function, and no invalid wait context."""

    async def script(k: Kernel) -> None:
        lock = k.raw_spinlock("R")
        await k.free_page(await k.get_free_page())
        await k.raw_spin_lock(lock)
        await k.free_page(await k.get_free_page())
        await k.raw_spin_unlock(lock)

    assert run(scenario()(script), RunOptions(kernel="v6.1-stable"), **CHECKS).outcome() == "sleeping-function"


def test_a_lock_of_a_shrinker_must_not_be_held_when_memory_is_asked_for() -> None:
    """Without memory being short: the classic deadlock of reclaim, told by the order of locks."""

    async def script(k: Kernel, first: bool = False) -> None:
        mutex = k.mutex("M")

        async def count(_cpu) -> int:
            await k.mutex_lock(mutex)
            await k.mutex_unlock(mutex)
            return 0

        async def scan(_cpu, _nr: int) -> int | None:
            return None

        reclaim = k.machine.pages.reclaim
        reclaim.shrinkers.registered.append(Shrinker("test", count, scan))
        if first:
            await reclaim.try_to_free_pages(k.machine.current)
        await k.mutex_lock(mutex)
        await k.kfree(await k.kmalloc(64))
        await k.mutex_unlock(mutex)
        if not first:
            await reclaim.try_to_free_pages(k.machine.current)

    for first in ("n", "y"):
        result = run(scenario()(script), first=first)
        assert result.outcome() == "circular-locking"
        assert "fs_reclaim" in result.violations[0].text


def test_who_reclaims_does_not_take_it_again() -> None:
    async def script(k: Kernel) -> None:
        async def count(_cpu) -> int:
            # A lock held, so that the request is looked at.
            await k.mutex_lock(mutex)
            await k.kfree(await k.kmalloc(64))
            await k.mutex_unlock(mutex)
            return 0

        async def scan(_cpu, _nr: int) -> int | None:
            return None

        mutex = k.mutex("M")
        reclaim = k.machine.pages.reclaim
        reclaim.shrinkers.registered.append(Shrinker("test", count, scan))
        await reclaim.try_to_free_pages(k.machine.current)
        # A request that may not enter file systems reclaims without it.
        await reclaim.try_to_free_pages(k.machine.current, Gfp.DIRECT_RECLAIM)
        assert not k.machine.this_cpu.ctx.held

    assert run(scenario()(script)).clean


def test_kswapd_holds_it() -> None:
    async def script(k: Kernel) -> None:
        async def count(cpu) -> int:
            held.append((cpu.ctx.comm, [one.lock.name for one in cpu.ctx.held]))
            return 0

        async def scan(_cpu, _nr: int) -> int | None:
            return None

        zone = k.machine.pages.zone
        k.machine.pages.reclaim.shrinkers.registered.append(Shrinker("test", count, scan))
        await k.read_file(zone.free - zone.watermark_low)
        await k.free_page(await k.get_free_page(GFP_NOWAIT))
        await k.msleep(20)
        assert not zone.flags.reclaim_active

    held: list[tuple[str, list[str]]] = []
    assert run(scenario()(script), RunOptions(kernel="v6.1-stable"), mem="16M").clean
    assert ("kswapd0", ["fs_reclaim", "shrinker_rwsem"]) in held


def test_before_the_end_of_boot_requests_do_not_reclaim(run_in) -> None:
    """gfp_allowed_mask: no usage is noted in early boot, neither of process context nor of an interrupt."""

    async def script(k: Kernel, running: bool = False) -> None:
        if running:
            await k.rcu_scheduler_running()
        await run_in(k, "hardirq", lambda: allocate(k, "get_free_page"))
        await k.udelay(100)
        if not running:
            await k.rcu_scheduler_running()

    early = scenario(early_boot=True)(script)
    assert run(early).clean
    assert run(early, running="y").outcome() == "inconsistent-lock-state"


def test_the_report_is_the_same_whoever_started_the_run() -> None:
    """The trace of boot's allocation has nothing of whoever started the run."""

    async def script(k: Kernel) -> None:
        async def handler() -> None:
            await k.free_page(await k.get_free_page())

        await k.raise_irq(handler)

    def deeper() -> str:
        one = Run(scenario()(script), RunOptions())
        return one.run().violations[0].text

    assert deeper() == Run(scenario()(script), RunOptions()).run().violations[0].text
