"""`explore --faults NAME,..`: what may go wrong besides who goes next, and which settings that are.

Each fault is a setting, so that a scenario may want it for itself, a run may have it without an exploration, and a
schedule file says which were on. Each is a decision, so that schedules are cut down to the faults that matter.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import attrs

from ..engine.choice import Strategy
from ..errors import BadInput
from ..spelling import no_such


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

_LEFT_OPEN: Final = ("latitude", *(fault.setting for fault in FAULTS.values() if fault.value == "y"))
"""Settings that have things be decided that a strategy in order of time is not asked."""

_ONLY_LATE: Final = frozenset(fault.setting for fault in FAULTS.values() if fault.only_late)


def fault_settings(text: str, given: Collection[str]) -> tuple[str, ...]:
    """Settings, as NAME=VALUE, of the faults that are named; `given` are those given beside them. Raises BadInput."""
    names, settings = text.split(","), list[str]()
    for number, name in enumerate(names):
        fault = FAULTS.get(name)
        if fault is None:
            raise no_such("--faults", name, FAULTS)
        if name in names[:number]:
            raise BadInput(f"--faults {text}: {name} twice")
        if fault.setting in given:
            raise BadInput(f"--faults {name}: it is {fault.setting}={fault.value}; --set {fault.setting} is given, too")
        settings.append(f"{fault.setting}={fault.value}")
    return tuple(settings)


def refuse_ignored(setting: str, strategy: str, made: Strategy) -> None:
    """What was asked for has to be decided by the strategy. Raises BadInput."""
    asked = made.order.asks_always or made.holds_up
    if setting in _LEFT_OPEN and not (asked and (made.durations or setting not in _ONLY_LATE)):
        raise BadInput(f"{setting}=y: strategy {strategy} decides nothing of that sort; others do")
