"""refcount_t and struct kref (kapi/refcounts.py, kernel/refcount.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rcuactors import Kernel, run, scenario

INT_MAX = (1 << 31) - 1
SATURATED = -(1 << 30)
UNDERFLOW = "underflow; use-after-free"

CHANGES: list[tuple[str, Callable[[Kernel, Any], object], int, object, int, str]] = [
    ("inc", lambda k, r: k.refcount_inc(r), 1, None, 2, ""),
    ("inc of 0", lambda k, r: k.refcount_inc(r), 0, None, SATURATED, "addition on 0; use-after-free"),
    ("inc of the largest", lambda k, r: k.refcount_inc(r), INT_MAX, None, SATURATED, "saturated; leaking memory"),
    ("inc of a saturated one", lambda k, r: k.refcount_inc(r), SATURATED, None, SATURATED, "saturated; leaking memory"),
    ("add", lambda k, r: k.refcount_add(3, r), 1, None, 4, ""),
    ("inc_not_zero", lambda k, r: k.refcount_inc_not_zero(r), 1, True, 2, ""),
    ("inc_not_zero of 0", lambda k, r: k.refcount_inc_not_zero(r), 0, False, 0, ""),
    (
        "add_not_zero beyond",
        lambda k, r: k.refcount_add_not_zero(2, r),
        INT_MAX,
        True,
        SATURATED,
        "saturated; leaking memory",
    ),
    ("dec_and_test", lambda k, r: k.refcount_dec_and_test(r), 2, False, 1, ""),
    ("dec_and_test of the last", lambda k, r: k.refcount_dec_and_test(r), 1, True, 0, ""),
    ("dec_and_test of 0", lambda k, r: k.refcount_dec_and_test(r), 0, False, SATURATED, "underflow; use-after-free"),
    ("sub_and_test", lambda k, r: k.refcount_sub_and_test(2, r), 2, True, 0, ""),
    (
        "sub_and_test of less",
        lambda k, r: k.refcount_sub_and_test(3, r),
        2,
        False,
        SATURATED,
        "underflow; use-after-free",
    ),
    ("dec", lambda k, r: k.refcount_dec(r), 2, None, 1, ""),
    ("dec of the last", lambda k, r: k.refcount_dec(r), 1, None, SATURATED, "decrement hit 0; leaking memory"),
    ("dec_if_one", lambda k, r: k.refcount_dec_if_one(r), 1, True, 0, ""),
    ("dec_if_one of two", lambda k, r: k.refcount_dec_if_one(r), 2, False, 2, ""),
    ("dec_not_one", lambda k, r: k.refcount_dec_not_one(r), 2, True, 1, ""),
    ("dec_not_one of one", lambda k, r: k.refcount_dec_not_one(r), 1, False, 1, ""),
    ("dec_not_one of 0", lambda k, r: k.refcount_dec_not_one(r), 0, True, 0, "underflow; use-after-free"),
    ("dec_not_one of a saturated one", lambda k, r: k.refcount_dec_not_one(r), SATURATED, True, SATURATED, ""),
]


@pytest.mark.parametrize(
    ("change", "before", "returned", "after", "said"), [pytest.param(*c[1:], id=c[0]) for c in CHANGES]
)
def test_it_does_what_it_does_in_c(change: Any, before: int, returned: object, after: int, said: str) -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        r = k.refcount_t("r")
        k.refcount_set(r, before)
        assert change(k, r) is returned
        assert k.refcount_read(r) == after

    result = run(script)
    assert [found.title for found in result.violations] == ([f"WARNING: refcount_t: {said}."] if said else [])
    assert result.outcome() == ("refcount" if said else "clean")


def test_each_mistake_is_told_once() -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        for _ in range(3):
            r = k.refcount_t("r")
            k.refcount_inc(r)
            k.refcount_dec_and_test(r)

    assert len(run(script).violations) == 2


def test_the_last_reference_releases_the_object() -> None:
    released: list[int] = []

    @scenario()
    async def script(k: Kernel) -> None:
        async def release(p: Any) -> None:
            released.append(p.value)
            await k.kfree(p)

        p = await k.kmalloc(k.struct("foo", value=7, ref=k.kref))
        k.kref_init(p.ref)
        k.kref_get(p.ref)
        assert k.kref_get_unless_zero(p.ref)
        assert k.kref_read(p.ref) == 3
        assert [await k.kref_put(p.ref, release) for _ in range(2)] == [0, 0]
        assert not released
        assert await k.kref_put(p.ref, release) == 1

    assert run(script).clean
    assert released == [7]


def test_who_puts_once_too_often_is_told_of_freed_memory_and_of_an_underflow() -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        async def release(p: Any) -> None:
            await k.kfree(p)

        p = await k.kmalloc(k.struct("foo", ref=k.kref))
        k.kref_init(p.ref)
        await k.kref_put(p.ref, release)
        await k.kref_put(p.ref, release)

    assert run(script).outcome() == "use-after-free, refcount"


@pytest.mark.parametrize("lock", ["spin", "mutex"])
def test_the_last_put_is_under_the_lock(lock: str) -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        spin, mutex = k.spinlock("spin"), k.mutex("mutex")
        held = spin if lock == "spin" else mutex

        async def release(p: Any) -> None:
            k.lockdep_assert_held(held)
            await (k.spin_unlock(spin) if lock == "spin" else k.mutex_unlock(mutex))
            await k.kfree(p)

        async def put(p: Any) -> int:
            return await (
                k.kref_put_lock(p.ref, release, spin) if lock == "spin" else k.kref_put_mutex(p.ref, release, mutex)
            )

        p = await k.kmalloc(k.struct("foo", ref=k.kref))
        k.kref_init(p.ref)
        k.kref_get(p.ref)
        assert [await put(p), await put(p)] == [0, 1]
        k.lockdep_assert_not_held(held)

        r = k.refcount_t("r")
        k.refcount_set(r, 2)
        assert not await k.refcount_dec_and_lock(r, spin)
        assert await k.refcount_dec_and_lock(r, spin)
        await k.spin_unlock(spin)
        k.refcount_set(r, 1)
        assert await k.refcount_dec_and_mutex_lock(r, mutex)
        await k.mutex_unlock(mutex)

    assert run(script).clean
