"""Interrupts and locks (kernel/locking/lockdep.c: mark_lock_irq(), check_irq_usage()).

A lock that an interrupt handler takes must not be held with such interrupts enabled, nor must a lock be taken under
it that is. Each conflict is found when its last half is seen: a usage bit that is new, or an edge that is new.
"""

from __future__ import annotations

import attrs

from ..locks import RECURSIVE_READ, WRITE, LockClass, LockKind
from ..usage import ENABLED_BIT, ENABLED_IRQ, READ_BIT, USED_IN_IRQ, exclusive_mask, find_exclusive
from .graph import Step, search


def _skip(lock_class: LockClass) -> bool:
    """usage_skip(): a local_lock carries no dependency into another CPU's interrupts; an override map is no lock."""
    return lock_class.per_cpu or lock_class.kind is LockKind.OVERRIDE


@attrs.frozen
class StateConflict:
    """A class was taken in both ways: valid_state()."""

    old_bit: int
    new_bit: int


@attrs.frozen
class Inversion:
    """A lock changed its state and now conflicts with another on a path.

    `forwards`: the other was taken under it; else it was taken under the other.
    """

    found: Step
    bit: int
    forwards: bool


@attrs.frozen
class UnsafeOrder:
    """A new edge connects an irq-safe lock (`safe`, found backwards) to an irq-unsafe one (`unsafe`)."""

    safe: Step
    unsafe: Step
    safe_bit: int
    unsafe_bit: int


def conflict_of(lock_class: LockClass, bit: int, read: int) -> StateConflict | Inversion | None:
    """mark_lock_irq(): what is wrong once the class has this new usage bit."""
    opposite = (bit ^ ENABLED_BIT) & ~READ_BIT
    for other in (opposite,) if bit & READ_BIT else (opposite, opposite | READ_BIT):
        if lock_class.usage_mask >> other & 1:
            return StateConflict(other, bit)
    forwards = not bit & ENABLED_BIT
    mask = 3 << opposite
    start = Step(lock_class, read == RECURSIVE_READ if forwards else read != WRITE)
    found = search(start, lambda step: bool(step.usable() & mask), forwards=forwards, skip=_skip)
    if found is None:
        return None
    write = found.lock_class.usage_mask >> opposite & 1
    return Inversion(found, opposite if write else opposite | READ_BIT, forwards)


def unsafe_order(outer: LockClass, outer_read: int, inner: LockClass, inner_read: int) -> UnsafeOrder | None:
    """check_irq_usage(): whether a new edge makes an irq-safe lock wait for an irq-unsafe one."""
    above = Step(outer, outer_read != WRITE)
    safe_bits = 0

    def gather(step: Step) -> bool:
        nonlocal safe_bits
        safe_bits |= step.usable() & USED_IN_IRQ
        return False

    search(above, gather, forwards=False, skip=_skip)
    if not safe_bits:
        return None
    unsafe_mask = exclusive_mask(safe_bits) & ENABLED_IRQ
    below = Step(inner, inner_read == RECURSIVE_READ)
    unsafe = search(below, lambda step: bool(step.usable() & unsafe_mask), skip=_skip)
    if unsafe is None:
        return None
    unsafe_bits = unsafe.usable() & ENABLED_IRQ
    safe_mask = exclusive_mask(unsafe_bits) & USED_IN_IRQ
    safe = search(above, lambda step: bool(step.usable() & safe_mask), forwards=False, skip=_skip)
    assert safe is not None
    safe_bit, unsafe_bit = find_exclusive(safe.usable() & safe_mask, unsafe_bits)
    return UnsafeOrder(safe, unsafe, safe_bit, unsafe_bit)
