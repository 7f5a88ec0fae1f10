"""A CPU of PREEMPT_RT that goes idle with softirqs that nobody serves (tick-sched.c, report_idle_softirq()).

Who enables bottom halves where it is not preemptible lets go of the CPU's count, and not of softirq_ctrl.lock
(bottom_halves.py). When it sleeps then, ksoftirqd waits for the lock for ever, and all that is raised stays pending:
SCHED_SOFTIRQ with the next tick (trigger_load_balance()). The idle CPU does not stop its tick for that, and says so,
ten times since boot; from then on it stops it all the same.

Elsewhere SCHED_SOFTIRQ is served at once and does nothing here, so it is not raised at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..thread import Thread, ThreadState

if TYPE_CHECKING:
    from ...context.locks import Lock
    from ..cpu import Cpu
    from ..system import System

SCHED_SOFTIRQ: Final = 7
_RATELIMIT: Final = 10


class IdleSoftirqs:
    """Those of all CPUs whose bottom halves are behind one lock each."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._several = system.config.nr_cpus > 1
        self._reported = 0

    def scheduler_tick(self, cpu: Cpu) -> None:
        """trigger_load_balance(): that it is time to look at other CPUs, where that will stay pending."""
        lock = self._system.softirqs.lock_of(cpu)
        if lock is not None and self._several and not cpu.softirq_ctrl and _sleeps(lock):
            cpu.softirq_pending |= 1 << SCHED_SOFTIRQ

    def report_idle_softirq(self, cpu: Cpu) -> bool:
        """report_idle_softirq(): softirqs are pending, and it has been said; local_bh_blocked() is no reason to."""
        if self._reported >= _RATELIMIT or cpu.softirq_ctrl:
            return False
        self._reported += 1
        text = f"NOHZ tick-stop error: local softirq work is pending, handler #{cpu.softirq_pending:02x}!!!"
        for hook in cpu.hooks.on_printk:
            hook(cpu, text)
        if self._system.events.on:
            self._system.emit(cpu, "console", text)
        return True


def _sleeps(lock: Lock) -> bool:
    owner = lock.owner
    return isinstance(owner, Thread) and owner.state is ThreadState.SLEEPING
