"""Timers that come late: a decision, where the run asks for it (`latitude`).

A timer is never early; how late it is depends on what the machine does when it is due: a hypervisor, firmware, or
another interrupt holds the CPU. On time is option 0. It is decided when the timer is started, for an hrtimer in
nanoseconds, for one of the wheel in the jiffies that these are begun. The tick itself is on time: it stands for many.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...engine.decision import DecisionKind, Identified, Lateness

if TYPE_CHECKING:
    from ...engine.conductor import Conductor

LATE_TIMER: Final = DecisionKind("late timer")

LATEST_NS: Final = 100_000_000
"""No timer is later, in virtual nanoseconds: longer than the hold-ups that find bugs."""


class LateTimers:
    """The decisions of one machine."""

    def __init__(self, conductor: Conductor, *, enabled: bool) -> None:
        self._conductor = conductor
        self._enabled = enabled
        self._decision = Lateness(LATE_TIMER)

    def late_by(self, timer: Identified) -> int:
        """By how many virtual nanoseconds a timer that is started now will be late."""
        return self._conductor.put_off(self._decision, timer, LATEST_NS) if self._enabled else 0
