"""kzalloc() and its kin, alloc_pages(), and what they refuse (rcuactors/kapi/memory.py)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from rcuactors import GFP_ATOMIC, GFP_KERNEL, GFP_NOWAIT, BadInput, Gfp, Kernel, run, scenario
from rcuactors.engine.events import Event, ListSink
from rcuactors.runs.options import RunOptions

Words = Callable[[Kernel], Awaitable[Any]]


def test_sizes_and_kinds() -> None:
    async def script(k: Kernel) -> None:
        objects = [
            await k.kzalloc(64),
            await k.kmalloc_array(4, 32, GFP_ATOMIC),
            await k.kcalloc(8, 16),
            await k.vzalloc(5000),
            await k.vmalloc(4096, GFP_KERNEL),
        ]
        assert [(p.size, p.is_vmalloc) for p in objects] == [
            (64, False),
            (128, False),
            (128, False),
            (5000, True),
            (4096, True),
        ]
        assert all("test_everyday_words.py" in p.allocated_at for p in objects)
        for p in objects:
            await k.kvfree(p)
        page = await k.alloc_pages(GFP_NOWAIT, 0)
        assert isinstance(page, int)
        await k.free_pages(page, 0)
        await k.free_pages(None, 0)

    assert run(scenario()(script)).clean


def test_an_array_that_overflows_is_none() -> None:
    async def script(k: Kernel) -> None:
        assert await k.kmalloc_array(1 << 60, 16) is None
        assert await k.kcalloc(1 << 60, 16) is None

    assert run(scenario()(script)).clean


def test_clearing_takes_time_and_the_slabs_page_is_not_cleared() -> None:
    sink = ListSink()

    async def script(k: Kernel) -> None:
        first = await k.kmalloc(2048)
        times = []
        for allocate in (k.kmalloc, k.kzalloc):
            before = k.now
            p = await allocate(2048)
            times.append(k.now - before)
            await k.kfree(p)
        assert times[1] - times[0] == k.machine.system.costs.page_zero_ns // 2
        await k.kfree(first)
        big = [await k.kzalloc(4096, GFP_ATOMIC) for _ in range(3)]
        for p in big:
            await k.kfree(p)

    assert run(scenario()(script), RunOptions(sinks=(sink,))).clean
    pages: list[Event] = [event for event in sink.events if event.name == "mm_page_alloc"]
    assert pages
    assert not any("__GFP_ZERO" in event.text for event in pages)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (lambda k: k.kmalloc(64.0), "kmalloc(size=64.0): needs a whole number"),
        (lambda k: k.kmalloc(64, 0x20), "kmalloc(gfp=32): needs gfp flags, such as GFP_KERNEL"),
        (lambda k: k.kzalloc("64"), "kzalloc(size='64')"),
        (lambda k: k.vmalloc(4096.0), "vmalloc(size=4096.0)"),
        (lambda k: k.get_free_page(0x800), "get_free_page(gfp=2048): needs gfp flags"),
        (lambda k: k.kcalloc(-1, 8), "kcalloc(-1, 8): needs two whole numbers, 0 or more"),
        (lambda k: k.kmalloc_array(2, 8.0), "kmalloc_array(2, 8.0)"),
        (lambda k: k.alloc_pages(GFP_KERNEL, 2), "alloc_pages(order=2): needs 0: the model has single pages only"),
        (lambda k: k.free_pages(5, 1), "free_pages(order=1)"),
        (lambda k: k.kmalloc(0), "kmalloc(0)"),
    ],
)
def test_what_is_refused_in_one_line(words: Words, said: str) -> None:
    async def script(k: Kernel) -> None:
        await words(k)

    with pytest.raises(BadInput) as caught:
        run(scenario()(script))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_combined_flags_are_gfp_flags() -> None:
    async def script(k: Kernel) -> None:
        await k.kfree(await k.kmalloc(64, GFP_KERNEL & ~Gfp.FS | Gfp.NOWARN))
        await k.kfree(await k.kmalloc(64, Gfp(0)))

    assert run(scenario()(script)).clean
