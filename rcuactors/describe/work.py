"""What was done with the objects: frees by channel, monitor, batches, grace periods, shrinker, barriers."""

from __future__ import annotations

from collections import Counter
from typing import Any

import attrs

from ..traces.freers import Freer
from .figures import Distribution

CHANNELS = ("slab_blocks", "vmalloc_blocks", "list", "in_line")


@attrs.define
class Work:
    """Counts of what kvfree_rcu() did; times in nanoseconds."""

    freed: Counter[str] = attrs.field(factory=Counter)
    """By channel."""
    freed_by: Counter[Freer | None] = attrs.field(factory=Counter)
    bulk_sizes: Distribution = attrs.field(factory=Distribution)
    monitor_runs: int = 0
    monitor_by_shrinker: int = 0
    work_runs: int = 0
    shrinker_counts: int = 0
    shrinker_scans: int = 0
    shrinker_freed: int = 0
    barriers: Distribution = attrs.field(factory=Distribution)
    periods: Distribution = attrs.field(factory=Distribution)
    """How long whole grace periods took."""
    periods_ended: int = 0
    """Between the first call and the last free."""
    first_free_ns: int | None = None
    last_free_ns: int = 0
    _ended: int = 0
    _period_began_ns: int | None = None
    _called: bool = False

    def called(self) -> None:
        """Grace periods count from the first call."""
        self._called = True

    def period(self, step: str, time_ns: int) -> None:
        """A grace period starts or ends."""
        if step == "start":
            self._period_began_ns = time_ns
        elif step == "end":
            self._ended += self._called
            if self._period_began_ns is not None:
                self.periods.add(max(time_ns - self._period_began_ns, 0))
                self._period_began_ns = None

    def free(self, channel: str, time_ns: int, objects: int, freer: Freer | None) -> None:
        """So many objects are freed."""
        self.freed[channel] += objects
        if channel != "in_line":
            self.freed_by[freer] += objects
            self.periods_ended = self._ended
        if self.first_free_ns is None:
            self.first_free_ns = time_ns
        self.last_free_ns = time_ns

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "freed": {channel: self.freed[channel] for channel in CHANNELS},
            "freed_by": {
                "work": self.freed_by[Freer.WORK],
                "monitor": self.freed_by[Freer.MONITOR],
                "shrinker": self.freed_by[Freer.SHRINKER],
                "unknown": self.freed_by[None],
            },
            "bulk_sizes": self.bulk_sizes.as_json(),
            "monitor_runs": self.monitor_runs,
            "monitor_runs_by_shrinker": self.monitor_by_shrinker,
            "kfree_rcu_work_runs": self.work_runs,
            "shrinker": {
                "counts": self.shrinker_counts,
                "scans": self.shrinker_scans,
                "freed": self.shrinker_freed,
            },
            "barrier_ns": self.barriers.as_json(),
            "grace_periods": {
                "ended_between_first_call_and_last_free": self.periods_ended,
                "took_ns": self.periods.as_json(),
            },
        }
