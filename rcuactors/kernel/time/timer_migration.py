"""Who expires the timers of a CPU that is idle (kernel/time/timer_migration.c; commit 7ee988770326 of v6.9).

A timer that is not pinned to its CPU may be expired by another one while that CPU is idle, so that it need not wake.
Of the CPUs that are active one is the migrator: at each tick it looks for timers of idle CPUs that are due, and calls
their functions itself (tmigr_handle_remote(), timer_expire_remote()). A migrator that goes idle hands that on to
another active CPU. The last CPU that goes idle has to wake for all of them, its own included (tmigr_cpu_deactivate()),
and who sets a timer while nobody is active wakes for that (tmigr_cpu_new_timer()). CPUs that were told to wake for
their own timers do so all the same; of two that wake for the same timer its own CPU is the faster one, as it usually
was on recorded 6.12 kernels.

A CPU that keeps its tick, since RCU needs it there (rcu_needs_cpu(): some callback of its is left) or something is due
at the next one, stays active (tick_nohz_next_event()); one whose tick is stopped stays idle until a thread runs there,
whatever is due (base->is_idle). So where a CPU can serve no softirq any more another one expires its timers, as soon as
it has been active for whatever reason; at the latest when the watchdog for soft lockups has its stopper run, once in
four seconds (SOFTLOCKUP_DETECTOR=y). The same holds for a sleeper while the migrator has bottom halves off, and
expires nothing.

On recorded 6.12 kernels such sleepers woke in time: of 1,081 timers that were traced 18 were expired by another CPU.
That callbacks keep the tick on most CPUs there is inferred. A machine of the model is quiet, with next to nobody who
leaves callbacks behind; so this is with `timer_migration=y` only (in the kernel a sysctl of that name, which is on),
and where questions are asked of a version that has it.

There is one group, as there is of up to eight CPUs; the hierarchy above and its locks are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..cpu import Cpu
    from .timer import Timers

NONE = -1
"""TMIGR_NONE."""


class TimerMigration:
    """The CPUs that are active, one of them the migrator."""

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
        self._active: set[int] = set()
        self._idle: set[int] = set()
        """Those whose tick is stopped, the bases of their timers idle (is_idle)."""
        self._migrator = NONE
        self._wakes_for_all: set[int] = set()
        """Idle CPUs that went idle last: their wake-up is for everybody's timers."""

    def activate(self, cpu: Cpu) -> None:
        """tmigr_cpu_activate()."""
        self._active.add(cpu.cpu_id)
        self._idle.discard(cpu.cpu_id)
        self._wakes_for_all.discard(cpu.cpu_id)
        if self._migrator == NONE:
            self._migrator = cpu.cpu_id

    def stay_active(self, cpu: Cpu) -> None:
        """It goes idle, but its tick is not stopped."""
        if cpu.cpu_id not in self._idle:
            self.activate(cpu)

    def leave(self, cpu_id: int) -> None:
        """The CPU is active no more: who is the migrator now (tmigr_inactive_up(), tmigr_cpu_offline())."""
        self._active.discard(cpu_id)
        self._wakes_for_all.discard(cpu_id)
        if self._migrator == cpu_id:
            self._migrator = min(self._active, default=NONE)

    def next_event(self, cpu: Cpu) -> int | None:
        """The jiffy for which an idle CPU has to wake: get_next_timer_interrupt() with the tick stopped."""
        timers, was_active = self._timers, cpu.cpu_id in self._active
        due = timers.next_jiffy(cpu, pinned=True)
        if was_active:
            self.leave(cpu.cpu_id)
        self._idle.add(cpu.cpu_id)
        if self._migrator != NONE:
            self._wakes_for_all.discard(cpu.cpu_id)
            return due
        if was_active:
            self._wakes_for_all.add(cpu.cpu_id)
        others = self._first_of_idle() if cpu.cpu_id in self._wakes_for_all else timers.next_jiffy(cpu, pinned=False)
        return due if others is None else others if due is None else min(due, others)

    def something_is_left(self) -> bool:
        """Some CPU is active, or has timers: else it is the same whether anybody wakes."""
        return bool(self._active or self._timers.globals_pending())

    def _first_of_idle(self) -> int | None:
        """tmigr_next_groupevt_expires()."""
        found = [jiffy for cpu_id, jiffy in self._timers.globals_pending() if cpu_id not in self._active]
        return min(found, default=None)

    def due_remotely(self, cpu: Cpu, now: int) -> list[int]:
        """tmigr_requires_handle_remote(): idle CPUs with timers that are due, if they are this CPU's to expire."""
        if self._migrator != cpu.cpu_id and cpu.cpu_id not in self._wakes_for_all:
            return []
        due = sorted((jiffy, cpu_id) for cpu_id, jiffy in self._timers.globals_pending() if jiffy <= now)
        return [cpu_id for _, cpu_id in due if cpu_id != cpu.cpu_id and cpu_id not in self._active]
