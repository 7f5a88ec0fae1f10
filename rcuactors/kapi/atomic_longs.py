"""atomic_long_t: the atomics of a long (include/linux/atomic/atomic-long.h), which has 64 bits here.

Each is one step, legal in every context, as those of atomic_t are (atomics.py).
"""

from __future__ import annotations

from ..kernel import atomic
from ..kernel.atomic import AtomicLong, Order
from .atomic_steps import AtomicSteps
from .base import Inside


class AtomicLongs(AtomicSteps):
    """atomic_long_t: making it, reading it, and what changes it. Numbers are those of a long of 64 bits, and wrap.

    Raises BadInput for a number that is none of those.
    """

    def atomic_long_t(self, name: str = "atomic_long", *, inside: Inside | None = None) -> AtomicLong:
        """atomic_long_t, which is 0; `inside`: a member of an object. Reports show its name."""
        return self._member(inside, AtomicLong(name))

    def atomic_long_read(self, v: AtomicLong) -> int:
        """atomic_long_read(): orders nothing."""
        return atomic.read(self._cpu, v)

    def atomic_long_read_acquire(self, v: AtomicLong) -> int:
        """atomic_long_read_acquire(): what comes later is later."""
        return atomic.read(self._cpu, v, Order.ACQUIRE)

    def atomic_long_set(self, v: AtomicLong, i: int) -> None:
        """atomic_long_set(): orders nothing."""
        self._atomic_set("atomic_long_set", v, i)

    def atomic_long_set_release(self, v: AtomicLong, i: int) -> None:
        """atomic_long_set_release(): what came before is before."""
        self._atomic_set("atomic_long_set_release", v, i, Order.RELEASE)

    def atomic_long_add(self, i: int, v: AtomicLong) -> None:
        """atomic_long_add()."""
        self._atomic_fetch_add("atomic_long_add", i, v, Order.NONE)

    def atomic_long_sub(self, i: int, v: AtomicLong) -> None:
        """atomic_long_sub()."""
        self._atomic_fetch_sub("atomic_long_sub", i, v, Order.NONE)

    def atomic_long_inc(self, v: AtomicLong) -> None:
        """atomic_long_inc()."""
        self._atomic_fetch_add("atomic_long_inc", 1, v, Order.NONE)

    def atomic_long_dec(self, v: AtomicLong) -> None:
        """atomic_long_dec()."""
        self._atomic_fetch_sub("atomic_long_dec", 1, v, Order.NONE)

    def atomic_long_and(self, i: int, v: AtomicLong) -> None:
        """atomic_long_and()."""
        self._atomic_fetch("atomic_long_and", i, v, lambda old, i: old & i, Order.NONE)

    def atomic_long_or(self, i: int, v: AtomicLong) -> None:
        """atomic_long_or()."""
        self._atomic_fetch("atomic_long_or", i, v, lambda old, i: old | i, Order.NONE)

    def atomic_long_xor(self, i: int, v: AtomicLong) -> None:
        """atomic_long_xor()."""
        self._atomic_fetch("atomic_long_xor", i, v, lambda old, i: old ^ i, Order.NONE)

    def atomic_long_andnot(self, i: int, v: AtomicLong) -> None:
        """atomic_long_andnot()."""
        self._atomic_fetch("atomic_long_andnot", i, v, lambda old, i: old & ~i, Order.NONE)

    def atomic_long_add_return(self, i: int, v: AtomicLong) -> int:
        """atomic_long_add_return(): the new value."""
        return self._atomic_add_return("atomic_long_add_return", i, v)

    def atomic_long_sub_return(self, i: int, v: AtomicLong) -> int:
        """atomic_long_sub_return(): the new value."""
        return self._atomic_sub_return("atomic_long_sub_return", i, v)

    def atomic_long_inc_return(self, v: AtomicLong) -> int:
        """atomic_long_inc_return(): the new value."""
        return self._atomic_add_return("atomic_long_inc_return", 1, v)

    def atomic_long_dec_return(self, v: AtomicLong) -> int:
        """atomic_long_dec_return(): the new value."""
        return self._atomic_sub_return("atomic_long_dec_return", 1, v)

    def atomic_long_fetch_add(self, i: int, v: AtomicLong) -> int:
        """atomic_long_fetch_add(): the old value."""
        return self._atomic_fetch_add("atomic_long_fetch_add", i, v)

    def atomic_long_fetch_sub(self, i: int, v: AtomicLong) -> int:
        """atomic_long_fetch_sub(): the old value."""
        return self._atomic_fetch_sub("atomic_long_fetch_sub", i, v)

    def atomic_long_fetch_inc(self, v: AtomicLong) -> int:
        """atomic_long_fetch_inc(): the old value."""
        return self._atomic_fetch_add("atomic_long_fetch_inc", 1, v)

    def atomic_long_fetch_dec(self, v: AtomicLong) -> int:
        """atomic_long_fetch_dec(): the old value."""
        return self._atomic_fetch_sub("atomic_long_fetch_dec", 1, v)

    def atomic_long_fetch_or(self, i: int, v: AtomicLong) -> int:
        """atomic_long_fetch_or(): the old value."""
        return self._atomic_fetch("atomic_long_fetch_or", i, v, lambda old, i: old | i)

    def atomic_long_fetch_and(self, i: int, v: AtomicLong) -> int:
        """atomic_long_fetch_and(): the old value."""
        return self._atomic_fetch("atomic_long_fetch_and", i, v, lambda old, i: old & i)

    def atomic_long_xchg(self, v: AtomicLong, new: int) -> int:
        """atomic_long_xchg(): the old value."""
        return self._atomic_xchg("atomic_long_xchg", v, new)

    def atomic_long_cmpxchg(self, v: AtomicLong, old: int, new: int) -> int:
        """atomic_long_cmpxchg(): `new`, if it is `old`. What it was: `old` if that has worked."""
        return self._atomic_cmpxchg("atomic_long_cmpxchg", v, old, new)

    def atomic_long_dec_and_test(self, v: AtomicLong) -> bool:
        """atomic_long_dec_and_test(): whether it is 0 now."""
        return self._atomic_sub_return("atomic_long_dec_and_test", 1, v) == 0

    def atomic_long_inc_and_test(self, v: AtomicLong) -> bool:
        """atomic_long_inc_and_test(): whether it is 0 now."""
        return self._atomic_add_return("atomic_long_inc_and_test", 1, v) == 0

    def atomic_long_sub_and_test(self, i: int, v: AtomicLong) -> bool:
        """atomic_long_sub_and_test(): whether it is 0 now."""
        return self._atomic_sub_return("atomic_long_sub_and_test", i, v) == 0

    def atomic_long_add_negative(self, i: int, v: AtomicLong) -> bool:
        """atomic_long_add_negative(): whether it is below 0 now."""
        return self._atomic_add_return("atomic_long_add_negative", i, v) < 0

    def atomic_long_fetch_add_unless(self, v: AtomicLong, a: int, u: int) -> int:
        """atomic_long_fetch_add_unless(): `a` more, unless it is `u`. What it was."""
        return self._atomic_fetch_add_unless("atomic_long_fetch_add_unless", v, a, u)

    def atomic_long_add_unless(self, v: AtomicLong, a: int, u: int) -> bool:
        """atomic_long_add_unless(): the same. Whether it was not `u`."""
        return self._atomic_fetch_add_unless("atomic_long_add_unless", v, a, u) != u

    def atomic_long_inc_not_zero(self, v: AtomicLong) -> bool:
        """atomic_long_inc_not_zero(): one more, unless it is 0. Whether it was not."""
        return self._atomic_fetch_add_unless("atomic_long_inc_not_zero", v, 1, 0) != 0

    def atomic_long_dec_if_positive(self, v: AtomicLong) -> int:
        """atomic_long_dec_if_positive(): one less, unless it would be below 0. What it was, less one."""
        return self._atomic_dec_if_positive(v)
