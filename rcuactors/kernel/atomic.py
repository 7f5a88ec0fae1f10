"""atomic_t (include/linux/atomic/atomic-arch-fallback.h): a number that each operation changes in one step.

It is an int: what no int holds wraps. An operation that returns something, and changes the number, is fully ordered;
the others order nothing (Documentation/atomic_t.txt), which KCSAN knows (kcsan.py).
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

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

    name: str
    value: int = 0
    inside: Memory | None = None


class Atomic(Number):
    """atomic_t."""


def as_int(value: int) -> int:
    """What an int makes of it: 32 bits, with a sign."""
    return ((value - INT_MIN) & 0xFFFFFFFF) + INT_MIN


def read(cpu: Cpu, number: Number, order: Order = Order.NONE) -> int:
    """atomic_read()."""
    _use(cpu, number)
    _tell(cpu, number, Access.READ, order)
    return number.value


def write(cpu: Cpu, number: Number, value: int, order: Order = Order.NONE) -> None:
    """atomic_set()."""
    _use(cpu, number)
    _tell(cpu, number, Access.WRITE, order)
    number.value = as_int(value)


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
    number.value = as_int(new)
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
