"""Memory of any size, and of another size than it had (kapi/sizes.py, mm/kvmalloc.py)."""

from __future__ import annotations

import re
from typing import Any

import pytest

from rcuactors import GFP_KERNEL, GFP_NOFS, GFP_NOWAIT, Kernel, run, scenario
from rcuactors.eras import ERAS
from rcuactors.errors import BadInput


def test_krealloc_keeps_what_is_long_enough_and_replaces_what_is_not() -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        p = await k.krealloc(None, 10, GFP_KERNEL)
        assert p is not None
        assert await k.krealloc(p, 16, GFP_KERNEL) is p
        assert await k.krealloc(p, 4, GFP_KERNEL) is p
        q = await k.krealloc(p, 17, GFP_KERNEL)
        assert q is not p
        assert q.size == 17
        assert q.allocated_at.startswith("script (test_sizes.py:")
        assert await k.krealloc(q, 0, GFP_KERNEL) is None

    assert run(script).clean


def test_krealloc_without_memory_leaves_the_object_as_it_is() -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(2048)
        while await k.kmalloc(4096, GFP_NOWAIT) is not None:
            pass
        assert await k.krealloc(p, 4096, GFP_NOWAIT) is None
        k.deref(p)

    result = run(script, mem="16M", kernel="v6.12")
    assert "use-after-free" not in result.outcome()


@pytest.mark.parametrize("kasan", ["n", "y"])
def test_krealloc_of_a_freed_object_is_seen_and_gives_nothing(kasan: str) -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(8)
        await k.kfree(p)
        assert await k.krealloc(p, 64) is None

    result = run(script, KASAN=kasan)
    assert result.outcome() == "use-after-free"
    assert result.violations[0].by == ("kernel" if kasan == "y" else "oracle")


def test_who_has_the_old_pointer_after_krealloc_uses_freed_memory() -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(8)
        q = await k.krealloc_array(p, 4, 8)
        k.deref(p)
        await k.kfree(q)

    assert run(script).outcome() == "use-after-free"


@pytest.mark.parametrize("kernel", list(ERAS))
def test_kvmalloc_of_flags_that_may_not_wait_has_vmalloc_only_where_that_takes_them(kernel: str) -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        small = await k.kvmalloc(64, GFP_NOWAIT)
        assert small is not None
        await k.kvfree(small)
        large = await k.kvzalloc(8000)
        assert large.is_vmalloc
        await k.kvfree(large)
        large = await k.kvcalloc(1000, 8, GFP_NOWAIT)
        assert (large is not None) == (kernel == "v7.3")
        await k.kvfree(large)

    if kernel in ("v5.9", "v5.11"):
        with pytest.raises(BadInput, match=re.escape("kmalloc(8000): the model has sizes from 1 to 4096")):
            run(script, kernel=kernel)
    else:
        assert run(script, kernel=kernel).clean


@pytest.mark.parametrize("kernel", list(ERAS))
def test_kvmalloc_says_where_it_may_sleep(kernel: str) -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        lock = k.raw_spinlock("lock")
        await k.raw_spin_lock(lock)
        p = await k.kvmalloc(64, GFP_NOFS)
        await k.raw_spin_unlock(lock)
        await k.kvfree(p)

    assert run(script, kernel=kernel, DEBUG_ATOMIC_SLEEP=True).outcome() == "sleeping-function"


def test_a_product_that_overflows_is_null() -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(8)
        for n, size in ((1 << 33, 1 << 33), ((1 << 64) - 1, 2)):
            assert await k.kvmalloc_array(n, size) is None
            assert await k.kvcalloc(n, size) is None
            assert await k.krealloc_array(p, n, size) is None
        await k.kfree(p)

    assert run(script).clean


@pytest.mark.parametrize("what", ["struct", "vmalloc", "number"])
def test_krealloc_takes_only_what_kmalloc_gave(what: str) -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        p: Any = 5
        if what == "struct":
            p = await k.kmalloc(k.struct("foo", value=1))
        elif what == "vmalloc":
            p = await k.vmalloc(4096)
        await k.krealloc(p, 64)

    with pytest.raises(BadInput, match=r"^krealloc\(p=.*needs what kmalloc"):
        run(script)
