"""The states through which a CPU comes and goes (include/linux/cpuhotplug.h, enum cpuhp_state).

A CPU that comes passes through them in this order and calls each state's startup, one that goes passes back and calls
its teardown. Up to BRINGUP_CPU whoever called cpu_up() or cpu_down() does that (the CPU itself is not there); from
AP_OFFLINE to AP_ONLINE the CPU does, with interrupts off; above, its thread cpuhp/N. The order is the same from v5.9 to
v6.18 for all states that the model has (read in v5.9.1, v5.11, v6.1.0, v6.1.166, v6.6.80, v6.12.0, v6.12.94, v6.18.2);
where a version has no such state, or another owner of one, it sets up none.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from ..thread import Thread

Callback = Callable[["Thread", int], Awaitable[int | None]]
"""A state's startup or teardown: told who runs it, and the number of the CPU. Returns 0, None or a negative errno."""


class CpuhpState(enum.IntEnum):
    """enum cpuhp_state, those that somebody in the model has."""

    OFFLINE = 0
    CREATE_THREADS = enum.auto()
    SLUB_DEAD = enum.auto()
    SOFTIRQ_DEAD = enum.auto()
    PAGE_ALLOC = enum.auto()
    """CPUHP_PAGE_ALLOC_DEAD until v5.13."""
    WORKQUEUE_PREP = enum.auto()
    HRTIMERS_PREPARE = enum.auto()
    SMPCFD_PREPARE = enum.auto()
    RCUTREE_PREP = enum.auto()
    TIMERS_PREPARE = enum.auto()
    BP_PREPARE_DYN = enum.auto()
    """What drivers set up to be called before a CPU comes, and after it has gone."""
    BRINGUP_CPU = enum.auto()
    AP_IDLE_DEAD = enum.auto()
    AP_OFFLINE = enum.auto()
    AP_SCHED_STARTING = enum.auto()
    AP_RCUTREE_DYING = enum.auto()
    AP_PERF_X86_STARTING = enum.auto()
    """One of those that drivers have of their own here, where interrupts are off; perf is not modelled."""
    AP_SMPCFD_DYING = enum.auto()
    AP_HRTIMERS_DYING = enum.auto()
    """Since commit 5c0930ccaad5."""
    AP_TICK_DYING = enum.auto()
    """Since commit 3ad6eb0683a1; before, the tick was stopped with the hrtimers."""
    AP_ONLINE = enum.auto()
    TEARDOWN_CPU = enum.auto()
    AP_ONLINE_IDLE = enum.auto()
    AP_SCHED_WAIT_EMPTY = enum.auto()
    """Since commit 1cf12e08bc4d."""
    AP_SMPBOOT_THREADS = enum.auto()
    AP_WORKQUEUE_ONLINE = enum.auto()
    AP_RCUTREE_ONLINE = enum.auto()
    AP_ONLINE_DYN = enum.auto()
    """What drivers set up to be called on a CPU that has come, and before it goes."""
    AP_ACTIVE = enum.auto()
    ONLINE = enum.auto()


@attrs.frozen(eq=False)
class Step:
    """struct cpuhp_step: what somebody has set up for a state."""

    name: str
    startup: Callback | None
    teardown: Callback | None


@attrs.define(eq=False)
class Steps:
    """cpuhp_hp_states: who is called in which state; in one that several have set up, in the order of setting up."""

    _steps: dict[CpuhpState, list[Step]] = attrs.field(factory=dict)

    def add(self, state: CpuhpState, step: Step) -> None:
        """cpuhp_store_callbacks()."""
        self._steps.setdefault(state, []).append(step)

    def remove(self, state: CpuhpState, step: Step) -> None:
        """The same with nothing."""
        self._steps[state].remove(step)

    def coming(self, above: CpuhpState, upto: CpuhpState) -> list[tuple[CpuhpState, Step]]:
        """What a CPU passes on its way from one state to a higher one."""
        return [(state, step) for state in CpuhpState if above < state <= upto for step in self._steps.get(state, ())]

    def going(self, from_: CpuhpState, above: CpuhpState) -> list[tuple[CpuhpState, Step]]:
        """What a CPU passes on its way back: the same the other way round."""
        return self.coming(above, from_)[::-1]


EPERM: Final = -1
EINVAL: Final = -22
EBUSY: Final = -16
ENXIO: Final = -6
EOPNOTSUPP: Final = -95
