"""The scheduler's tracepoints, from what can be heard of a machine: sched_switch, sched_waking, sched_wakeup.

A viewer draws from these who runs on which CPU, and who waits for one. The event stream of a run has none of them: each
thread that sleeps would have four. They have the fields and the text of include/trace/events/sched.h, and stand where
the kernel has them: sched_switch on the CPU that switches, under its run queue's lock, with the thread that leaves;
sched_waking with whoever wakes; sched_wakeup on the CPU on whose run queue the thread is then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import attrs

from ..engine.events import Event
from ..kernel.messages import WakeUp
from ..kernel.migration import PRIORITIES
from ..kernel.thread import ThreadState

if TYPE_CHECKING:
    from ..engine.actor import Actor, Message
    from ..kernel.cpu import Cpu
    from ..kernel.thread import Thread
    from ..machine import Machine

_COMM: Final = 15
"""TASK_COMM_LEN, without the NUL."""

_LETTERS: Final = {
    ThreadState.RUNNABLE: "R",
    ThreadState.SLEEPING: "D",
    ThreadState.OUTSIDE: "S",
    ThreadState.PARKED: "P",
    ThreadState.DEAD: "X",
}
"""task_state_to_char(), where `interruptible` and `service` say nothing else."""


@attrs.define(eq=False)
class SchedulerEvents:
    """Listens to a machine, and tells `take` of what its scheduler does."""

    machine: Machine
    take: Callable[[Event], None]
    _told: dict[int, int] = attrs.field(factory=dict)
    """By pid: the sleep of which another CPU was told last that it is over. It may never look at that."""
    _cpus: dict[str, Cpu] = attrs.field(factory=dict)

    def listen(self) -> None:
        """Hear of it from now on."""
        probes = self.machine.probes
        probes.kernel.switched.listen(self._switched)
        probes.kernel.woken.listen(self._woken)
        probes.engine.message.listen(self._message)

    def _switched(self, cpu: Cpu, leaving: Thread, following: Thread, preempted: bool) -> None:
        state = "R+" if preempted else _state(leaving)
        text = (
            f"prev_comm={_comm(leaving)} prev_pid={leaving.pid} prev_prio={PRIORITIES[leaving.urgency]} "
            f"prev_state={state} ==> "
            f"next_comm={_comm(following)} next_pid={following.pid} next_prio={PRIORITIES[following.urgency]}"
        )
        pinned = leaving.ctx.migrate_disabled
        self._tell(cpu, leaving, f"d..2{min(pinned, 0xF):x}" if pinned else "d..2.", "sched_switch", text)

    def _message(self, _recipient: Actor, message: Message) -> None:
        if not isinstance(message, WakeUp):
            return
        sender = self._cpu_called(message.sender)
        if sender is not None and self._told.get(message.thread.pid) != message.sleep:
            self._told[message.thread.pid] = message.sleep
            self._wakes(sender, "sched_waking", message.thread)

    def _cpu_called(self, name: str) -> Cpu | None:
        """The CPU of that name; a machine's CPUs are there when something has touched them."""
        if name not in self._cpus:
            self._cpus.update((cpu.name, cpu) for cpu in self.machine.system.cpus.values())
        return self._cpus.get(name)

    def _woken(self, cpu: Cpu, thread: Thread) -> None:
        if self._told.get(thread.pid) != thread.sleeps:
            self._wakes(cpu, "sched_waking", thread)
        self._wakes(cpu, "sched_wakeup", thread)

    def _wakes(self, cpu: Cpu, name: str, thread: Thread) -> None:
        who = f"comm={_comm(thread)} pid={thread.pid} prio={PRIORITIES[thread.urgency]}"
        text = f"{who} target_cpu={thread.cpu.cpu_id:03d}"
        self._tell(cpu, cpu.current, cpu.ctx.flags(need_resched=cpu.need_resched), name, text)

    def _tell(self, cpu: Cpu, thread: Thread, flags: str, name: str, text: str) -> None:
        comm = thread.comm if thread.pid else "<idle>"
        self.take(Event(cpu.clock, cpu.cpu_id, comm, thread.pid, flags, name, text))


def _comm(thread: Thread) -> str:
    """task_struct.comm, that of an idle thread too."""
    return thread.comm[:_COMM] if thread.pid else f"swapper/{thread.cpu.cpu_id}"


def _state(thread: Thread) -> str:
    if thread.state is ThreadState.SLEEPING:
        if thread.interruptible:
            return "S"
        # A worker that has nothing to do, and others of its kind, are TASK_IDLE.
        return "I" if thread.service and not thread.at_work else "D"
    return _LETTERS[thread.state]
