"""What a run leaves open besides who goes next: faults and nature, each a decision where a setting asks for it.

A strategy in order of time is not asked: what it leaves open would be drawn at every point of every run. So nothing is
open to it, and who makes figures of a run says so. Failing allocations are not among these; they are open to everybody
(`fail_page_alloc`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from ..config import Config


@attrs.frozen(kw_only=True)
class LeftOpen:
    """One machine's. Each is a setting of that name; `latitude` is `late_timers` and `waiters` in one."""

    migrate: bool = False
    hotplug: bool = False
    late_timers: bool = False
    waiters: bool = False
    slow_workers: bool = False
    spurious_irqs: bool = False
    spurious_nmis: bool = False
    reclaim_now: bool = False

    @classmethod
    def of(cls, config: Config) -> LeftOpen:
        """As the configuration says."""
        asked = {field.name: getattr(config, field.name) for field in attrs.fields(cls)}
        latitude = {name: config.latitude or asked[name] for name in ("late_timers", "waiters")}
        return cls(**{**asked, **latitude})
