"""The columns of flags as the two bytes that the tracer writes (enum trace_flag_type, include/linux/trace_events.h)."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

_IRQS: Final = {"d": 0x01, "b": 0x80, "D": 0x81}
_RESCHED: Final = {"n": 0x04, "p": 0x20, "N": 0x24}
_CONTEXT: Final = {"h": 0x08, "s": 0x10, "H": 0x18, "z": 0x40, "Z": 0x48}
_HEX: Final = "0123456789abcdef"

_PLACES: Final = {4: (0, 1, 2, 3, None), 5: (0, 1, 2, 3, 4), 7: (0, 1, 3, 4, 6)}
"""By width: where interrupts, the wish to reschedule, the context, the preempt depth, and that of migrate-disable are.
Of seven, those of Debian's PREEMPT_RT, the two of lazy preemption have no place in the bytes."""


@lru_cache(maxsize=4096)
def flag_bytes(flags: str) -> tuple[int, int]:
    """common_flags and common_preempt_count. Where there are no flags, or unknown ones, that much is 0."""
    places = _PLACES.get(len(flags))
    if places is None:
        return 0, 0
    irqs, resched, context, depth, pinned = ("." if place is None else flags[place] for place in places)
    bits = _IRQS.get(irqs, 0) | _RESCHED.get(resched, 0) | _CONTEXT.get(context, 0)
    return bits, max(_HEX.find(depth), 0) | max(_HEX.find(pinned), 0) << 4
