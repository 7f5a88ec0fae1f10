"""What atomic_t, atomic64_t and atomic_long_t do alike: the number itself says how wide it is, and what wraps.

One function for each kind of step. `function` is the name that the caller was called by, for errors.
"""

from __future__ import annotations

from collections.abc import Callable

from ..errors import bad_value, described
from ..kernel import atomic
from ..kernel.atomic import Number, Order
from .objects import Objects


def fits(function: str, name: str, value: int, of: type[Number] = Number) -> int:
    """The value. Raises BadInput for what no number of that type holds, unless another is named an int of C."""
    if not of.least() <= value <= of.most():
        article = "an" if of.c_type[0] in "is" else "a"
        needs = f"what {article} {of.c_type} holds: {of.least()} to {of.most()}"
        raise bad_value(f"{function}({name}={described(value)})", needs)
    return value


class AtomicSteps(Objects):
    """Each is one step. Raises BadInput for a number that the type does not hold."""

    def _atomic_set(self, function: str, v: Number, i: int, order: Order = Order.NONE) -> None:
        atomic.write(self._cpu, v, fits(function, "i", i, type(v)), order)

    def _atomic_fetch(
        self, function: str, i: int, v: Number, change: Callable[[int, int], int], order: Order = Order.FULL
    ) -> int:
        """The old value; `change` is given that, and `i`."""
        fits(function, "i", i, type(v))
        return atomic.change(self._cpu, v, lambda old: change(old, i), order)

    def _atomic_fetch_add(self, function: str, i: int, v: Number, order: Order = Order.FULL) -> int:
        return self._atomic_fetch(function, i, v, lambda old, i: old + i, order)

    def _atomic_fetch_sub(self, function: str, i: int, v: Number, order: Order = Order.FULL) -> int:
        return self._atomic_fetch(function, i, v, lambda old, i: old - i, order)

    def _atomic_add_return(self, function: str, i: int, v: Number) -> int:
        return v.wrapped(self._atomic_fetch_add(function, i, v) + i)

    def _atomic_sub_return(self, function: str, i: int, v: Number) -> int:
        return v.wrapped(self._atomic_fetch_sub(function, i, v) - i)

    def _atomic_xchg(self, function: str, v: Number, new: int) -> int:
        fits(function, "new", new, type(v))
        return atomic.change(self._cpu, v, lambda _: new)

    def _atomic_cmpxchg(self, function: str, v: Number, old: int, new: int) -> int:
        fits(function, "old", old, type(v))
        fits(function, "new", new, type(v))
        return atomic.change(self._cpu, v, lambda was: new if was == old else None)

    def _atomic_fetch_add_unless(self, function: str, v: Number, a: int, u: int) -> int:
        fits(function, "a", a, type(v))
        fits(function, "u", u, type(v))
        return atomic.change(self._cpu, v, lambda old: old + a if old != u else None)

    def _atomic_dec_if_positive(self, v: Number) -> int:
        return atomic.change(self._cpu, v, lambda old: old - 1 if old > 0 else None) - 1
