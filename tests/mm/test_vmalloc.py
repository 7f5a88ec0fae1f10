"""vmalloc() and vfree() (rcuactors/mm/vmalloc.py)."""

from __future__ import annotations

import pytest

from rcuactors import GFP_KERNEL, GFP_NOWAIT, GFP_NOWARN, BadInput, Kernel, RunOptions, ViolationKind, run, scenario


def test_it_takes_whole_pages_and_gives_them_back() -> None:
    async def script(k: Kernel) -> None:
        zone = k.machine.pages.zone
        before = len(zone.in_use)
        p = await k.vmalloc(10_000)
        assert len(zone.in_use) - before == 3
        q = await k.vmalloc(1)
        assert q.address >= p.address + 3 * 4096
        await k.vfree(p)
        await k.vfree(q)
        await k.vfree(None)
        assert len(zone.in_use) == before

    assert run(scenario()(script)).clean


@pytest.mark.parametrize("kernel", ["v5.11", "v6.1-stable"])
@pytest.mark.parametrize("rt", ["n", "y"])
@pytest.mark.parametrize("where", ["hardirq", "softirq", "bh off"])
def test_vfree_in_an_interrupt_is_left_to_a_work(kernel: str, rt: str, where: str) -> None:
    async def script(k: Kernel) -> None:
        zone = k.machine.pages.zone
        before = len(zone.in_use)
        areas = [await k.vmalloc(4096) for _ in range(5)]

        async def free() -> None:
            for p in areas:
                await k.vfree(p)
            assert len(zone.in_use) == before + 5

        async def raise_tasklet() -> None:
            await k.tasklet_schedule(free)

        if where == "hardirq":
            await k.raise_irq(free)
        elif where == "softirq":
            await k.raise_irq(raise_tasklet)
        else:
            await k.local_bh_disable()
            await free()
            await k.local_bh_enable()
        await k.msleep(1)
        assert len(zone.in_use) == before

    checks = {"PROVE_RAW_LOCK_NESTING": "y", "DEBUG_ATOMIC_SLEEP": "y"}
    assert run(scenario()(script), RunOptions(kernel=kernel), PREEMPT_RT=rt, **checks).clean


def test_vfree_in_an_nmi_is_a_bug() -> None:
    async def script(k: Kernel) -> None:
        p = await k.vmalloc(4096)

        async def handler() -> None:
            await k.vfree(p)

        await k.raise_nmi(handler)
        await k.udelay(10)
        assert p.state == 0
        await k.vfree(p)

    result = run(scenario()(script))
    assert result.outcome() == "bad-context"
    assert "BUG_ON(in_nmi())" in result.violations[0].title


@pytest.mark.parametrize("where", ["preempt off", "irqs off", "raw lock", "rcu reader"])
def test_vfree_in_another_atomic_context_is_reported(where: str) -> None:
    """Recorded on real kernels: preempt-off, irqs-off, raw and rcu_read contexts report, interrupts do not."""

    async def script(k: Kernel) -> None:
        p = await k.vmalloc(4096)
        if where == "preempt off":
            k.preempt_disable()
        elif where == "irqs off":
            k.local_irq_disable()
        elif where == "raw lock":
            await k.raw_spin_lock(k.raw_spinlock("L"))
        else:
            k.rcu_read_lock()
        await k.vfree(p)

    kinds = run(scenario()(script), DEBUG_ATOMIC_SLEEP="y").outcome()
    assert kinds.startswith("sleeping-function")


def test_sizes_below_zero_are_bad_input() -> None:
    async def script(k: Kernel) -> None:
        await k.vmalloc(-5)

    with pytest.raises(BadInput, match=r"vmalloc\(-5\): needs 0 bytes or more"):
        run(scenario()(script))


def test_a_failure_in_the_middle_gives_everything_back() -> None:
    async def script(k: Kernel) -> None:
        zone = k.machine.pages.zone
        before = len(zone.in_use)
        failures = 0
        for _ in range(30):
            p = await k.vmalloc(8 * 4096)
            failures += p is None
            await k.vfree(p)
            assert len(zone.in_use) == before
        assert 0 < failures < 30

    assert run(scenario()(script), fail_page_alloc="10").outcome() == "page-allocation-failure"


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        ("v5.9", "vmalloc: allocation failure, allocated 0 of 12288 bytes"),
        ("v5.11", "vmalloc: allocation failure, allocated 0 of 12288 bytes"),
        ("v6.1-stable", "vmalloc error: size 0, failed to allocate pages"),
    ],
)
def test_a_failure_is_told_in_the_words_of_the_version(kernel: str, message: str) -> None:
    async def script(k: Kernel) -> None:
        assert await k.vmalloc(8192) is None

    result = run(scenario()(script), RunOptions(kernel=kernel), fail_page_alloc="100")
    assert [violation.kind for violation in result.violations] == [ViolationKind.PAGE_ALLOCATION_FAILURE]
    assert result.violations[0].title == f"script: {message}, mode:0xcc0(GFP_KERNEL), nodemask=(null)"


def test_kvmalloc_takes_the_one_that_fits() -> None:
    async def script(k: Kernel) -> None:
        small, large = await k.kvmalloc(4096), await k.kvmalloc(4097)
        assert (small.is_vmalloc, large.is_vmalloc) == (False, True)
        await k.kvfree(small)
        await k.kvfree(large)
        await k.kvfree(None)

    assert run(scenario()(script)).clean


def test_a_double_vfree_is_reported() -> None:
    async def script(k: Kernel) -> None:
        p = await k.vmalloc(4096)
        await k.vfree(p)
        await k.vfree(p)

    assert run(scenario()(script)).outcome() == "double-free"


@pytest.mark.parametrize(
    ("version", "told"),
    [
        ("v5.11", "script: vmalloc: allocation failure: 0 bytes, mode:0xcc0(GFP_KERNEL), nodemask=(null)"),
        ("v6.1-stable", "WARNING: WARN_ON(!size) at __vmalloc_node_range"),
        ("v6.12", "WARNING: WARN_ON(!size) at __vmalloc_node_range_noprof"),
    ],
)
def test_of_no_bytes(version: str, told: str) -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        assert await k.vmalloc(0) is None

    assert [found.title for found in run(script, RunOptions(kernel=version)).violations] == [told]


@pytest.mark.parametrize(("version", "words"), [("v5.11", "allocation failure: "), ("v6.12", "exceeds total pages")])
def test_of_more_than_there_is(version: str, words: str) -> None:
    """Told at once, and no page is asked for; GFP_NOWAIT is silent from v6.12 on."""

    @scenario()
    async def script(k: Kernel) -> None:
        assert await k.vmalloc(1 << 40, GFP_NOWAIT) is None
        assert await k.vmalloc(1 << 40) is None

    found = run(script, RunOptions(kernel=version)).violations
    assert len(found) == 1
    assert words in found[0].title
    assert ("GFP_NOWAIT" in found[0].title) == (version == "v5.11")


@pytest.mark.parametrize(
    ("version", "function"),
    [
        ("v5.11", "__alloc_pages_nodemask"),
        ("v6.6", "__alloc_pages"),
        ("v6.12", "__alloc_pages_noprof"),
        ("v6.18", "__alloc_frozen_pages_noprof"),
    ],
)
def test_kmalloc_of_an_order_that_does_not_exist(version: str, function: str) -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        for _ in range(2):
            assert await k.kmalloc(64 << 20) is None
        assert await k.kmalloc(64 << 20, GFP_KERNEL | GFP_NOWARN) is None

    (found,) = run(script, RunOptions(kernel=version)).violations
    assert found.title == f"WARNING: WARN_ON(order > MAX_PAGE_ORDER) at {function}"
