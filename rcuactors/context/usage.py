"""Usage bits of a lock class: in which contexts it was taken (kernel/locking/lockdep_internals.h, enum lock_usage_bit).

A bit has a state (hardirq, softirq), a direction (used in that kind of interrupt, or taken while such interrupts were
enabled) and says whether the acquisition was a read. Bits are numbered as in the kernel: state * 4 + direction * 2 +
read.
"""

from __future__ import annotations

from typing import Final

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
READS: Final = 0b1010_1010
WRITES: Final = 0b0101_0101


def usage_bit(state: int, *, enabled: bool, read: bool) -> int:
    """The number of a bit; `state` 0 is hardirq, 1 softirq."""
    return state * 4 + enabled * ENABLED_BIT + read


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


def find_exclusive(first: int, second: int) -> tuple[int, int]:
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


def usage_chars(mask: int) -> str:
    """get_usage_chars(): hardirq, hardirq-read, softirq, softirq-read."""
    return "".join(
        (".", "-", "+", "?")[(mask >> bit & 1) + 2 * (mask >> (bit | ENABLED_BIT) & 1)] for bit in (0, 1, 4, 5)
    )
