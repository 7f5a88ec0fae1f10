"""The grace-period machine (kernel/rcu/tree.c, rcu_gp_kthread()): an actor that collects quiescent states.

Every CPU must be seen outside of read-side sections once. Busy CPUs are asked and report at a context switch, at a
tick that found no reader, or when a reader ends; idle ones are found by the forced-quiescent-state scan, the first a
jiffy after the start (jiffies_till_first_fqs). Readers that were switched out are waited for by name. rcu_gp_init(),
rcu_gp_fqs() and rcu_gp_cleanup() are its steps. The kernel's machine is a thread on some CPU; here it has a line of
time of its own (docs, assumptions).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from ..engine.device import Device
from ..engine.probe import Access, Probe
from ..marks import machinery
from . import seq as gp_seq
from .messages import (
    GracePeriodEnded,
    GracePeriodRequested,
    QuiescentStateNeeded,
    QuiescentStateReported,
    ReaderBlocked,
    ReaderExited,
)
from .probes import RcuProbes

if TYPE_CHECKING:
    from ..engine.actor import Message
    from ..kernel.cpu import Cpu
    from ..kernel.system import System
    from ..kernel.thread import Thread

_PID = 14
_JIFFIES_FQS_DIV = 256
"""RCU_JIFFIES_FQS_DIV."""
STALL_TIMEOUT_NS = 21_000_000_000
"""CONFIG_RCU_CPU_STALL_TIMEOUT, 21 seconds; later reports of the same stall come three times as far apart."""


@attrs.frozen(kw_only=True)
class GracePeriodStatistics:
    """The grace-period machine.

    * `gp_seq` (number): rcu_state.gp_seq, four to a grace period, its low two bits set while one is in progress.
    * `completed` (grace periods): that ended.
    * `in_progress` (yes or no): one has begun and not ended.
    * `cpus_waited_for` (CPUs): whose quiescent state it lacks.
    * `readers_waited_for` (threads): switched out in a section that keeps it from ending.
    * `stalls` (reports): of the present one, that it does not end.
    """

    gp_seq: int
    completed: int
    in_progress: bool
    cpus_waited_for: int
    readers_waited_for: int
    stalls: int


class GracePeriodMachine(Device):
    """struct rcu_state, and its kthread."""

    def __init__(
        self, system: System, *, index: int, probes: RcuProbes, on_stall: Callable[[str, list[str], bool], None]
    ) -> None:
        super().__init__(name="rcu_preempt" if system.config.preemptible_kernel else "rcu_sched", index=index)
        self._system = system
        self._probes = probes
        self.gp_seq = gp_seq.INITIAL
        self.completed = 0
        self._requested = gp_seq.INITIAL
        self._waiting: dict[int, Cpu] = {}
        self._asked: set[int] = set()
        self.urgent: set[int] = set()
        """rcu_urgent_qs: CPUs that have been waited for so long that their next tick is to reschedule."""
        self._idle_unscanned = False
        self._blocked: dict[int, Thread] = {}
        self._blockers: dict[int, Thread] = {}
        self._interested: dict[int, Cpu] = {}
        self._next_scan: int | None = None
        config = system.config
        self._urgent_after = (config.HZ // 10 + config.nr_cpus // _JIFFIES_FQS_DIV) * config.jiffy_ns
        """adjust_jiffies_till_sched_qs()."""
        self._started_ns = 0
        self._stall_due = 0
        self._stalls = 0
        self._on_stall = on_stall

    def statistics(self) -> GracePeriodStatistics:
        """Its figures, as they are now."""
        return GracePeriodStatistics(
            gp_seq=self.gp_seq,
            completed=self.completed,
            in_progress=gp_seq.in_progress(self.gp_seq),
            cpus_waited_for=len(self._waiting),
            readers_waited_for=len(self._blockers),
            stalls=self._stalls,
        )

    @machinery
    async def main(self) -> None:
        """rcu_gp_kthread(): wait for requests, reports and the time of the next scan, for ever."""
        while True:
            message = await self._system.conductor.receive(self, self._next_scan)
            if message is None:
                self._force_quiescent_states()
            else:
                self._take(message)
            if self.mailbox.waiting:
                continue
            if (
                gp_seq.in_progress(self.gp_seq)
                and not self._waiting
                and not self._blockers
                and not self._idle_unscanned
            ):
                self._end()
            if not gp_seq.in_progress(self.gp_seq) and self._requested > self.gp_seq:
                self._start()

    def _take(self, message: Message) -> None:
        match message:
            case GracePeriodRequested(cpu=cpu, seq=wanted):
                self._interested[cpu.cpu_id] = cpu
                if wanted > self._requested:
                    self._requested = wanted
                    self._emit("newreq")
            case QuiescentStateReported(cpu=cpu, seq=about):
                if about == self.gp_seq:
                    self._waiting.pop(cpu.cpu_id, None)
            case ReaderBlocked(cpu=cpu, thread=thread):
                self._blocked[thread.strand.order] = thread
                if cpu.cpu_id in self._waiting:
                    self._blockers[thread.strand.order] = thread
            case ReaderExited(thread=thread):
                self._blocked.pop(thread.strand.order, None)
                self._blockers.pop(thread.strand.order, None)
            case _:
                raise TypeError(f"the grace-period machine does not understand {type(message).__name__}")

    def _start(self) -> None:
        """rcu_gp_init()."""
        system = self._system
        self.gp_seq = gp_seq.start(self.gp_seq)
        self.clock += system.costs.gp_init_ns
        self._emit("start")
        self._tell(self._probes.gp_started)
        self._blockers = dict(self._blocked)
        self._waiting = dict(sorted(system.cpus.items()))
        self._idle_unscanned = len(self._waiting) < system.config.nr_cpus or any(
            cpu.idle for cpu in self._waiting.values()
        )
        self._asked.clear()
        for cpu in self._waiting.values():
            if not cpu.idle:
                self._ask(cpu)
        self._next_scan = self.clock + system.config.jiffy_ns
        self._started_ns, self._stalls = self.clock, 0
        self._stall_due = self.clock + STALL_TIMEOUT_NS

    def _ask(self, cpu: Cpu) -> None:
        self._asked.add(cpu.cpu_id)
        self._system.conductor.post(cpu, QuiescentStateNeeded(sender=self.name, time_ns=self.clock, seq=self.gp_seq))

    def _force_quiescent_states(self) -> None:
        """rcu_gp_fqs(): idle CPUs are quiescent; those that have become busy since are asked.

        Who keeps the grace period waiting for long is urged (rcu_implicit_dynticks_qs()).
        """
        self.clock += self._system.costs.fqs_ns
        self._emit("fqsstart")
        self._idle_unscanned = False
        for cpu in list(self._waiting.values()):
            if cpu.in_idle_loop:
                del self._waiting[cpu.cpu_id]
                continue
            if cpu.cpu_id not in self._asked:
                self._ask(cpu)
            if self.clock > self._started_ns + self._urgent_after:
                self.urgent.add(cpu.cpu_id)
        self._emit("fqsend")
        self._next_scan = self.clock + self._system.config.jiffy_ns
        if self.clock >= self._stall_due and (self._waiting or self._blockers):
            self._report_stall()

    def _report_stall(self) -> None:
        """print_other_cpu_stall(): who keeps the grace period from ending.

        After the second report the run is given up.
        """
        self._stalls += 1
        self._stall_due = self.clock + 3 * STALL_TIMEOUT_NS
        jiffies = (self.clock - self._started_ns) // self._system.config.jiffy_ns
        lines = [f"CPU {cpu_id} has not been seen outside of readers" for cpu_id in self._waiting]
        lines += [f"task {thread} is blocked in a reader" for thread in self._blockers.values()]
        lines.append(f"t={jiffies} jiffies, g={self.gp_seq}")
        self._on_stall(f"INFO: {self.name} detected stalls on CPUs/tasks", lines, self._stalls > 1)

    def _end(self) -> None:
        """rcu_gp_cleanup()."""
        system = self._system
        self.clock += system.costs.gp_cleanup_ns
        self.gp_seq = gp_seq.end(self.gp_seq)
        self.completed += 1
        self._next_scan = None
        self.urgent.clear()
        self._emit("end")
        self._tell(self._probes.gp_ended)
        for cpu in self._interested.values():
            system.conductor.post(cpu, GracePeriodEnded(sender=self.name, time_ns=self.clock, seq=self.gp_seq))
        if self._requested <= self.gp_seq:
            self._interested.clear()

    def _tell(self, happened: Probe[[int, int]]) -> None:
        if happened.on:
            happened(self.gp_seq, self.clock)
        access = self._system.conductor.probes.access
        if access.on:
            access(self, Access.WRITE)

    def _emit(self, what: str) -> None:
        if self._system.events.on:
            text = f"{self.name} {self.gp_seq} {what}"
            self._system.emit_device(self.name, _PID, self.clock, "rcu_grace_period", text)
