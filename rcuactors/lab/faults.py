"""What may go wrong besides who goes next, by name, and which settings that are.

Each fault is a setting, so that a scenario may want it for itself, a run may have it without an exploration, and a
schedule file says which were on. Each is a decision, so that schedules are cut down to the faults that matter. Whoever
draws runs draws faults for some of them, by the same rule for all (`drawn_faults`).
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from typing import Final

import attrs


@attrs.frozen
class Fault:
    """A fault by its name. `only_late`: all that is decided is by how much something is late."""

    name: str
    setting: str
    about: str
    value: str = "y"
    only_late: bool = False


FAULTS: Final = {
    fault.name: fault
    for fault in (
        Fault("alloc", "fail_page_alloc", "allocations of pages fail, ten in a hundred", value="10"),
        Fault("late-timer", "late_timers", "timers are late", only_late=True),
        Fault("interrupt", "spurious_irqs", "interrupts come, at any point"),
        Fault("nmi", "spurious_nmis", "NMIs come, at any point"),
        Fault("migrate", "migrate", "threads move to other CPUs"),
        Fault("hotplug", "hotplug", "CPUs go and come"),
        Fault("slow-worker", "slow_workers", "workers begin late", only_late=True),
        Fault("reclaim", "reclaim_now", "allocations reclaim, as if memory were low"),
        Fault("waiters", "waiters", "another thread of a run queue goes first"),
    )
}
"""By name."""

_SOME: Final = 1 / 4
"""Of so many runs that are drawn something may go wrong besides."""

_MOST: Final = 3


def drawn_faults(rng: random.Random, taken: Collection[str]) -> tuple[Fault, ...]:
    """For one run in four one to three of them, none whose setting is `taken`; for the others none."""
    if rng.random() >= _SOME:
        return ()
    free = [fault for fault in FAULTS.values() if fault.setting not in taken]
    wanted = min(1 + int(rng.random() * _MOST), len(free))
    picked = [free.pop(int(rng.random() * len(free))) for _ in range(wanted)]
    return tuple(fault for fault in FAULTS.values() if fault in picked)


def faults_in(settings: Mapping[str, str]) -> tuple[str, ...]:
    """The names of those that settings ask for, whoever has asked."""
    asked = {name for name, value in settings.items() if value not in ("n", "0")}
    if "latitude" in asked:
        asked |= {"late_timers", "waiters"}
    return tuple(fault.name for fault in FAULTS.values() if fault.setting in asked)
