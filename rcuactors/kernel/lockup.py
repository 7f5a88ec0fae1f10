"""The lockup detectors (kernel/watchdog.c, kernel/watchdog_hld.c): CPUs on which nothing else can run.

Soft: every four seconds an hrtimer of each CPU queues a work for the CPU's stopper thread, which no thread keeps from
running, and looks when that ran last: more than 20 s ago, in units of 2^30 ns, and "BUG: soft lockup" is printed. Up to
v5.11 that is said once, later again after as long (watchdog_report_ts); both read in the sources of 5.9.4, 5.11 and
6.1.166. The stopper is not a thread here: it would have run at once where the interrupted code is preemptible, and
else at the next call of the scheduler, which is asked for.

Hard: with interrupts off that hrtimer does not come. Every ten seconds an NMI of the CPU's cycle counter looks whether
it has since the last time: if not, "Watchdog detected hard LOCKUP". So it is told 6 to 16 s after interrupts went off.
Ours looks where time passes with interrupts off: while a CPU spins on something, and in udelay().
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from ..context import preempt
from ..context.trace import call_trace
from ..context.violation import ViolationKind
from ..marks import MACHINERY

if TYPE_CHECKING:
    from .cpu import Cpu
    from .system import System

__trace__ = MACHINERY

NEVER: Final = 1 << 62
_SECOND_NS: Final = 1_000_000_000
_THRESH: Final = 10
"""kernel.watchdog_thresh, in seconds."""
_SAMPLE_NS: Final = 2 * _THRESH * _SECOND_NS // 5
_NMI_NS: Final = _THRESH * _SECOND_NS
_UNIT_SHIFT: Final = 30


@attrs.define(eq=False)
class _Watched:
    """One CPU's."""

    touched: int = 0
    """watchdog_touch_ts: when the stopper ran last."""
    reported: int = 0
    """watchdog_report_ts: from when on a report is due."""
    told: bool = False
    """soft_watchdog_warn."""
    asked: bool = False
    """The stopper is queued since the last look."""
    switches: int = 0
    nmis: int = 0
    """NMIs so far."""
    hard_told: bool = False


class LockupDetectors:
    """Those of all CPUs. `gives_up_ns` is for how long something may spin before the run is given up."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._soft, self._hard = system.config.SOFTLOCKUP_DETECTOR, system.config.HARDLOCKUP_DETECTOR
        self._watched: dict[int, _Watched] = {}
        # Long enough for each to have had its say, and for the RCU stall that a CPU makes which spins for ever.
        stall_s = max(3, min(300, system.config.rcu_cpu_stall_timeout)) + 5 * system.config.lockdep
        self.gives_up_ns = (max(stall_s, 2 * _THRESH) + 8) * _SECOND_NS
        if self._soft:
            system.hooks.on_new_cpu.append(self._new_cpu)

    @staticmethod
    def _new_cpu(cpu: Cpu) -> None:
        cpu.watchdog_ns = (cpu.clock // _SAMPLE_NS + 1) * _SAMPLE_NS

    def _of(self, cpu: Cpu) -> _Watched:
        return self._watched.setdefault(cpu.cpu_id, _Watched())

    # -- soft ----------------------------------------------------------------------------------------------------------

    def sample(self, cpu: Cpu) -> None:
        """watchdog_timer_fn(): in the tick, once in four seconds."""
        now, watched = cpu.clock, self._of(cpu)
        if self._hard:
            self._nmis_elsewhere(cpu)
        last = now // _SAMPLE_NS * _SAMPLE_NS
        cpu.watchdog_ns = last + _SAMPLE_NS
        if self._stopper_runs(cpu):
            watched.touched, watched.asked, watched.told = now, False, False
            return
        if not watched.asked or not cpu.need_resched or cpu.switches != watched.switches:
            # It has run since the last look.
            watched.touched, watched.told = max(watched.touched, last - _SAMPLE_NS), False
        watched.asked, watched.switches = True, cpu.switches
        cpu.resched_curr()
        since = max(watched.touched, watched.reported)
        if (now >> _UNIT_SHIFT) - (since >> _UNIT_SHIFT) <= 2 * _THRESH or watched.told:
            return
        if self._system.rules.soft_lockup_is_told_once:
            watched.told = True
        else:
            watched.reported = now
        stuck = (now >> _UNIT_SHIFT) - (watched.touched >> _UNIT_SHIFT)
        current = cpu.current
        title = (
            f"watchdog: BUG: soft lockup - CPU#{cpu.cpu_id} stuck for {stuck}s! [{current.ctx.comm}:{current.ctx.pid}]"
        )
        self._report(cpu, ViolationKind.SOFT_LOCKUP, title)

    def _stopper_runs(self, cpu: Cpu) -> bool:
        """What the hrtimer has interrupted lets it run when that returns."""
        count = cpu.ctx.preempt_count & ~preempt.HARDIRQ_MASK
        if cpu.idle:
            return count <= self._system.locks.preempt_offset
        return not count and self._system.config.full_preemption

    # -- hard ----------------------------------------------------------------------------------------------------------

    def next_nmi(self, cpu: Cpu) -> int | None:
        """When the CPU's cycle counter overflows next, if anybody looks then."""
        return (cpu.clock // _NMI_NS + 1) * _NMI_NS if self._hard else None

    def nmi(self, cpu: Cpu, began: int) -> None:
        """watchdog_overflow_callback(), if an NMI has come: interrupts are off, for this since `began` or longer."""
        watched, nmis = self._of(cpu), cpu.clock // _NMI_NS
        if not self._hard or nmis == watched.nmis:
            return
        watched.nmis = nmis
        last_interrupt = (began if cpu.idle else min(began, cpu.ticked_ns)) // _SAMPLE_NS * _SAMPLE_NS
        if last_interrupt > (nmis - 1) * _NMI_NS:
            watched.hard_told = False
        elif not watched.hard_told:
            watched.hard_told = True
            title = f"NMI watchdog: Watchdog detected hard LOCKUP on cpu {cpu.cpu_id}"
            self._report(cpu, ViolationKind.HARD_LOCKUP, title)

    def _nmis_elsewhere(self, cpu: Cpu) -> None:
        """Have CPUs look that spin with interrupts off, and to which an NMI has come since they began."""
        for other in self._system.cpus.values():
            if other.spinning and other.ctx.irqs_disabled and cpu.clock // _NMI_NS > other.clock // _NMI_NS:
                cpu.conductor.enqueue(other, cpu.clock)

    def _report(self, cpu: Cpu, kind: ViolationKind, title: str) -> None:
        trace = call_trace()
        cpu.judge.report(cpu, kind, title, "\n".join([title, *cpu.judge.stack(cpu, trace)]))
