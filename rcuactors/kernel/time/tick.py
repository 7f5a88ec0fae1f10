"""The tick, the scheduling-clock interrupt of each CPU (kernel/time/tick-sched.c, kernel/time/timer.c).

The tick is an hrtimer of each CPU that is not idle; it raises TIMER_SOFTIRQ when a timer of the wheel is due, and has
the scheduler look whether another thread's turn has come. An idle CPU has no tick, unless RCU or a lazy irq_work asks
for one, and wakes for its next timer only (NO_HZ_IDLE).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..irq.idle_softirqs import IdleSoftirqs
from ..irq.softirq import Softirq
from ..lockup import NEVER
from ..percpu import PerCpu
from ..sched import gives_way
from .hrtimer import Hrtimer

if TYPE_CHECKING:
    from ..cpu import Cpu
    from ..system import System

HUNG_TASK_SECONDS: Final = 120
"""CONFIG_DEFAULT_HUNG_TASK_TIMEOUT. Only ticks count: a machine that sleeps has none."""


class Ticks:
    """The scheduling-clock interrupt of each CPU."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._timers = PerCpu(lambda _: Hrtimer("tick_sched_timer", self._tick, hard=True), system.masks)
        self._jiffy_ns = system.config.jiffy_ns
        self._migration = system.timers.migration
        self._softirqs = IdleSoftirqs(system) if system.softirqs.have_a_lock else None
        self.count = 0
        self.quiet = 0
        """Ticks since a thread of the scenario last ran."""

    def _next_boundary(self, now: int) -> int:
        return (now // self._jiffy_ns + 1) * self._jiffy_ns

    def restart(self, cpu: Cpu) -> None:
        """tick_nohz_idle_exit(): a thread runs again."""
        cpu.ticked_ns = cpu.clock
        if self._migration is not None:
            self._migration.activate(cpu)
        self._system.hrtimers.enqueue(cpu, self._timers[cpu.cpu_id], self._next_boundary(cpu.clock))

    def stop(self, cpu: Cpu) -> None:
        """tick_nohz_idle_enter(): no tick until the next timer, or the next jiffy if somebody needs it."""
        timer = self._timers[cpu.cpu_id]
        if cpu.softirq_pending and self._softirqs is not None and self._softirqs.report_idle_softirq(cpu):
            if self._migration is not None:
                self._migration.stay_active(cpu)
            expiry: int | None = self._next_boundary(cpu.clock)
        else:
            expiry = self._idle_until(cpu)
        if expiry is None:
            if timer.ticket:
                self._system.hrtimers.cancel(cpu, timer)
        elif not timer.ticket or timer.expires_ns != expiry:
            self._system.hrtimers.enqueue(cpu, timer, expiry)

    def _idle_until(self, cpu: Cpu) -> int | None:
        """tick_nohz_next_event(): when an idle CPU has to wake, if ever."""
        system, migration = self._system, self._migration
        due = system.timers.next_jiffy(cpu)
        keeps = cpu.hooks.keeps_tick(cpu) or (
            system.irq_works.for_the_tick and system.irq_works.irq_work_needs_cpu(cpu)
        )
        if migration is not None:
            if keeps or (due is not None and due * self._jiffy_ns <= self._next_boundary(cpu.clock)):
                # It is not stopped at all; if it was, that stays so until a thread runs.
                migration.stay_active(cpu)
            else:
                due = migration.next_event(cpu)
        if keeps:
            return self._next_boundary(cpu.clock)
        expiry = max(due * self._jiffy_ns, self._next_boundary(cpu.clock)) if due is not None else None
        if migration is not None and cpu.watchdog_ns != NEVER and migration.something_is_left():
            return cpu.watchdog_ns if expiry is None else min(expiry, cpu.watchdog_ns)
        return expiry

    def cancel(self, cpu: Cpu) -> None:
        """tick_cancel_sched_timer(): the CPU goes."""
        if self._migration is not None:
            self._migration.leave(cpu.cpu_id)
        timer = self._timers.get(cpu.cpu_id)
        if timer is not None and timer.ticket:
            self._system.hrtimers.cancel(cpu, timer)

    def _is_due_remotely(self, cpu: Cpu) -> bool:
        """tmigr_requires_handle_remote(), in run_local_timers()."""
        migration = self._migration
        return migration is not None and bool(migration.due_remotely(cpu, cpu.clock // self._jiffy_ns))

    def _watchdog(self, cpu: Cpu) -> None:
        """watchdog_timer_fn(): it has the stopper thread run."""
        self._system.lockups.sample(cpu)
        if self._migration is not None:
            self._migration.activate(cpu)

    def _raise_softirqs(self, cpu: Cpu) -> None:
        """run_local_timers(), trigger_load_balance()."""
        system = self._system
        due = system.timers.next_jiffy(cpu)
        if (due is not None and due * self._jiffy_ns <= cpu.clock) or self._is_due_remotely(cpu):
            system.softirqs.raise_irqoff(cpu, Softirq.TIMER)
        if self._softirqs is not None:
            self._softirqs.scheduler_tick(cpu)

    async def _tick(self, cpu: Cpu) -> int | None:
        """tick_sched_timer(), update_process_times()."""
        system = self._system
        self.count += 1
        self.quiet += 1
        if self.quiet > HUNG_TASK_SECONDS * system.config.HZ:
            system.on_hung()
        cpu.clock += system.costs.tick_ns
        cpu.ticked_ns = cpu.clock
        if cpu.clock >= cpu.watchdog_ns:
            self._watchdog(cpu)
        self._raise_softirqs(cpu)
        for hook in cpu.hooks.on_tick:
            hook(cpu)
        if system.irq_works.for_the_tick:
            await system.irq_works.irq_work_tick(cpu)
        if cpu.hooks.worker_tick is not None:
            await cpu.hooks.worker_tick(cpu)
        if cpu.idle:
            return (
                None
                if system.timers.next_jiffy(cpu) is None and not cpu.hooks.keeps_tick(cpu)
                else self._next_boundary(cpu.clock)
            )
        best = cpu.runqueue.best()
        if cpu.need_resched_lazy:
            cpu.resched_curr()
        elif best is not None and gives_way(cpu.current, best, preempted=True):
            cpu.resched_for(best)
        return self._next_boundary(cpu.clock)
