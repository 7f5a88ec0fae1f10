"""atomic_t, atomic64_t and atomic_long_t: a number that each operation changes in one step.

include/linux/atomic/atomic-arch-fallback.h and atomic-long.h. It is an int, an s64, a long of 64 bits: what that does
not hold wraps. An operation that returns something, and changes the number, is fully ordered; the others order nothing
(Documentation/atomic_t.txt), which KCSAN knows (kcsan.py).
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Final

import attrs

from ..context.memory import Memory
from ..engine.probe import Access
from ..marks import MACHINERY

__trace__ = MACHINERY  # inline in their callers

if TYPE_CHECKING:
    from .cpu import Cpu

INT_MAX: Final = (1 << 31) - 1
INT_MIN: Final = -1 << 31


class Order(enum.Enum):
    """What an operation orders: its caller's accesses before it, or after it, or both, or nothing."""

    NONE = enum.auto()
    ACQUIRE = enum.auto()
    RELEASE = enum.auto()
    FULL = enum.auto()


@attrs.define(eq=False)
class Number:
    """What atomic_t and refcount_t are made of. `inside` is the object that it is a member of."""

    bits: ClassVar[int] = 32
    c_type: ClassVar[str] = "int"

    name: str
    value: int = 0
    inside: Memory | None = None

    @classmethod
    def least(cls) -> int:
        """The least that it holds."""
        return -1 << (cls.bits - 1)

    @classmethod
    def most(cls) -> int:
        """The most that it holds."""
        return ~cls.least()

    @classmethod
    def wrapped(cls, value: int) -> int:
        """What it makes of a value: so many bits, with a sign."""
        least = cls.least()
        return ((value - least) & ((1 << cls.bits) - 1)) + least


class Atomic(Number):
    """atomic_t."""


class Atomic64(Number):
    """atomic64_t."""

    bits = 64
    c_type = "s64"


class AtomicLong(Number):
    """atomic_long_t: on 64 bits that is atomic64_t by another name, and on 32 bits atomic_t: neither will do for it."""

    bits = 64
    c_type = "long"


def read(cpu: Cpu, number: Number, order: Order = Order.NONE) -> int:
    """atomic_read()."""
    _use(cpu, number)
    _tell(cpu, number, Access.READ, order)
    return number.value


def write(cpu: Cpu, number: Number, value: int, order: Order = Order.NONE) -> None:
    """atomic_set()."""
    _use(cpu, number)
    _tell(cpu, number, Access.WRITE, order)
    number.value = number.wrapped(value)


def change(cpu: Cpu, number: Number, to: Callable[[int], int | None], order: Order = Order.FULL) -> int:
    """Read, and written in the same step if `to` gives a value for what was read. Returns what was read.

    What does not write orders nothing.
    """
    _use(cpu, number)
    old = number.value
    new = to(old)
    if new is None:
        _tell(cpu, number, Access.READ, Order.NONE)
        return old
    _tell(cpu, number, Access.WRITE, order)
    number.value = number.wrapped(new)
    return old


def _use(cpu: Cpu, number: Number) -> None:
    cpu.clock += cpu.system.costs.lock_ns
    if number.inside is not None:
        cpu.judge.used(cpu, number.inside, number.name)


def _tell(cpu: Cpu, number: Number, access: Access, order: Order) -> None:
    """What is looked on at: the access, and what it orders."""
    told = cpu.conductor.probes.access
    if not told.on:
        return
    if order in (Order.ACQUIRE, Order.FULL):
        told(number, Access.ACQUIRE)
    else:
        told(number, access)
    if order in (Order.RELEASE, Order.FULL):
        told(number, Access.RELEASE)
