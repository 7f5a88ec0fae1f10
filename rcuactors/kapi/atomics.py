"""Atomics: atomic_t, xchg() and cmpxchg() of a field, barriers (include/linux/atomic.h, include/asm-generic/barrier.h).

Each is one step, legal in every context. In memory of the model's own everything is sequentially consistent: what an
operation orders is of interest to KCSAN only (kernel/kcsan.py).
"""

from __future__ import annotations

from typing import Any

from ..kernel import atomic
from ..kernel.atomic import Atomic, Order
from .atomic_steps import AtomicSteps
from .base import Inside
from .fields import StructObject, load, store


class AtomicChanges(AtomicSteps):
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
        self._atomic_set("atomic_set", v, i)

    def atomic_set_release(self, v: Atomic, i: int) -> None:
        """atomic_set_release(): what came before is before."""
        self._atomic_set("atomic_set_release", v, i, Order.RELEASE)

    def atomic_add(self, i: int, v: Atomic) -> None:
        """atomic_add()."""
        self._atomic_fetch_add("atomic_add", i, v, Order.NONE)

    def atomic_sub(self, i: int, v: Atomic) -> None:
        """atomic_sub()."""
        self._atomic_fetch_sub("atomic_sub", i, v, Order.NONE)

    def atomic_inc(self, v: Atomic) -> None:
        """atomic_inc()."""
        self._atomic_fetch_add("atomic_inc", 1, v, Order.NONE)

    def atomic_dec(self, v: Atomic) -> None:
        """atomic_dec()."""
        self._atomic_fetch_sub("atomic_dec", 1, v, Order.NONE)

    def atomic_and(self, i: int, v: Atomic) -> None:
        """atomic_and()."""
        self._atomic_fetch("atomic_and", i, v, lambda old, i: old & i, Order.NONE)

    def atomic_or(self, i: int, v: Atomic) -> None:
        """atomic_or()."""
        self._atomic_fetch("atomic_or", i, v, lambda old, i: old | i, Order.NONE)

    def atomic_xor(self, i: int, v: Atomic) -> None:
        """atomic_xor()."""
        self._atomic_fetch("atomic_xor", i, v, lambda old, i: old ^ i, Order.NONE)

    def atomic_andnot(self, i: int, v: Atomic) -> None:
        """atomic_andnot()."""
        self._atomic_fetch("atomic_andnot", i, v, lambda old, i: old & ~i, Order.NONE)

    def atomic_add_return(self, i: int, v: Atomic) -> int:
        """atomic_add_return(): the new value."""
        return self._atomic_add_return("atomic_add_return", i, v)

    def atomic_sub_return(self, i: int, v: Atomic) -> int:
        """atomic_sub_return(): the new value."""
        return self._atomic_sub_return("atomic_sub_return", i, v)

    def atomic_inc_return(self, v: Atomic) -> int:
        """atomic_inc_return(): the new value."""
        return self._atomic_add_return("atomic_inc_return", 1, v)

    def atomic_dec_return(self, v: Atomic) -> int:
        """atomic_dec_return(): the new value."""
        return self._atomic_sub_return("atomic_dec_return", 1, v)


class Atomics(AtomicChanges):
    """What changes an atomic_t and returns what it was, or whether; exchanges of fields; barriers."""

    def atomic_fetch_add(self, i: int, v: Atomic) -> int:
        """atomic_fetch_add(): the old value."""
        return self._atomic_fetch_add("atomic_fetch_add", i, v)

    def atomic_fetch_sub(self, i: int, v: Atomic) -> int:
        """atomic_fetch_sub(): the old value."""
        return self._atomic_fetch_sub("atomic_fetch_sub", i, v)

    def atomic_fetch_inc(self, v: Atomic) -> int:
        """atomic_fetch_inc(): the old value."""
        return self._atomic_fetch_add("atomic_fetch_inc", 1, v)

    def atomic_fetch_dec(self, v: Atomic) -> int:
        """atomic_fetch_dec(): the old value."""
        return self._atomic_fetch_sub("atomic_fetch_dec", 1, v)

    def atomic_fetch_or(self, i: int, v: Atomic) -> int:
        """atomic_fetch_or(): the old value."""
        return self._atomic_fetch("atomic_fetch_or", i, v, lambda old, i: old | i)

    def atomic_fetch_and(self, i: int, v: Atomic) -> int:
        """atomic_fetch_and(): the old value."""
        return self._atomic_fetch("atomic_fetch_and", i, v, lambda old, i: old & i)

    def atomic_xchg(self, v: Atomic, new: int) -> int:
        """atomic_xchg(): the old value."""
        return self._atomic_xchg("atomic_xchg", v, new)

    def atomic_cmpxchg(self, v: Atomic, old: int, new: int) -> int:
        """atomic_cmpxchg(): `new`, if it is `old`. What it was: `old` if that has worked."""
        return self._atomic_cmpxchg("atomic_cmpxchg", v, old, new)

    def atomic_dec_and_test(self, v: Atomic) -> bool:
        """atomic_dec_and_test(): whether it is 0 now."""
        return self._atomic_sub_return("atomic_dec_and_test", 1, v) == 0

    def atomic_inc_and_test(self, v: Atomic) -> bool:
        """atomic_inc_and_test(): whether it is 0 now."""
        return self._atomic_add_return("atomic_inc_and_test", 1, v) == 0

    def atomic_sub_and_test(self, i: int, v: Atomic) -> bool:
        """atomic_sub_and_test(): whether it is 0 now."""
        return self._atomic_sub_return("atomic_sub_and_test", i, v) == 0

    def atomic_add_negative(self, i: int, v: Atomic) -> bool:
        """atomic_add_negative(): whether it is below 0 now."""
        return self._atomic_add_return("atomic_add_negative", i, v) < 0

    def atomic_fetch_add_unless(self, v: Atomic, a: int, u: int) -> int:
        """atomic_fetch_add_unless(): `a` more, unless it is `u`. What it was."""
        return self._atomic_fetch_add_unless("atomic_fetch_add_unless", v, a, u)

    def atomic_add_unless(self, v: Atomic, a: int, u: int) -> bool:
        """atomic_add_unless(): the same. Whether it was not `u`."""
        return self._atomic_fetch_add_unless("atomic_add_unless", v, a, u) != u

    def atomic_inc_not_zero(self, v: Atomic) -> bool:
        """atomic_inc_not_zero(): one more, unless it is 0. Whether it was not."""
        return self._atomic_fetch_add_unless("atomic_inc_not_zero", v, 1, 0) != 0

    def atomic_dec_if_positive(self, v: Atomic) -> int:
        """atomic_dec_if_positive(): one less, unless it would be below 0. What it was, less one."""
        return self._atomic_dec_if_positive(v)

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
