"""The timer wheel's levels (kernel/time/timer.c, calc_wheel_index()).

They get coarser with distance: a timer is put off to the next slot of its level and never comes early, which is why a
delayed work of 1,250 jiffies runs after up to 64 jiffies more.
"""

from __future__ import annotations

from typing import Final

_SLOTS: Final = 64
_LEVEL_SHIFT: Final = 3
_LEVELS: Final = 9


def wheel_expiry(now: int, expires: int) -> int:
    """The jiffy in which a timer set for jiffy `expires` runs.

    Rounded up to the granularity of its level (calc_wheel_index()).
    """
    distance = expires - now
    if distance < 1:
        return now + 1
    level = 0
    while level < _LEVELS - 1 and distance >= (_SLOTS - 1) << (level * _LEVEL_SHIFT):
        level += 1
    shift = level * _LEVEL_SHIFT
    # A whole slot is added at every level: the current jiffy may be nearly over, and a timer must not be early.
    return ((expires >> shift) + 1) << shift
