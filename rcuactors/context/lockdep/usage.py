"""In which contexts a lock class was used, and which uses conflict.

kernel/locking/lockdep_internals.h, enum lock_usage_bit; lockdep.c, mark_lock_irq(), check_irq_usage(). A bit has a
state (hardirq, softirq), a direction (used in that kind of interrupt, or taken while such interrupts were enabled) and
says whether the acquisition was a read. Bits are numbered as in the kernel: state * 4 + direction * 2 + read.

A lock that an interrupt handler takes must not be held with such interrupts enabled, nor must a lock be taken under
it that is. Each conflict is found when its last half is seen: a usage bit that is new, or an edge that is new.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Final

import attrs

from ..locks import RECURSIVE_READ, WRITE, LockClass, LockKind
from .chains import BH_OFF, IN_HARDIRQ, IN_SOFTIRQ, IRQS_OFF, READ_SHIFT, TRYLOCK
from .graph import READS, Step, search

if TYPE_CHECKING:
    from .rules import LockdepRules

READ_BIT: Final = 1
ENABLED_BIT: Final = 2
STATES: Final = ("HARDIRQ", "SOFTIRQ")
BITS: Final = range(8)

USED: Final = 8
USED_READ: Final = 9
"""LOCK_USED, LOCK_USED_READ: taken at all; what an NMI must not find of a lock that it waits for."""
IN_NMI: Final = 10
_OTHERS: Final = {USED: "INITIAL USE", IN_NMI: "IN-NMI"}

USED_IN_IRQ: Final = 0b0011_0011
ENABLED_IRQ: Final = 0b1100_1100
WRITES: Final = 0b0101_0101


def usage_bit(state: int, *, enabled: bool, read: bool) -> int:
    """The number of a bit; `state` 0 is hardirq, 1 softirq."""
    return state * 4 + enabled * ENABLED_BIT + read


@cache
def mere_use_of(code: int) -> tuple[int, tuple[int, ...]]:
    """A mask, and the numbers of its bits: what any acquisition leaves, taken in the way `code` (chains.py)."""
    bit = USED_READ if code >> READ_SHIFT & 3 else USED
    return 1 << bit, (bit,)


@cache
def usage_of(code: int) -> tuple[int, tuple[int, ...]]:
    """mark_usage(): the same with what it says of interrupts, in the order in which that is looked at."""
    read = bool(code >> READ_SHIFT & 3)
    bits: list[int] = []
    if not code & TRYLOCK:
        bits += [usage_bit(0, enabled=False, read=read)] if code & IN_HARDIRQ else []
        bits += [usage_bit(1, enabled=False, read=read)] if code & IN_SOFTIRQ else []
    if not code & IRQS_OFF:
        bits.append(usage_bit(0, enabled=True, read=read))
        if not code & (BH_OFF | IN_SOFTIRQ):
            bits.append(usage_bit(1, enabled=True, read=read))
    mere, last = mere_use_of(code)
    return mere | sum(1 << bit for bit in bits), (*bits, *last)


def bit_name(bit: int) -> str:
    """usage_str[]: IN-HARDIRQ-W, SOFTIRQ-ON-R and the like."""
    if bit >= USED:
        return _OTHERS[bit]
    state, access = STATES[bit >> 2], "R" if bit & READ_BIT else "W"
    return f"{state}-ON-{access}" if bit & ENABLED_BIT else f"IN-{state}-{access}"


def state_name(bit: int) -> str:
    """state_name(): HARDIRQ, SOFTIRQ, or with -READ."""
    return STATES[bit >> 2] + ("-READ" if bit & READ_BIT else "")


def exclusive_mask(bits: int) -> int:
    """exclusive_mask(): the bits that conflict with any of these: the other direction, read and write."""
    other = (bits & USED_IN_IRQ) << ENABLED_BIT | (bits & ENABLED_IRQ) >> ENABLED_BIT
    return other | (other & WRITES) << READ_BIT | (other & READS) >> READ_BIT


def find_exclusive_match(first: int, second: int) -> tuple[int, int]:
    """find_exclusive_match(): a bit of the first mask and one of the second that exclude each other.

    Raises ValueError when no two do.
    """
    for bit in BITS:
        if not first >> bit & 1:
            continue
        wanted = (bit ^ ENABLED_BIT) & ~READ_BIT
        for other in (wanted, wanted | READ_BIT):
            if second >> other & 1:
                return bit, other
    raise ValueError(f"no exclusive pair in {first:#x} and {second:#x}")


def get_usage_chars(mask: int) -> str:
    """get_usage_chars(): hardirq, hardirq-read, softirq, softirq-read."""
    return "".join(
        (".", "-", "+", "?")[(mask >> bit & 1) + 2 * (mask >> (bit | ENABLED_BIT) & 1)] for bit in (0, 1, 4, 5)
    )


def usage_skip(lock_class: LockClass) -> bool:
    """usage_skip(): a local_lock carries no dependency into another CPU's interrupts; an override map is no lock."""
    return lock_class.per_cpu or lock_class.kind is LockKind.OVERRIDE


def _is_override(lock_class: LockClass) -> bool:
    return lock_class.kind is LockKind.OVERRIDE


def _skip_of(rules: LockdepRules) -> Callable[[LockClass], bool]:
    """Through which classes no path goes that matters to interrupts."""
    return usage_skip if rules.local_locks_are_per_cpu else _is_override


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


def mark_lock_irq(lock_class: LockClass, bit: int, read: int, rules: LockdepRules) -> StateConflict | Inversion | None:
    """mark_lock_irq(): what is wrong once the class has this new usage bit."""
    opposite = (bit ^ ENABLED_BIT) & ~READ_BIT
    forwards = not bit & ENABLED_BIT
    if not (lock_class.usage_below if forwards else lock_class.usage_above) & 3 << opposite:
        return None
    skip = _skip_of(rules)
    if not rules.readers_are_dependencies:
        return _mark_lock_irq_of_old(lock_class, bit, skip)
    for other in (opposite,) if bit & READ_BIT else (opposite, opposite | READ_BIT):
        if lock_class.usage_mask >> other & 1:
            return StateConflict(other, bit)
    mask = 3 << opposite
    start = Step(lock_class, read == RECURSIVE_READ if forwards else read != WRITE)
    found = search(start, lambda step: bool(step.usable() & mask), forwards=forwards, skip=skip)
    if found is None:
        return None
    write = found.lock_class.usage_mask >> opposite & 1
    return Inversion(found, opposite if write else opposite | READ_BIT, forwards)


def _mark_lock_irq_of_old(
    lock_class: LockClass, bit: int, skip: Callable[[LockClass], bool]
) -> StateConflict | Inversion | None:
    """mark_lock_irq() with STRICT_READ_CHECKS, until v5.9: any path counts; a reader meets only writers on it.

    A new writer meets the others' writers, then its own class's readers, then the others' readers.
    """
    opposite = (bit ^ ENABLED_BIT) & ~READ_BIT
    forwards = not bit & ENABLED_BIT
    for other in (opposite,) if bit & READ_BIT else (opposite, opposite | READ_BIT):
        if lock_class.usage_mask >> other & 1:
            return StateConflict(other, bit)
        found = search(
            Step(lock_class, weak=False),
            lambda step, other=other: bool(step.usable() >> other & 1),  # type: ignore[misc]  # the default binds it
            forwards=forwards,
            skip=skip,
        )
        if found is not None:
            return Inversion(found, other, forwards)
    return None


def check_irq_usage(
    outer: LockClass, outer_read: int, inner: LockClass, inner_read: int, rules: LockdepRules
) -> UnsafeOrder | None:
    """check_irq_usage(): whether a new edge makes an irq-safe lock wait for an irq-unsafe one.

    Until v5.9 exclusive_mask() knew no unsafe readers.
    """
    unsafe_ways = ENABLED_IRQ if rules.readers_are_dependencies else ENABLED_IRQ & WRITES
    if not exclusive_mask(outer.usage_above & USED_IN_IRQ) & unsafe_ways & inner.usage_below:
        return None
    skip = _skip_of(rules)
    above = Step(outer, outer_read != WRITE)
    safe_bits = 0

    def gather(step: Step) -> bool:
        nonlocal safe_bits
        safe_bits |= step.usable() & USED_IN_IRQ
        return False

    search(above, gather, forwards=False, skip=skip)
    if not safe_bits:
        return None
    unsafe_mask = exclusive_mask(safe_bits) & unsafe_ways
    below = Step(inner, inner_read == RECURSIVE_READ)
    unsafe = search(below, lambda step: bool(step.usable() & unsafe_mask), skip=skip)
    if unsafe is None:
        return None
    unsafe_bits = unsafe.usable() & unsafe_ways
    safe_mask = exclusive_mask(unsafe_bits) & USED_IN_IRQ
    safe = search(above, lambda step: bool(step.usable() & safe_mask), forwards=False, skip=skip)
    assert safe is not None
    safe_bit, unsafe_bit = find_exclusive_match(safe.usable() & safe_mask, unsafe_bits)
    return UnsafeOrder(safe, unsafe, safe_bit, unsafe_bit)
