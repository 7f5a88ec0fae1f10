"""Atomics, exchanges of fields and bits (kapi/atomics.py, kapi/bits.py, kernel/atomic.py)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from rcuactors import Kernel, KernelBug, run, scenario
from rcuactors.errors import BadInput
from rcuactors.may.calls.atomics import WIDER

INT_MAX = (1 << 31) - 1
INT_MIN = -1 << 31

CHANGES: list[tuple[str, Callable[[Kernel, Any], object], int, object, int]] = [
    ("add", lambda k, v: k.atomic_add(5, v), 3, None, 8),
    ("add wraps", lambda k, v: k.atomic_add(1, v), INT_MAX, None, INT_MIN),
    ("sub", lambda k, v: k.atomic_sub(5, v), 3, None, -2),
    ("sub wraps", lambda k, v: k.atomic_sub(INT_MIN, v), 0, None, INT_MIN),
    ("inc", lambda k, v: k.atomic_inc(v), 3, None, 4),
    ("dec", lambda k, v: k.atomic_dec(v), 0, None, -1),
    ("and", lambda k, v: k.atomic_and(6, v), 3, None, 2),
    ("or", lambda k, v: k.atomic_or(6, v), 3, None, 7),
    ("xor", lambda k, v: k.atomic_xor(6, v), 3, None, 5),
    ("andnot", lambda k, v: k.atomic_andnot(1, v), 3, None, 2),
    ("add_return", lambda k, v: k.atomic_add_return(5, v), 3, 8, 8),
    ("add_return wraps", lambda k, v: k.atomic_add_return(2, v), INT_MAX, INT_MIN + 1, INT_MIN + 1),
    ("sub_return", lambda k, v: k.atomic_sub_return(5, v), 3, -2, -2),
    ("inc_return", lambda k, v: k.atomic_inc_return(v), 3, 4, 4),
    ("dec_return", lambda k, v: k.atomic_dec_return(v), 3, 2, 2),
    ("fetch_add", lambda k, v: k.atomic_fetch_add(5, v), 3, 3, 8),
    ("fetch_sub", lambda k, v: k.atomic_fetch_sub(5, v), 3, 3, -2),
    ("fetch_inc", lambda k, v: k.atomic_fetch_inc(v), 3, 3, 4),
    ("fetch_dec", lambda k, v: k.atomic_fetch_dec(v), 3, 3, 2),
    ("fetch_or", lambda k, v: k.atomic_fetch_or(4, v), 3, 3, 7),
    ("fetch_and", lambda k, v: k.atomic_fetch_and(2, v), 3, 3, 2),
    ("xchg", lambda k, v: k.atomic_xchg(v, 9), 3, 3, 9),
    ("cmpxchg", lambda k, v: k.atomic_cmpxchg(v, 3, 9), 3, 3, 9),
    ("cmpxchg of another", lambda k, v: k.atomic_cmpxchg(v, 4, 9), 3, 3, 3),
    ("dec_and_test", lambda k, v: k.atomic_dec_and_test(v), 1, True, 0),
    ("dec_and_test of two", lambda k, v: k.atomic_dec_and_test(v), 2, False, 1),
    ("inc_and_test", lambda k, v: k.atomic_inc_and_test(v), -1, True, 0),
    ("sub_and_test", lambda k, v: k.atomic_sub_and_test(3, v), 3, True, 0),
    ("add_negative", lambda k, v: k.atomic_add_negative(-4, v), 3, True, -1),
    ("add_unless", lambda k, v: k.atomic_add_unless(v, 2, 5), 3, True, 5),
    ("add_unless it is", lambda k, v: k.atomic_add_unless(v, 2, 3), 3, False, 3),
    ("fetch_add_unless", lambda k, v: k.atomic_fetch_add_unless(v, 2, 5), 3, 3, 5),
    ("inc_not_zero", lambda k, v: k.atomic_inc_not_zero(v), 0, False, 0),
    ("dec_if_positive", lambda k, v: k.atomic_dec_if_positive(v), 1, 0, 0),
    ("dec_if_positive of none", lambda k, v: k.atomic_dec_if_positive(v), 0, -1, 0),
    ("read_acquire", lambda k, v: k.atomic_read_acquire(v), 3, 3, 3),
    ("set_release", lambda k, v: k.atomic_set_release(v, 4), 3, None, 4),
]


@pytest.mark.parametrize(("change", "before", "returned", "after"), [pytest.param(*c[1:], id=c[0]) for c in CHANGES])
def test_it_does_what_it_does_in_c(change: Any, before: int, returned: object, after: int) -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        v = k.atomic_t("v")
        k.atomic_set(v, before)
        answer = change(k, v)
        assert (answer, type(answer)) == (returned, type(returned))
        assert k.atomic_read(v) == after

    assert run(script).clean


class Wider:
    """The same functions of another type: `atomic_add` is `atomic64_add` here."""

    def __init__(self, k: Kernel, kind: str) -> None:
        self._k = k
        self._kind = kind

    def __getattr__(self, name: str) -> Any:
        return getattr(self._k, name.replace("atomic", self._kind, 1))


@pytest.mark.parametrize("kind", WIDER)
def test_those_of_64_bits_do_the_same_in_64_bits(kind: str) -> None:
    most, least = (1 << 63) - 1, -1 << 63

    @scenario()
    async def script(k: Kernel) -> None:
        kernel: Any = Wider(k, kind)
        p = await k.kmalloc(k.struct("foo", v=getattr(k, f"{kind}_t")))
        for name, change, before, returned, after in CHANGES:
            kernel.atomic_set(p.v, before)
            answer = change(kernel, p.v)
            wraps = name.endswith("wraps")
            assert (answer, type(answer)) == (returned, type(returned)) or wraps, name
            assert kernel.atomic_read(p.v) == (after + (1 << 32) if wraps else after), name
        kernel.atomic_set(p.v, most)
        assert kernel.atomic_add_return(2, p.v) == least + 1
        assert kernel.atomic_sub_return(2, p.v) == most
        with pytest.raises(BadInput, match=re.escape(f"{kind}_add(i={1 << 63}): needs what a")):
            kernel.atomic_add(1 << 63, p.v)
        with pytest.raises(BadInput, match=f"needs an? {kind}_t"):
            kernel.atomic_inc(k.atomic_t("v"))
        await k.kfree(p)

    assert run(script).clean


def test_each_type_has_the_same_functions() -> None:
    names = {name for name in dir(Kernel) if name.startswith("atomic")}
    narrow = {name for name in names if not name.startswith((*(f"{kind}_" for kind in WIDER), "atomic_notifier"))}
    for kind in WIDER:
        assert {name.replace("atomic", kind, 1) for name in narrow} == {n for n in names if n.startswith(f"{kind}_")}


def test_what_no_int_holds_is_refused() -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        k.atomic_sub(1 << 31, k.atomic_t("v"))

    with pytest.raises(BadInput, match=re.escape("atomic_sub(i=2147483648): needs what an int holds")):
        run(script)


USES: dict[str, Callable[[Kernel, Any], object]] = {
    "atomic_read": lambda k, p: k.atomic_read(p.count),
    "atomic_set": lambda k, p: k.atomic_set(p.count, 1),
    "atomic_inc": lambda k, p: k.atomic_inc(p.count),
    "refcount_inc": lambda k, p: k.refcount_inc_not_zero(p.refs),
    "xchg": lambda k, p: k.xchg(p, "word", 1),
    "cmpxchg": lambda k, p: k.cmpxchg(p, "word", 1, 2),
    "smp_load_acquire": lambda k, p: k.smp_load_acquire(p, "word"),
    "smp_store_release": lambda k, p: k.smp_store_release(p, "word", 1),
    "set_bit": lambda k, p: k.set_bit(1, p, "word"),
    "test_bit": lambda k, p: k.test_bit(1, p, "word"),
}


@pytest.mark.parametrize("name", USES)
def test_each_use_in_a_freed_object_is_seen_at_its_line(name: str) -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(k.struct("foo", count=k.atomic_t, refs=k.refcount_t, word=0))
        await k.kfree(p)
        USES[name](k, p)

    result = run(script, KASAN=True)
    assert result.outcome() == "use-after-free"
    assert result.violations[0].title.startswith("BUG: KASAN: use-after-free in ")
    assert result.violations[0].line.startswith("test_atomics.py:")


def test_fields_are_exchanged() -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(k.struct("foo", word=1, next=None))
        assert k.xchg(p, "word", 2) == 1
        assert k.cmpxchg(p, "word", 1, 3) == 2
        assert k.cmpxchg(p, "word", 2, 3) == 2
        assert k.smp_load_acquire(p, "word") == 3
        assert k.xchg(p, "next", p) is None
        assert k.cmpxchg(p, "next", p, None) is p
        k.smp_store_release(p, "word", 4)
        k.smp_mb()
        k.smp_rmb()
        k.smp_wmb()
        assert p.word == 4
        await k.kfree(p)

    assert run(script).clean


def test_bits() -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(k.struct("foo", flags=0))
        k.set_bit(63, p, "flags")
        assert not k.test_and_set_bit(0, p, "flags")
        assert k.test_and_set_bit(0, p, "flags")
        assert p.flags == 1 << 63 | 1
        k.clear_bit(63, p, "flags")
        assert k.test_and_clear_bit(0, p, "flags")
        assert not k.test_bit(0, p, "flags")
        await k.kfree(p)

    assert run(script).clean


@pytest.mark.parametrize("rt", [False, True])
def test_a_bit_spinlock_keeps_others_away_and_preemption_off(rt: bool) -> None:
    inside = 0
    seen = []

    @scenario()
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(k.struct("foo", flags=2))

        async def contender() -> None:
            nonlocal inside
            await k.bit_spin_lock(0, p, "flags")
            inside += 1
            assert (inside, k.preemptible(), p.flags) == (1, False, 3)
            await k.udelay(20)
            inside -= 1
            seen.append(k.now)
            await k.bit_spin_unlock(0, p, "flags")

        async with k.open_nursery() as nursery:
            await nursery.start_soon(contender, cpu=1)
            await contender()
        assert p.flags == 2
        assert k.bit_spin_trylock(0, p, "flags")
        assert not k.bit_spin_trylock(0, p, "flags")
        assert k.bit_spin_is_locked(0, p, "flags")
        await k.bit_spin_unlock(0, p, "flags")
        await k.kfree(p)

    assert run(script, PREEMPT_RT=rt).clean
    assert len(seen) == 2
    assert abs(seen[1] - seen[0]) >= 20_000


def test_a_bit_spinlock_that_nobody_holds_is_let_go_of() -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(k.struct("foo", flags=0))
        await k.bit_spin_unlock(0, p, "flags")

    with pytest.raises(KernelBug, match="kernel BUG at"):
        run(script)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (lambda k, p: k.set_bit(64, p, "flags"), "set_bit(nr=64): needs a bit of an unsigned long, 0 to 63"),
        (lambda k, p: k.set_bit(1, p, "text"), "set_bit(): foo.text='x': needs a whole number"),
        (lambda k, p: k.xchg(p, "lock", 1), "foo.lock is no value"),
    ],
)
def test_what_cannot_be_is_said(body: Any, said: str) -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        body(k, await k.kmalloc(k.struct("foo", flags=0, text="x", lock=k.spinlock)))

    with pytest.raises(BadInput, match=re.escape(said)):
        run(script)
