"""atomic64_t: the atomics of 64 bits (include/linux/atomic/atomic-instrumented.h).

Each is one step, legal in every context, as those of atomic_t are (atomics.py).
"""

from __future__ import annotations

from ..kernel import atomic
from ..kernel.atomic import Atomic64, Order
from .atomic_steps import AtomicSteps
from .base import Inside


class Atomic64s(AtomicSteps):
    """atomic64_t: making it, reading it, and what changes it. Numbers are those of an s64, and wrap.

    Raises BadInput for a number that is none of those.
    """

    def atomic64_t(self, name: str = "atomic64", *, inside: Inside | None = None) -> Atomic64:
        """atomic64_t, which is 0; `inside`: a member of an object. Reports show its name."""
        return self._member(inside, Atomic64(name))

    def atomic64_read(self, v: Atomic64) -> int:
        """atomic64_read(): orders nothing."""
        return atomic.read(self._cpu, v)

    def atomic64_read_acquire(self, v: Atomic64) -> int:
        """atomic64_read_acquire(): what comes later is later."""
        return atomic.read(self._cpu, v, Order.ACQUIRE)

    def atomic64_set(self, v: Atomic64, i: int) -> None:
        """atomic64_set(): orders nothing."""
        self._atomic_set("atomic64_set", v, i)

    def atomic64_set_release(self, v: Atomic64, i: int) -> None:
        """atomic64_set_release(): what came before is before."""
        self._atomic_set("atomic64_set_release", v, i, Order.RELEASE)

    def atomic64_add(self, i: int, v: Atomic64) -> None:
        """atomic64_add()."""
        self._atomic_fetch_add("atomic64_add", i, v, Order.NONE)

    def atomic64_sub(self, i: int, v: Atomic64) -> None:
        """atomic64_sub()."""
        self._atomic_fetch_sub("atomic64_sub", i, v, Order.NONE)

    def atomic64_inc(self, v: Atomic64) -> None:
        """atomic64_inc()."""
        self._atomic_fetch_add("atomic64_inc", 1, v, Order.NONE)

    def atomic64_dec(self, v: Atomic64) -> None:
        """atomic64_dec()."""
        self._atomic_fetch_sub("atomic64_dec", 1, v, Order.NONE)

    def atomic64_and(self, i: int, v: Atomic64) -> None:
        """atomic64_and()."""
        self._atomic_fetch("atomic64_and", i, v, lambda old, i: old & i, Order.NONE)

    def atomic64_or(self, i: int, v: Atomic64) -> None:
        """atomic64_or()."""
        self._atomic_fetch("atomic64_or", i, v, lambda old, i: old | i, Order.NONE)

    def atomic64_xor(self, i: int, v: Atomic64) -> None:
        """atomic64_xor()."""
        self._atomic_fetch("atomic64_xor", i, v, lambda old, i: old ^ i, Order.NONE)

    def atomic64_andnot(self, i: int, v: Atomic64) -> None:
        """atomic64_andnot()."""
        self._atomic_fetch("atomic64_andnot", i, v, lambda old, i: old & ~i, Order.NONE)

    def atomic64_add_return(self, i: int, v: Atomic64) -> int:
        """atomic64_add_return(): the new value."""
        return self._atomic_add_return("atomic64_add_return", i, v)

    def atomic64_sub_return(self, i: int, v: Atomic64) -> int:
        """atomic64_sub_return(): the new value."""
        return self._atomic_sub_return("atomic64_sub_return", i, v)

    def atomic64_inc_return(self, v: Atomic64) -> int:
        """atomic64_inc_return(): the new value."""
        return self._atomic_add_return("atomic64_inc_return", 1, v)

    def atomic64_dec_return(self, v: Atomic64) -> int:
        """atomic64_dec_return(): the new value."""
        return self._atomic_sub_return("atomic64_dec_return", 1, v)

    def atomic64_fetch_add(self, i: int, v: Atomic64) -> int:
        """atomic64_fetch_add(): the old value."""
        return self._atomic_fetch_add("atomic64_fetch_add", i, v)

    def atomic64_fetch_sub(self, i: int, v: Atomic64) -> int:
        """atomic64_fetch_sub(): the old value."""
        return self._atomic_fetch_sub("atomic64_fetch_sub", i, v)

    def atomic64_fetch_inc(self, v: Atomic64) -> int:
        """atomic64_fetch_inc(): the old value."""
        return self._atomic_fetch_add("atomic64_fetch_inc", 1, v)

    def atomic64_fetch_dec(self, v: Atomic64) -> int:
        """atomic64_fetch_dec(): the old value."""
        return self._atomic_fetch_sub("atomic64_fetch_dec", 1, v)

    def atomic64_fetch_or(self, i: int, v: Atomic64) -> int:
        """atomic64_fetch_or(): the old value."""
        return self._atomic_fetch("atomic64_fetch_or", i, v, lambda old, i: old | i)

    def atomic64_fetch_and(self, i: int, v: Atomic64) -> int:
        """atomic64_fetch_and(): the old value."""
        return self._atomic_fetch("atomic64_fetch_and", i, v, lambda old, i: old & i)

    def atomic64_xchg(self, v: Atomic64, new: int) -> int:
        """atomic64_xchg(): the old value."""
        return self._atomic_xchg("atomic64_xchg", v, new)

    def atomic64_cmpxchg(self, v: Atomic64, old: int, new: int) -> int:
        """atomic64_cmpxchg(): `new`, if it is `old`. What it was: `old` if that has worked."""
        return self._atomic_cmpxchg("atomic64_cmpxchg", v, old, new)

    def atomic64_dec_and_test(self, v: Atomic64) -> bool:
        """atomic64_dec_and_test(): whether it is 0 now."""
        return self._atomic_sub_return("atomic64_dec_and_test", 1, v) == 0

    def atomic64_inc_and_test(self, v: Atomic64) -> bool:
        """atomic64_inc_and_test(): whether it is 0 now."""
        return self._atomic_add_return("atomic64_inc_and_test", 1, v) == 0

    def atomic64_sub_and_test(self, i: int, v: Atomic64) -> bool:
        """atomic64_sub_and_test(): whether it is 0 now."""
        return self._atomic_sub_return("atomic64_sub_and_test", i, v) == 0

    def atomic64_add_negative(self, i: int, v: Atomic64) -> bool:
        """atomic64_add_negative(): whether it is below 0 now."""
        return self._atomic_add_return("atomic64_add_negative", i, v) < 0

    def atomic64_fetch_add_unless(self, v: Atomic64, a: int, u: int) -> int:
        """atomic64_fetch_add_unless(): `a` more, unless it is `u`. What it was."""
        return self._atomic_fetch_add_unless("atomic64_fetch_add_unless", v, a, u)

    def atomic64_add_unless(self, v: Atomic64, a: int, u: int) -> bool:
        """atomic64_add_unless(): the same. Whether it was not `u`."""
        return self._atomic_fetch_add_unless("atomic64_add_unless", v, a, u) != u

    def atomic64_inc_not_zero(self, v: Atomic64) -> bool:
        """atomic64_inc_not_zero(): one more, unless it is 0. Whether it was not."""
        return self._atomic_fetch_add_unless("atomic64_inc_not_zero", v, 1, 0) != 0

    def atomic64_dec_if_positive(self, v: Atomic64) -> int:
        """atomic64_dec_if_positive(): one less, unless it would be below 0. What it was, less one."""
        return self._atomic_dec_if_positive(v)
