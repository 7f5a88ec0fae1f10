"""The fields of preempt_count, as include/linux/preempt.h lays them out, and what can be read from them.

Bits 0-7 count preempt_disable(), 8-15 softirq (0x100 while serving one, 0x200 for each local_bh_disable()), 16-19
hardirq, 20-23 NMI. Bit 31, which x86 keeps inverted for "no reschedule needed", is not part of the number here.
"""

from __future__ import annotations

from typing import Final

PREEMPT_OFFSET: Final = 0x1
SOFTIRQ_OFFSET: Final = 0x100
SOFTIRQ_DISABLE_OFFSET: Final = 0x200
HARDIRQ_OFFSET: Final = 0x10000
NMI_OFFSET: Final = 0x100000

ALL: Final = 0x7FFFFFFF
BELOW_ZERO: Final = 0x40000000
"""preempt_count() of x86: what has been taken off too often shows as a large number, in all fields at once."""

PREEMPT_MASK: Final = 0xFF
SOFTIRQ_MASK: Final = 0xFF00
HARDIRQ_MASK: Final = 0xF0000
NMI_MASK: Final = 0xF00000
INTERRUPT_MASK: Final = SOFTIRQ_MASK | HARDIRQ_MASK | NMI_MASK


def in_nmi(count: int) -> bool:
    """Serving a non-maskable interrupt."""
    return bool(count & NMI_MASK)


def in_hardirq(count: int) -> bool:
    """Serving a hardware interrupt."""
    return bool(count & HARDIRQ_MASK)


def in_serving_softirq(count: int) -> bool:
    """Serving a softirq, as opposed to having bottom halves disabled."""
    return bool(count & SOFTIRQ_OFFSET)


def in_interrupt(count: int) -> bool:
    """NMI, hardirq, softirq, or bottom halves disabled."""
    return bool(count & INTERRUPT_MASK)


def in_task(count: int) -> bool:
    """None of NMI, hardirq, serving softirq."""
    return not count & (NMI_MASK | HARDIRQ_MASK | SOFTIRQ_OFFSET)
