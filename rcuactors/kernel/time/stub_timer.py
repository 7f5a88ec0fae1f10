"""What a timer becomes that nobody has initialised (kernel/time/timer.c), when debug objects notice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...context.violation import ViolationKind

if TYPE_CHECKING:
    from ..cpu import Cpu
    from .timer import Timer


async def stub_timer(cpu: Cpu) -> None:
    """stub_timer(): what a timer calls that nobody has initialised, when debug objects have noticed."""
    cpu.judge.warn_on(cpu, ViolationKind.DEBUG_OBJECTS, "1", "stub_timer")


def fix_up(timer: Timer) -> None:
    """timer_fixup_assert_init(): timer_setup(timer, stub_timer, 0)."""
    timer.name, timer.function, timer.key, timer.site = "stub_timer", stub_timer, "(timer)", None
    timer.lockdep_map, timer.irqsafe, timer.zeroed = None, False, False
