"""The scheduler and a CPU that goes (kernel/sched/core.c): threads leave it.

A CPU is first made inactive: from then on no thread is put on it but those that belong to it, and a grace period makes
sure that everybody who could still have done so is through. Since commit 1cf12e08bc4d (v5.11) the others are pushed
away as they are scheduled (balance_push()), and whoever has migration off is waited for; before, they ran on until the
CPU died, and were moved then (migrate_tasks()). A thread that was bound to a CPU may run anywhere when that is gone
(select_fallback_rq()), and does not come back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...context.violation import ViolationKind
from ...marks import machinery
from ..migration import is_movable
from ..thread import ThreadState
from ..time.timeouts import sleep_ns
from .states import CpuhpState

if TYPE_CHECKING:
    from ..cpu import Cpu
    from ..system import System
    from ..thread import Thread


class SchedHotplug:
    """The scheduler's callbacks."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._pushes = system.rules.pushes_tasks_off_dying_cpus or system.config.PREEMPT_RT

    def set_up(self) -> None:
        """Which the version has."""
        setup_state = self._system.hotplug.setup_state
        setup_state(CpuhpState.AP_SCHED_STARTING, "sched:starting", teardown=self.sched_cpu_dying)
        setup_state(CpuhpState.AP_SCHED_WAIT_EMPTY, "sched:waitempty", teardown=self.sched_cpu_wait_empty)
        setup_state(
            CpuhpState.AP_ACTIVE, "sched:active", startup=self.sched_cpu_activate, teardown=self.sched_cpu_deactivate
        )

    async def sched_cpu_activate(self, _thread: Thread, cpu_id: int) -> None:
        """sched_cpu_activate()."""
        self._set_active(self._system.cpu(cpu_id), True)

    async def sched_cpu_deactivate(self, thread: Thread, cpu_id: int) -> None:
        """sched_cpu_deactivate(): no thread comes here any more; those that are here are pushed away."""
        system = self._system
        cpu = system.cpu(cpu_id)
        self._set_active(cpu, False)
        for bound in self._of(cpu):
            # kthread_bind() was a mask of one CPU, which others would not see.
            if bound.bound and not bound.per_cpu:
                bound.bound, bound.cpus_allowed = False, frozenset({cpu_id})
        if self._pushes:
            self._push(cpu)
        await system.hotplug.rcu.synchronize_rcu(thread)

    async def sched_cpu_wait_empty(self, thread: Thread, cpu_id: int) -> None:
        """sched_cpu_wait_empty(), balance_hotplug_wait(): until nobody is here but who belongs here.

        Before there was that, whoever had migration off was waited for all the same (PREEMPT_RT's patches). On
        PREEMPT_RT the CPU's softirq threads are parked by then: who sleeps with migration off until a timer of this
        CPU's wheel has expired is waited for in vain [analysis].
        """
        cpu = self._system.cpu(cpu_id)
        while True:
            if self._pushes:
                self._push(cpu)
            if not any((self._pushes and who.queued) or not is_movable(who) for who in self._of(cpu)):
                return
            await sleep_ns(self._system, thread, self._system.config.jiffy_ns)

    async def sched_cpu_dying(self, thread: Thread, cpu_id: int) -> None:
        """sched_cpu_dying(), with interrupts off: who is still here leaves, those who sleep included.

        In the kernel one that sleeps leaves when it is woken (select_task_rq()).
        """
        cpu = thread.cpu
        rest = self._of(cpu)
        if self._pushes and any(who.queued for who in rest):
            cpu.judge.warn(cpu, ViolationKind.BAD_CONTEXT, "Dying CPU not properly vacated!", "sched_cpu_dying")
        for who in rest:
            self._system.migration.leave_cpu(who)
        assert cpu.cpu_id == cpu_id

    # ----------------------------------------------------------------------------------------------------------------

    def _set_active(self, cpu: Cpu, active: bool) -> None:
        cpu.active = active
        self._system.masks.set_cpu_active(cpu.cpu_id, active)

    @machinery
    def _of(self, cpu: Cpu) -> list[Thread]:
        """Threads that are on a CPU, and do not belong to it."""
        return [
            thread
            for thread in self._system.threads
            if thread.cpu is cpu and not thread.per_cpu and thread.state is not ThreadState.DEAD
        ]

    def _push(self, cpu: Cpu) -> None:
        """balance_push(), of those that wait here."""
        for who in self._of(cpu):
            if who.queued and is_movable(who):
                self._system.migration.leave_cpu(who)
