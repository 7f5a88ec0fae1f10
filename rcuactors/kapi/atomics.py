"""Atomics: atomic_t, xchg() and cmpxchg() of a field, barriers (include/linux/atomic.h, include/asm-generic/barrier.h).

Each is one step, legal in every context. In memory of the model's own everything is sequentially consistent: what an
operation orders is of interest to KCSAN only (kernel/kcsan.py).
"""

from __future__ import annotations

from typing import Any

from ..errors import bad_value, described
from ..kernel import atomic
from ..kernel.atomic import INT_MAX, INT_MIN, Atomic, Order
from .base import Inside
from .fields import StructObject, load, store
from .objects import Objects


def int_of(function: str, name: str, value: int) -> int:
    """The value. Raises BadInput for what no int of C holds."""
    if not INT_MIN <= value <= INT_MAX:
        raise bad_value(f"{function}({name}={described(value)})", f"what an int holds: {INT_MIN} to {INT_MAX}")
    return value


class AtomicChanges(Objects):
    """atomic_t: making it, and what changes it and returns nothing, or what it is now.

    Numbers are those of an int, and wrap. Raises BadInput for one that is none.
    """

    def atomic_t(self, name: str = "atomic", *, inside: Inside | None = None) -> Atomic:
        """atomic_t, which is 0; `inside`: a member of an object. Reports show its name."""
        return self._member(inside, Atomic(name))

    def atomic_read(self, v: Atomic) -> int:
        """atomic_read(): orders nothing."""
        return atomic.read(self._cpu, v)

    def atomic_read_acquire(self, v: Atomic) -> int:
        """atomic_read_acquire(): what comes later is later."""
        return atomic.read(self._cpu, v, Order.ACQUIRE)

    def atomic_set(self, v: Atomic, i: int) -> None:
        """atomic_set(): orders nothing."""
        atomic.write(self._cpu, v, int_of("atomic_set", "i", i))

    def atomic_set_release(self, v: Atomic, i: int) -> None:
        """atomic_set_release(): what came before is before."""
        atomic.write(self._cpu, v, int_of("atomic_set_release", "i", i), Order.RELEASE)

    def _fetch_add(self, function: str, i: int, v: Atomic, order: Order = Order.FULL, sign: int = 1) -> int:
        int_of(function, "i", i)
        return atomic.change(self._cpu, v, lambda old: old + sign * i, order)

    def atomic_add(self, i: int, v: Atomic) -> None:
        """atomic_add()."""
        self._fetch_add("atomic_add", i, v, Order.NONE)

    def atomic_sub(self, i: int, v: Atomic) -> None:
        """atomic_sub()."""
        self._fetch_add("atomic_sub", i, v, Order.NONE, -1)

    def atomic_inc(self, v: Atomic) -> None:
        """atomic_inc()."""
        self._fetch_add("atomic_inc", 1, v, Order.NONE)

    def atomic_dec(self, v: Atomic) -> None:
        """atomic_dec()."""
        self._fetch_add("atomic_dec", -1, v, Order.NONE)

    def atomic_and(self, i: int, v: Atomic) -> None:
        """atomic_and()."""
        int_of("atomic_and", "i", i)
        atomic.change(self._cpu, v, lambda old: old & i, Order.NONE)

    def atomic_or(self, i: int, v: Atomic) -> None:
        """atomic_or()."""
        int_of("atomic_or", "i", i)
        atomic.change(self._cpu, v, lambda old: old | i, Order.NONE)

    def atomic_xor(self, i: int, v: Atomic) -> None:
        """atomic_xor()."""
        int_of("atomic_xor", "i", i)
        atomic.change(self._cpu, v, lambda old: old ^ i, Order.NONE)

    def atomic_andnot(self, i: int, v: Atomic) -> None:
        """atomic_andnot()."""
        int_of("atomic_andnot", "i", i)
        atomic.change(self._cpu, v, lambda old: old & ~i, Order.NONE)

    def atomic_add_return(self, i: int, v: Atomic) -> int:
        """atomic_add_return(): the new value."""
        return atomic.as_int(self._fetch_add("atomic_add_return", i, v) + i)

    def atomic_sub_return(self, i: int, v: Atomic) -> int:
        """atomic_sub_return(): the new value."""
        return atomic.as_int(self._fetch_add("atomic_sub_return", i, v, sign=-1) - i)

    def atomic_inc_return(self, v: Atomic) -> int:
        """atomic_inc_return(): the new value."""
        return self.atomic_add_return(1, v)

    def atomic_dec_return(self, v: Atomic) -> int:
        """atomic_dec_return(): the new value."""
        return self.atomic_sub_return(1, v)


class Atomics(AtomicChanges):
    """What changes an atomic_t and returns what it was, or whether; exchanges of fields; barriers."""

    def atomic_fetch_add(self, i: int, v: Atomic) -> int:
        """atomic_fetch_add(): the old value."""
        return self._fetch_add("atomic_fetch_add", i, v)

    def atomic_fetch_sub(self, i: int, v: Atomic) -> int:
        """atomic_fetch_sub(): the old value."""
        return self._fetch_add("atomic_fetch_sub", i, v, sign=-1)

    def atomic_fetch_inc(self, v: Atomic) -> int:
        """atomic_fetch_inc(): the old value."""
        return self._fetch_add("atomic_fetch_inc", 1, v)

    def atomic_fetch_dec(self, v: Atomic) -> int:
        """atomic_fetch_dec(): the old value."""
        return self._fetch_add("atomic_fetch_dec", -1, v)

    def atomic_fetch_or(self, i: int, v: Atomic) -> int:
        """atomic_fetch_or(): the old value."""
        int_of("atomic_fetch_or", "i", i)
        return atomic.change(self._cpu, v, lambda old: old | i)

    def atomic_fetch_and(self, i: int, v: Atomic) -> int:
        """atomic_fetch_and(): the old value."""
        int_of("atomic_fetch_and", "i", i)
        return atomic.change(self._cpu, v, lambda old: old & i)

    def atomic_xchg(self, v: Atomic, new: int) -> int:
        """atomic_xchg(): the old value."""
        int_of("atomic_xchg", "new", new)
        return atomic.change(self._cpu, v, lambda _: new)

    def atomic_cmpxchg(self, v: Atomic, old: int, new: int) -> int:
        """atomic_cmpxchg(): `new`, if it is `old`. What it was: `old` if that has worked."""
        int_of("atomic_cmpxchg", "old", old)
        int_of("atomic_cmpxchg", "new", new)
        return atomic.change(self._cpu, v, lambda was: new if was == old else None)

    def atomic_dec_and_test(self, v: Atomic) -> bool:
        """atomic_dec_and_test(): whether it is 0 now."""
        return self.atomic_dec_return(v) == 0

    def atomic_inc_and_test(self, v: Atomic) -> bool:
        """atomic_inc_and_test(): whether it is 0 now."""
        return self.atomic_inc_return(v) == 0

    def atomic_sub_and_test(self, i: int, v: Atomic) -> bool:
        """atomic_sub_and_test(): whether it is 0 now."""
        return self.atomic_sub_return(i, v) == 0

    def atomic_add_negative(self, i: int, v: Atomic) -> bool:
        """atomic_add_negative(): whether it is below 0 now."""
        return self.atomic_add_return(i, v) < 0

    def atomic_fetch_add_unless(self, v: Atomic, a: int, u: int) -> int:
        """atomic_fetch_add_unless(): `a` more, unless it is `u`. What it was."""
        int_of("atomic_fetch_add_unless", "a", a)
        int_of("atomic_fetch_add_unless", "u", u)
        return atomic.change(self._cpu, v, lambda old: old + a if old != u else None)

    def atomic_add_unless(self, v: Atomic, a: int, u: int) -> bool:
        """atomic_add_unless(): the same. Whether it was not `u`."""
        return self.atomic_fetch_add_unless(v, a, u) != u

    def atomic_inc_not_zero(self, v: Atomic) -> bool:
        """atomic_inc_not_zero(): one more, unless it is 0. Whether it was not."""
        return self.atomic_add_unless(v, 1, 0)

    def atomic_dec_if_positive(self, v: Atomic) -> int:
        """atomic_dec_if_positive(): one less, unless it would be below 0. What it was, less one."""
        return atomic.change(self._cpu, v, lambda old: old - 1 if old > 0 else None) - 1

    # -- fields of objects --

    def xchg(self, p: StructObject, field: str, new: object) -> Any:
        """xchg(&p->field, new): what was there. Fully ordered."""
        self._expect_field(p, field)
        old = load(p, field, Order.ACQUIRE)
        store(p, field, new, Order.RELEASE)
        return old

    def cmpxchg(self, p: StructObject, field: str, old: object, new: object) -> Any:
        """cmpxchg(&p->field, old, new): `new`, if it is `old`. What was there: `old` if that has worked.

        Fully ordered, if it has.
        """
        self._expect_field(p, field)
        was = load(p, field, Order.NONE)
        if was == old:
            load(p, field, Order.ACQUIRE)
            store(p, field, new, Order.RELEASE)
        return was

    def smp_load_acquire(self, p: StructObject, field: str) -> Any:
        """smp_load_acquire(&p->field): what comes later is later, and sees what was before the smp_store_release()."""
        self._expect_field(p, field)
        return load(p, field, Order.ACQUIRE)

    def smp_store_release(self, p: StructObject, field: str, value: object) -> None:
        """smp_store_release(&p->field, value): what came before is before."""
        self._expect_field(p, field)
        store(p, field, value, Order.RELEASE)

    # -- barriers --

    def smp_mb(self) -> None:
        """smp_mb(): everything before it is before everything after it."""
        self._fence(before=True, after=True)

    def smp_wmb(self) -> None:
        """smp_wmb(): writes before it are before writes after it."""
        self._fence(before=True)

    def smp_rmb(self) -> None:
        """smp_rmb(): reads before it are before reads after it."""
        self._fence(after=True)

    def _fence(self, *, before: bool = False, after: bool = False) -> None:
        cpu = self._cpu
        cpu.clock += self._system.costs.lock_ns
        kcsan = self._system.kcsan
        if kcsan is not None:
            kcsan.fence(cpu, before=before, after=after)
