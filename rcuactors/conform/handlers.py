"""Timers and their handlers: lines that contradict each other."""

from __future__ import annotations

from ..traces import Entered, TimerExpired, WorkQueued
from .lines import Line, Told


def know_handlers(told: Told) -> None:
    """A timer runs its handler once, and does at once what it is for.

    The refill's hrtimer has no line for that where it interrupts another probe. A delayed work's timer queues the work
    in any case (kernel/workqueue.c, delayed_work_timer_fn()).
    """
    for line in told.lines:
        raw, before = line.raw, told.lines[line.before] if line.before >= 0 else None
        if isinstance(raw, Entered) and raw.function == "schedule_page_work_fn":
            if before is not None and before.event != "hrtimer_expire_entry":
                told.trouble.append((line.at, "schedule_page_work_fn() is called, and its hrtimer has not expired"))
        elif before is not None and told.by_rig and _expires(before) and not isinstance(raw, WorkQueued):
            told.trouble.append((line.at, "a delayed work's timer has expired, and the work is not queued"))


def _expires(line: Line) -> bool:
    return isinstance(line.raw, TimerExpired) and line.raw.function == "delayed_work_timer_fn"
