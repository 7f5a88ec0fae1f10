"""A request that fails without __GFP_NOWARN is told (rcuactors/mm/page/warn_alloc.py, kernel/ratelimit.py)."""

from __future__ import annotations

import pytest

from rcuactors import GFP_ATOMIC, GFP_KERNEL, GFP_NOWAIT, GFP_NOWARN, Gfp, Kernel, RunOptions, ViolationKind, run
from rcuactors import scenario as make_scenario
from rcuactors.kernel.ratelimit import RatelimitState

KERNELS = ["v5.9", "v5.11", "v6.1-stable"]
FAILURE = ViolationKind.PAGE_ALLOCATION_FAILURE


async def empty(k: Kernel, gfp: Gfp) -> None:
    """Take pages until there is none for this request, then give them back."""
    pages: list[int] = []
    while (pfn := await k.get_free_page(gfp)) is not None:
        pages.append(pfn)
    for pfn in pages:
        await k.free_page(pfn)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(
    ("gfp", "mode"),
    [
        (GFP_NOWAIT, "0x800(GFP_NOWAIT)"),
        (GFP_ATOMIC, "0xa20(GFP_ATOMIC)"),
        (GFP_KERNEL | Gfp.NORETRY, "0x10cc0(GFP_KERNEL|__GFP_NORETRY)"),
        (Gfp(0), "0x0()"),
    ],
)
def test_in_the_kernels_words(kernel: str, gfp: Gfp, mode: str) -> None:
    """F9-page-*.txt of the recordings."""

    async def q_main(k: Kernel) -> None:
        await empty(k, gfp)

    result = run(make_scenario()(q_main), RunOptions(kernel=kernel), mem="16M")
    (violation,) = result.violations
    assert violation.kind is FAILURE
    assert violation.title == f"q_main: page allocation failure: order:0, mode:{mode}, nodemask=(null)"
    lines = violation.text.splitlines()
    assert lines[0].endswith(violation.title)
    assert "Comm: q_main" in lines[1]
    assert "Call Trace" in lines[2]
    assert any("alloc_pages_slowpath" in line for line in lines)
    assert any("Mem-Info:" in line for line in lines)


@pytest.mark.parametrize(
    ("kernel", "nowait", "atomic"),
    [
        ("v6.6", "0x800(GFP_NOWAIT)", "0x820(GFP_ATOMIC)"),
        ("v6.12.0", "", "0x820(GFP_ATOMIC)"),
        ("v6.12", "", "0x820(GFP_ATOMIC)"),
        ("v7.3", "", "0x820(GFP_ATOMIC)"),
    ],
)
def test_gfp_nowait_becomes_silent_and_gfp_atomic_loses_a_bit(kernel: str, nowait: str, atomic: str) -> None:
    """Commit 16f5dfbc851b; on 6.12.117 GFP_NOWAIT is 0x2800, GFP_ATOMIC 0x820."""

    def mode(gfp: Gfp) -> str:
        async def q_main(k: Kernel) -> None:
            await empty(k, gfp)

        result = run(make_scenario()(q_main), RunOptions(kernel=kernel), mem="16M")
        return "".join(v.title.partition("mode:")[2].partition(",")[0] for v in result.violations)

    assert (mode(GFP_NOWAIT), mode(GFP_ATOMIC)) == (nowait, atomic)


@pytest.mark.parametrize("gfp", [GFP_NOWAIT, GFP_ATOMIC, GFP_KERNEL | Gfp.NORETRY])
def test_nowarn_says_nothing(gfp: Gfp) -> None:
    async def script(k: Kernel) -> None:
        await empty(k, gfp | GFP_NOWARN)

    assert run(make_scenario()(script), mem="16M").clean


def test_kmalloc_and_page_failures_share_one_report_in_ten_seconds() -> None:
    async def script(k: Kernel) -> None:
        zone = k.machine.pages.zone
        await k.drain_local_pages()
        zone.set_aside(zone.free - zone.watermark_min)
        objects = []
        while (p := await k.kmalloc(512, GFP_NOWAIT)) is not None:
            objects.append(p)
        for _ in range(3):
            assert await k.get_free_page(GFP_NOWAIT) is None
        await k.msleep(10_100)
        assert await k.get_free_page(GFP_NOWAIT) is None
        for p in objects:
            await k.kfree(p)

    result = run(make_scenario()(script), RunOptions(kernel="v6.1-stable"), mem="64M", nr_cpus="1")
    assert [violation.kind for violation in result.violations] == [FAILURE, FAILURE]
    assert "warn_alloc: 3 callbacks suppressed" in result.violations[1].text
    assert "callbacks suppressed" not in result.violations[0].text


def test_an_injected_failure_is_silent() -> None:
    """should_fail_alloc_page() returns before the slow path."""

    async def script(k: Kernel) -> None:
        assert await k.get_free_page() is None

    assert run(make_scenario()(script), fail_page_alloc="100").clean


def test_a_burst_of_two_in_a_second() -> None:
    state = RatelimitState(1_000, 2)
    assert [state.ratelimit(now) for now in (5, 6, 7, 1_005, 1_006, 1_007)] == [
        (True, 0),
        (True, 0),
        (False, 0),
        (False, 0),
        (True, 2),
        (True, 0),
    ]


@pytest.mark.parametrize("kernel", KERNELS)
def test_without_gfp_fs_nobody_is_killed(kernel: str) -> None:
    """out_of_memory() claims progress, and the caller tries again until somebody else has let go of memory."""
    nofs = GFP_KERNEL & ~Gfp.FS

    async def script(k: Kernel) -> None:
        zone = k.machine.pages.zone
        await k.user_process("hog", 100)
        pages: list[int] = []
        await k.drain_local_pages()
        zone.set_aside(zone.free - zone.watermark_min)

        async def exit_later() -> None:
            await k.msleep(200)
            await k.user_exit("hog")
            await k.drain_local_pages()

        task = await k.kthread_run(exit_later, cpu=1)
        while len(pages) < 50:
            pages.append(await k.get_free_page(nofs))
        assert None not in pages
        assert k.now > 200_000_000
        assert k.machine.pages.reclaim.oom_kills == 0
        await k.kthread_join(task)
        for page in pages:
            await k.free_page(page)

    assert run(make_scenario()(script), RunOptions(kernel=kernel), mem="64M").clean
