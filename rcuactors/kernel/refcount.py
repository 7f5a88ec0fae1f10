"""refcount_t (lib/refcount.c, include/linux/refcount.h): a count of references that never comes back from 0.

What would go below 0, or up from 0, or beyond INT_MAX, saturates: from then on the count stays where it is, halfway
between INT_MIN and 0, and what it counts is never freed. The kernel warns once of each kind of mistake. Incrementing
orders nothing; decrementing is a release, and the last one an acquire, too.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

import attrs

from ..context.memory import Memory
from ..context.violation import ViolationKind
from ..engine.probe import Access
from ..marks import MACHINERY, stands_for
from . import atomic
from .atomic import INT_MIN, Number, Order

__trace__ = MACHINERY

if TYPE_CHECKING:
    from .cpu import Cpu

SATURATED: Final = INT_MIN // 2
"""REFCOUNT_SATURATED."""


class Refcount(Number):
    """refcount_t."""


@attrs.define(eq=False)
class Kref:
    """struct kref: a refcount_t in an object that goes with its last reference."""

    refcount: Refcount

    @property
    def name(self) -> str:
        """As reports call it."""
        return self.refcount.name

    @property
    def inside(self) -> Memory | None:
        """The object that it is a member of."""
        return self.refcount.inside

    @inside.setter
    def inside(self, memory: Memory | None) -> None:
        self.refcount.inside = memory


class Saturation(enum.Enum):
    """enum refcount_saturation_type, with what is said of it."""

    ADD_NOT_ZERO_OVF = "saturated; leaking memory"
    ADD_OVF = "saturated; leaking memory."
    ADD_UAF = "addition on 0; use-after-free"
    SUB_UAF = "underflow; use-after-free"
    DEC_LEAK = "decrement hit 0; leaking memory"


@stands_for("refcount_warn_saturate")
def _warn_saturate(cpu: Cpu, r: Refcount, how: Saturation) -> None:
    atomic.write(cpu, r, SATURATED)
    _warn(cpu, how.value.rstrip("."), "refcount_warn_saturate", how.name)


def _warn(cpu: Cpu, said: str, function: str, place: str) -> None:
    cpu.judge.warn_once(cpu, ViolationKind.REFCOUNT, f"refcount_t: {said}.", function, place=place)


def refcount_add(cpu: Cpu, i: int, r: Refcount) -> None:
    """refcount_add(): of a count that is not 0."""
    old = atomic.change(cpu, r, lambda old: old + i, Order.NONE)
    if not old:
        _warn_saturate(cpu, r, Saturation.ADD_UAF)
    elif old < 0 or old + i > atomic.INT_MAX:
        _warn_saturate(cpu, r, Saturation.ADD_OVF)


def refcount_add_not_zero(cpu: Cpu, i: int, r: Refcount) -> bool:
    """refcount_add_not_zero(): unless it is 0. Whether it was not."""
    old = atomic.change(cpu, r, lambda old: old + i if old else None, Order.NONE)
    if old < 0 or old + i > atomic.INT_MAX:
        _warn_saturate(cpu, r, Saturation.ADD_NOT_ZERO_OVF)
    return bool(old)


def refcount_sub_and_test(cpu: Cpu, i: int, r: Refcount) -> bool:
    """refcount_sub_and_test(): whether it is 0 now."""
    old = atomic.change(cpu, r, lambda old: old - i, Order.RELEASE)
    if old == i:
        told = cpu.conductor.probes.access
        if told.on:
            told(r, Access.ACQUIRE)  # smp_acquire__after_ctrl_dep()
        return True
    if old < 0 or old - i < 0:
        _warn_saturate(cpu, r, Saturation.SUB_UAF)
    return False


def refcount_dec(cpu: Cpu, r: Refcount) -> None:
    """refcount_dec(): of one that is not the last."""
    if atomic.change(cpu, r, lambda old: old - 1, Order.RELEASE) <= 1:
        _warn_saturate(cpu, r, Saturation.DEC_LEAK)


def refcount_dec_if_one(cpu: Cpu, r: Refcount) -> bool:
    """refcount_dec_if_one(): from 1 to 0, or not at all. Whether it was 1."""
    return atomic.change(cpu, r, lambda old: 0 if old == 1 else None, Order.RELEASE) == 1


def refcount_dec_not_one(cpu: Cpu, r: Refcount) -> bool:
    """refcount_dec_not_one(): unless it is 1. Whether it was not; a saturated one stays."""
    old = atomic.change(
        cpu, r, lambda old: None if old in (SATURATED, 1) or old - 1 < INT_MIN or not old else old - 1, Order.RELEASE
    )
    if not old:
        _warn(cpu, "underflow; use-after-free", "refcount_dec_not_one", "dec_not_one")
    return old != 1
