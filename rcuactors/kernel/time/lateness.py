"""What comes late: timers, and workers (workqueue/worker.py). A decision, where the run asks for it.

A timer is never early; how late it is depends on what the machine does when it is due: a hypervisor, firmware, or
another interrupt holds the CPU. On time is option 0. It is decided when the timer is started, for an hrtimer in
nanoseconds, for one of the wheel in the jiffies that these are begun. The tick itself is on time: it stands for many.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...engine import decision

if TYPE_CHECKING:
    from ...engine.conductor import Conductor
    from ...engine.decision import Identified

LATE_TIMER: Final = decision.DecisionKind("late timer")

LATEST_NS: Final = 100_000_000
"""Nothing is later, in virtual nanoseconds: longer than the hold-ups that find bugs."""


class Lateness:
    """The decisions of one kind in one machine."""

    def __init__(self, conductor: Conductor, kind: decision.DecisionKind, *, enabled: bool) -> None:
        self._conductor = conductor
        self.enabled = enabled
        self._decision = decision.Lateness(kind)

    def late_by(self, what: Identified) -> int:
        """By how many virtual nanoseconds a timer that is started now, or a worker that is to begin now, is late."""
        return self._conductor.put_off(self._decision, what, LATEST_NS) if self.enabled else 0
